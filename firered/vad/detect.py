"""Voice activity detection on the released models: `Vad`, `Mvad` and `StreamVad`."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.frames import Frames
from firered.audio.like import AudioLike, as_frames, frames_of_all, listed
from firered.errors import Outcome, result_of
from firered.hub.find import find_model
from firered.results import MvadResult, StreamVadResult, VadResult
from firered.runtime.entry import InOrder, Progress
from firered.vad.classifier import FrameClassifier
from firered.vad.config import MvadConfig, StreamVadConfig, VadConfig
from firered.vad.post import SegmentRules, StreamSegmenter, segment, to_seconds
from firered.vad.stream import VadStream

EVENTS = ("speech", "singing", "music")  # the outputs of the multi-label model, in order

Config = TypeVar("Config")
Result = TypeVar("Result")


class _Detector(ABC, Generic[Config, Result]):
    """What the three detectors share: a classifier, a config, and one recording or many."""

    _CONFIG: type
    _PUBLISHED: str
    _EVENTS = 1
    _STREAMING = False

    def __init__(self, classifier: FrameClassifier, config: Config | None = None) -> None:
        self.classifier = classifier
        self.config: Config = self._CONFIG() if config is None else config

    @classmethod
    def from_pretrained(
        cls: "type[Detector]", model_dir: str | Path, config: Config | None = None, device: str = "auto"
    ) -> "Detector":
        """The detector of a model directory (model.pth.tar and cmvn.ark), or of a published name.

        Raises:
            ModelError: the directory is missing, incomplete or holds a model of another kind.
        """
        directory = find_model(model_dir, cls._PUBLISHED)
        return cls(FrameClassifier.load(directory, cls._EVENTS, cls._STREAMING, device), config)

    def __call__(self, audio: AudioLike, uttid: str = "") -> Result:
        """The result for one recording.

        Args:
            audio: a recording in any form; see `firered.audio.like.AudioLike`.
            uttid: id in the result; a path's name without suffix if not given.

        Raises:
            AudioError: it cannot be read or holds nothing to analyse.
        """
        ((_, result),) = self.detect([as_frames(audio, uttid)])
        return result_of(result)

    def batch(
        self, audios: Iterable[AudioLike], uttids: Sequence[str] | None = None, *, progress: Progress | None = None
    ) -> list[Outcome[Result]]:
        """The result for each recording, in input order; where one failed, its FireRedError in the result's place.

        Args:
            audios: recordings in any form.
            uttids: ids in the results; a path's name without suffix if not given.
            progress: called with the number of recordings that are done, and of all.

        Raises:
            OptionError: this is no list of recordings, or there are not as many ids.
        """
        recordings = listed(audios, uttids)
        outcomes = InOrder[Result](len(recordings), progress)
        for number, (_, outcome) in enumerate(self.detect(frames_of_all(recordings, uttids))):
            outcomes.put(number, outcome)
        return outcomes.all()

    def detect(self, recordings: Iterable[Frames]) -> Iterator[tuple[Frames, Outcome[Result]]]:
        """Each recording with its result, or with the error that ended its reading; in order."""
        for frames, probs in self.classifier.posteriors(recordings):
            yield frames, (probs if isinstance(probs, Exception) else self._result(frames, probs))

    @abstractmethod
    def _result(self, frames: Frames, probs: np.ndarray) -> Result:
        """The result of a recording whose posteriors these are."""


Detector = TypeVar("Detector", bound=_Detector)


def _rules(config: VadConfig | MvadConfig, threshold: float, shortest: int, longest: int) -> SegmentRules:
    return SegmentRules(
        threshold=threshold,
        smooth_window_size=config.smooth_window_size,
        min_speech_frame=shortest,
        max_speech_frame=longest,
        min_silence_frame=config.min_silence_frame,
        merge_silence_frame=config.merge_silence_frame,
        extend_speech_frame=config.extend_speech_frame,
    )


class Vad(_Detector[VadConfig, VadResult]):
    """Voice (speech or singing) segments of whole recordings.

    Examples:
        >>> import firered
        >>> vad = firered.load("egs/mini/models/FireRedVAD/VAD")
        >>> vad("egs/mini/test/wav/f3-zh-00003.flac").timestamps
        ((0.02, 2.413),)
    """

    _CONFIG = VadConfig
    _PUBLISHED = "FireRedVAD/VAD"

    def rules(self) -> SegmentRules:
        """The config as post-processing rules."""
        config = self.config
        return _rules(config, config.speech_threshold, config.min_speech_frame, config.max_speech_frame)

    def _result(self, frames: Frames, probs: np.ndarray) -> VadResult:
        found = segment(probs[:, 0], self.rules())
        spans = to_seconds(found, len(probs), frames.duration_s)
        return VadResult(frames.key, round(frames.duration_s, 3), spans, probs)


class Mvad(_Detector[MvadConfig, MvadResult]):
    """Segments of speech, singing and music, each detected independently.

    Examples:
        >>> import firered
        >>> mvad = firered.load("egs/mini/models/FireRedVAD/AED")
        >>> mvad("egs/mini/test/wav/f3-zh-00003.flac").event2timestamps
        {'speech': ((0.05, 2.413),), 'singing': (), 'music': ()}
    """

    _CONFIG = MvadConfig
    _PUBLISHED = "FireRedVAD/AED"
    _EVENTS = len(EVENTS)

    def rules(self, event: str) -> SegmentRules:
        """The config as post-processing rules of one event."""
        config = self.config
        return _rules(config, getattr(config, f"{event}_threshold"), config.min_event_frame, config.max_event_frame)

    def _result(self, frames: Frames, probs: np.ndarray) -> MvadResult:
        spans, ratios = {}, {}
        for column, event in enumerate(EVENTS):
            rules = self.rules(event)
            spans[event] = to_seconds(segment(probs[:, column], rules), len(probs), frames.duration_s)
            ratios[event] = round(float(np.mean(probs[:, column] >= rules.threshold)), 3)
        return MvadResult(frames.key, round(frames.duration_s, 3), spans, ratios, probs)


class StreamVad(_Detector[StreamVadConfig, StreamVadResult]):
    """The causal detector: whole recordings like the other detectors, or `stream()` for audio as it arrives.

    Examples:
        >>> import firered
        >>> import soundfile
        >>> samples, rate = soundfile.read("egs/mini/test/wav/f3-zh-00003.flac", dtype="int16")  # 16 kHz
        >>> stream = firered.load("egs/mini/models/FireRedVAD/Stream-VAD").stream()
        >>> for begin in range(0, len(samples), 1600):
        ...     for event in stream.accept(samples[begin : begin + 1600]):
        ...         print(event.kind, event.time_s, event.known_at_s)
        start 0.05 0.195
        >>> [(event.kind, event.time_s) for event in stream.finish()]
        [('end', 2.38)]
    """

    _CONFIG = StreamVadConfig
    _PUBLISHED = "FireRedVAD/Stream-VAD"
    _STREAMING = True

    def stream(self, audio: AudioConfig | None = None) -> VadStream:
        """A new stream.

        Args:
            audio: which of several channels is taken.
        """
        return VadStream(self.classifier, self.config, audio)

    def _result(self, frames: Frames, probs: np.ndarray) -> StreamVadResult:
        segmenter = StreamSegmenter(self.config)
        events = [event for prob in probs[:, 0].tolist() for event in segmenter.accept(prob)]
        return StreamVadResult(frames.key, round(frames.duration_s, 3), segmenter.timestamps(), probs, events)
