"""Voice activity in audio as it arrives: `VadStream`."""

import copy

import numpy as np
import torch
from torch import Tensor

from firered.audio.config import AudioConfig
from firered.audio.framing import FRAME_LENGTH, FRAME_SHIFT, SAMPLE_RATE, num_frames
from firered.audio.frontend import NUM_BINS, fbank
from firered.audio.like import Samples
from firered.audio.pieces import Pieces
from firered.errors import AudioError, result_of
from firered.models.dfsmn import DfsmnCache
from firered.results import StreamEvent, StreamFrame
from firered.vad.classifier import FrameClassifier, numbers
from firered.vad.config import StreamVadConfig
from firered.vad.post import StreamSegmenter

# Frames that are computed together: filling up a block costs some tenths of a millisecond more than a single frame.
_BLOCK = 64


class _Posteriors:
    """Features and posteriors of frames as they are completed.

    To the last bit they do not depend on how the signal is cut into pieces: each frame is computed in its own row of a
    block of fixed size, for what matrix products give depends on their shapes. A block that is not full is computed
    again when more of it is there.
    """

    def __init__(self, classifier: FrameClassifier) -> None:
        self._classifier = classifier
        self._cache = DfsmnCache()  # as it was before the block
        self._signal = np.zeros(0, np.float32)  # from the block's first sample on
        self._given = 0  # frames of the block that have been given out

    def accept(self, samples: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Features (T, 80), not normalised, and posteriors (T,) of the frames that this piece completes."""
        self._signal = np.concatenate([self._signal, samples])
        feats, probs = [torch.zeros(0, NUM_BINS)], [np.zeros(0, np.float32)]
        while (ready := min(num_frames(len(self._signal)), _BLOCK)) > self._given:
            own_feats, own_probs = self._block(full=ready == _BLOCK)
            feats.append(own_feats[self._given : ready])
            probs.append(own_probs[self._given : ready])
            self._given = ready
            if ready == _BLOCK:
                self._signal, self._given = self._signal[_BLOCK * FRAME_SHIFT :], 0
        return torch.cat(feats), np.concatenate(probs)

    @torch.inference_mode()
    def _block(self, full: bool) -> tuple[Tensor, np.ndarray]:
        """Features and posteriors of a whole block, of silence where the signal has not come yet."""
        signal = np.zeros((_BLOCK - 1) * FRAME_SHIFT + FRAME_LENGTH, np.float32)
        known = self._signal[: len(signal)]
        signal[: len(known)] = known
        feats = fbank(signal)
        cache = DfsmnCache([copy.copy(block) for block in self._cache.blocks])
        normalised = self._classifier.cmvn(feats)[None].to(self._classifier.device)
        logits = self._classifier.model(normalised, cache=cache, last=False)
        if full:
            self._cache = cache
        return feats, result_of(numbers(logits[0, :, 0].sigmoid().cpu().numpy()))


class VadStream:
    """One stream of audio in pieces of any size; features, posteriors and events do not depend on the sizes.

    After each `accept`, and after `finish`, there are of the frames that the piece completed: `feats` (T, 80), the
    filterbank, not normalised, as recognisers take it; `probs` (T,), the posteriors; and `frames`, each frame's
    posterior, raw and smoothed, and decision. `samples` (n,) is the piece as the model takes it, mono and at 16 kHz on
    the int16 scale. Events name frames, counted from 1 over the whole stream: frame n is
    row n - 1 of all pieces' `feats` one after the other.

    Args:
        classifier: the network.
        config: of the detector.
        audio: which of several channels is taken.
    """

    def __init__(self, classifier: FrameClassifier, config: StreamVadConfig, audio: AudioConfig | None = None) -> None:
        self._pieces = Pieces(audio)
        self._posteriors = _Posteriors(classifier)
        self._segmenter = StreamSegmenter(config)
        self._received = 0
        self._finished = False
        self.samples = np.zeros(0, np.float32)
        self.feats = torch.zeros(0, NUM_BINS)
        self.probs = np.zeros(0, np.float32)
        self.frames: list[StreamFrame] = []

    def accept(self, samples: Samples | tuple[Samples, int]) -> list[StreamEvent]:
        """Events that become known with the next piece.

        Args:
            samples: array (n,) or (n, channels), tensor (n,) or (channels, n), of 16 kHz unless it comes with its rate
                in Hz: (samples, rate), the same for all pieces. Integers count by the width of their type, floats have
                full scale 1.0.

        Raises:
            AudioError: this is no such piece, or holds NaN or infinite samples; the stream is as it was before. Or it
                is finished.
        """
        if self._finished:
            raise AudioError("the stream is finished; StreamVad.stream() gives a new one")
        return self._take(self._pieces.accept(samples))

    def finish(self) -> list[StreamEvent]:
        """The events that become known with the end of the audio: the end of speech that is still on."""
        if self._finished:
            return []
        events = self._take(self._pieces.finish())
        self._finished = True
        return [*events, *self._segmenter.finish()]

    def _take(self, samples: np.ndarray) -> list[StreamEvent]:
        self.samples = samples
        self._received += len(samples)
        self.feats, self.probs = self._posteriors.accept(samples)
        events, self.frames = [], []
        for prob in self.probs.tolist():
            events += self._segmenter.accept(prob)
            self.frames.append(self._segmenter.decided(prob))
        return events

    @property
    def duration_s(self) -> float:
        """Seconds of audio received so far."""
        return self._received / SAMPLE_RATE

    def forget(self) -> None:
        """Let go of the segments that have ended; in endless audio they would fill the memory."""
        self._segmenter.intervals.clear()

    def timestamps(self) -> list[tuple[float, float]]:
        """Segments so far that were not forgotten, in seconds; one that is still open ends at the last frame."""
        return self._segmenter.timestamps()
