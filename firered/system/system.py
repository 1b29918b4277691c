"""The whole system in memory: recordings in, transcripts out (FireRedASR2S paper, section 2)."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn, TypeVar, cast

import numpy as np

from firered.asr.aed import Asr
from firered.asr.config import AsrConfig, LlmConfig
from firered.asr.llm import LlmAsr
from firered.asr.windowed import WindowedRecogniser
from firered.audio.frames import Audio, Frames, of_audio
from firered.audio.spool import Spool
from firered.errors import AudioError, ModelError, Outcome, result_of
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.pretrained import MODELS, find_model
from firered.punc.config import PuncConfig
from firered.punc.punctuate import Punc
from firered.results import AsrResult, Event, LidResult, PuncResult, Result, Seconds, Transcript
from firered.runtime.batches import plan, run_batch, shares
from firered.runtime.speech import Speech
from firered.system.assemble import Segment, transcript
from firered.system.config import SystemConfig
from firered.vad.config import MvadConfig, VadConfig
from firered.vad.detect import Mvad, Vad

VAD, EVENTS, LID, PUNC = "FireRedVAD/VAD", "FireRedVAD/AED", "FireRedLID", "FireRedPunc"
AED, LLM = "FireRedASR2-AED", "FireRedASR2-LLM"

R = TypeVar("R", bound=Result)

AudioLike = Audio | tuple[np.ndarray, int]
Memo = MutableMapping[tuple[str, str], Result]  # (module, segment) -> its result
Process = Callable[[list[Speech]], Sequence[Outcome[R]]]


def as_frames(audio: AudioLike, uttid: str = "") -> Frames:
    """Frames of a recording: a path, a Kaldi extended file name, an array of 16 kHz, or (array, rate)."""
    return of_audio(audio[0], uttid, audio[1]) if isinstance(audio, tuple) else of_audio(audio, uttid)


def path_of(audio: AudioLike) -> str:
    """Where a recording lies, as it was given; empty for what is in memory."""
    return str(audio) if isinstance(audio, str | Path) else ""


def _opened(audio: AudioLike, uttid: str = "") -> tuple[Frames, str]:
    """Frames and path of a recording; what is no audio at all fails when its frames are taken, not here."""
    try:
        return as_frames(audio, uttid), path_of(audio)
    except AudioError as error:
        failure = error

    def fail(_: Frames) -> NoReturn:
        raise failure

    return Frames(uttid, fail), ""


def model_dirs(models: str | Path | Mapping[str, str | Path], config: SystemConfig) -> dict[str, Path]:
    """Directory by published name of the models that a configuration needs; see `System.from_pretrained`.

    The LLM variant's word times come from the other kind's CTC head, where that model is there.

    Raises:
        ModelError: one is not there; says how to get it.
    """
    kind = LLM if config.asr_type == "llm" else AED
    needed = {
        VAD: config.vad,
        EVENTS: config.events,
        LID: config.lid,
        kind: config.asr,
        PUNC: config.asr and config.punc,
    }
    by_name = models if isinstance(models, Mapping) else dict.fromkeys([*needed, AED], models)
    places = {name: find_model(Path(by_name.get(name, MODELS)), name) for name, wanted in needed.items() if wanted}
    if kind in places and kind == LLM:
        with contextlib.suppress(ModelError):
            places[AED] = find_model(Path(by_name.get(AED, MODELS)), AED)
    return places


def load_recogniser(directory: Path, options: AsrConfig | LlmConfig | None, device: str) -> WindowedRecogniser:
    """The recogniser of a model directory, of whatever kind its files say.

    Args:
        directory: of the model.
        options: for models of their kind; another one has its defaults, and word times with pauses.
        device: what it runs on.

    Raises:
        ModelError: the directory is incomplete.
    """
    if (directory / "asr_encoder.pth.tar").exists():
        return LlmAsr.from_pretrained(directory, options if isinstance(options, LlmConfig) else None, device)
    aed = options if isinstance(options, AsrConfig) else AsrConfig(timestamps="pauses")
    return Asr.from_pretrained(directory, aed, device)


@dataclass
class Modules:
    """The system's parts; one that is None is switched off."""

    vad: Vad | None = None
    mvad: Mvad | None = None
    lid: Lid | None = None
    asr: WindowedRecogniser | None = None
    punc: Punc | None = None
    routes: Mapping[str, WindowedRecogniser] = field(default_factory=dict)  # by language or dialect


@dataclass
class _Recording:
    """A recording whose segments are known."""

    spool: Spool
    spans: list[Seconds]
    events: list[Event]
    segments: list[Speech] = field(init=False)

    def __post_init__(self) -> None:
        self.segments = [Speech(*self.spool.cut(start, end)) for start, end in self.spans]


class System:
    """VAD, language identification, recognition, word times and punctuation as one module."""

    def __init__(self, modules: Modules, config: SystemConfig | None = None) -> None:
        self.modules, self.config = modules, config or SystemConfig()

    @classmethod
    def from_pretrained(
        cls,
        models: str | Path | Mapping[str, str | Path] = MODELS,
        config: SystemConfig | None = None,
        *,
        device: str = "auto",
        vad: VadConfig | None = None,
        mvad: MvadConfig | None = None,
        lid: LidConfig | None = None,
        asr: AsrConfig | LlmConfig | None = None,
        punc: PuncConfig | None = None,
    ) -> "System":
        """The system of released models.

        Args:
            models: the directory that holds them under their published names, or a directory by name for those that
                lie elsewhere, such as `{"FireRedLID": ...}` (the others: under `pretrained_models`).
            config: what is switched on.
            device: what the models run on.
            vad: options of the VAD.
            mvad: of the detector of speech, singing and music, where `config` asks for events.
            lid: of language identification.
            asr: of recognition, of the kind that `config` names; by default it gives word times with pauses. Routes
                to models of that kind have them as well.
            punc: of punctuation; by default sentences are as long as `config` says.

        Raises:
            ModelError: a model that is needed is not there, or is incomplete; says how to get it.
        """
        config = config or SystemConfig()
        places = model_dirs(models, config)
        if config.asr_type == "llm":
            asr = _with_times(asr, places)
        sentences = PuncConfig(sentence_max_length=config.sentence_max_length)
        name = LLM if config.asr_type == "llm" else AED
        routes = {code: find_model(path, AED) for code, path in config.routes().items()}
        modules = Modules(
            vad=Vad.from_pretrained(places[VAD], vad, device) if config.vad else None,
            mvad=Mvad.from_pretrained(places[EVENTS], mvad, device) if config.events else None,
            lid=Lid.from_pretrained(places[LID], lid, device) if config.lid else None,
            asr=load_recogniser(places[name], asr, device) if config.asr else None,
            punc=Punc.from_pretrained(places[PUNC], punc or sentences, device) if PUNC in places else None,
            routes={code: load_recogniser(path, asr, device) for code, path in routes.items()},
        )
        return cls(modules, config)

    def __call__(self, audio: AudioLike, uttid: str = "") -> Transcript:
        """The transcript of one recording: a path, a Kaldi extended file name, an array of 16 kHz or (array, rate).

        Raises:
            AudioError: it cannot be read or holds nothing to analyse.
        """
        (outcome,) = self.transcribe_frames([_opened(audio, uttid)])
        return result_of(outcome)

    def batch(self, audios: Iterable[AudioLike]) -> list[Outcome[Transcript]]:
        """The transcript of each recording in the order given, or the error that ended its reading."""
        return list(self.transcribe(audios))

    def transcribe(self, audios: Iterable[AudioLike]) -> Iterator[Outcome[Transcript]]:
        """Each recording's transcript in the order given, or the error that ended its reading.

        Recordings are taken from the iterable as they are needed: as many as hold `share_seconds` of voice share
        batches, and their transcripts come one after the other.
        """
        recordings = self._segmented(map(_opened, audios))
        for group in shares(recordings, _voiced_s, self.config.share_seconds):
            yield from self._transcribe_group(group, None)

    def transcribe_frames(
        self, recordings: Iterable[tuple[Frames, str]], memo: Memo | None = None
    ) -> Iterator[Outcome[Transcript]]:
        """The same of recordings whose segments all share batches.

        Args:
            recordings: frames of each and the path of its audio; with a memo their ids are all different.
            memo: results that modules gave for segments already; new ones are added, and none is computed again.
        """
        yield from self._transcribe_group(list(self._segmented(recordings)), memo)

    def _segmented(self, recordings: Iterable[tuple[Frames, str]]) -> Iterator[Outcome[_Recording]]:
        """The recordings with their segments; features are computed here, once."""
        for spool, spans in self._spans(Spool(frames, path) for frames, path in recordings):
            if isinstance(spans, Exception):
                spool.close()
                yield spans
                continue
            try:
                yield _Recording(spool, spans, self._events(spool))
            except Exception as error:  # whatever is wrong with one recording stays with it
                spool.close()
                yield error

    def _spans(self, recordings: Iterable[Spool]) -> Iterator[tuple[Spool, Outcome[list[Seconds]]]]:
        """Segments of voice of each recording; without a VAD all of it is one."""
        if self.modules.vad is not None:
            for frames, result in self.modules.vad.detect(recordings):
                yield cast(Spool, frames), result if isinstance(result, Exception) else list(result.timestamps)
            return
        for spool in recordings:
            try:
                for _ in spool:
                    pass
                yield spool, [(0.0, round(spool.duration_s, 3))]
            except Exception as error:  # whatever is wrong with one recording stays with it; the caller reports it
                yield spool, error

    def _events(self, spool: Spool) -> list[Event]:
        if self.modules.mvad is None:
            return []
        ((_, outcome),) = self.modules.mvad.detect([spool.again()])
        found = result_of(outcome).labelled()
        return [Event(int(1000 * start_s) / 1000, int(1000 * end_s) / 1000, kind) for start_s, end_s, kind in found]

    def _transcribe_group(
        self, group: Sequence[Outcome[_Recording]], memo: Memo | None
    ) -> Iterator[Outcome[Transcript]]:
        recordings = [recording for recording in group if isinstance(recording, _Recording)]
        found = iter(self._recognised([speech for recording in recordings for speech in recording.segments], memo))
        for recording in group:
            if isinstance(recording, Exception):
                yield recording
                continue
            segments = [replace(next(found), span=span) for span in recording.spans]
            yield transcript(recording.spool, segments, recording.events)
            recording.spool.close()

    def _recognised(self, speech: list[Speech], memo: Memo | None) -> list[Segment]:
        """What all modules make of each segment, in order; their places in their recordings are left open."""
        segments = [Segment((0.0, 0.0)) for _ in speech]
        lid = self.modules.lid
        if lid is not None:
            languages: list[Outcome[LidResult]] = _results("lid", lid.identify, lid.config.batch_seconds, speech, memo)
            for segment, outcome in zip(segments, languages, strict=True):
                segment.lid = outcome
        for name, recogniser, own in self._routed(segments):
            texts: list[Outcome[AsrResult]] = _results(
                f"asr {name}", recogniser.recognise, recogniser.config.batch_seconds, [speech[n] for n in own], memo
            )
            for number, text in zip(own, texts, strict=True):
                segments[number].asr = text
        self._punctuate(segments)
        return segments

    def _routed(self, segments: Sequence[Segment]) -> Iterator[tuple[str, WindowedRecogniser, list[int]]]:
        """Each recogniser with the numbers of the segments that are for it."""
        if self.modules.asr is None:
            return
        by_route: dict[str, list[int]] = {"": [], **{name: [] for name in self.modules.routes}}
        for number, segment in enumerate(segments):
            by_route[self._route(segment)].append(number)
        for name, own in by_route.items():
            if own:
                yield name, self.modules.routes.get(name, self.modules.asr), own

    def _route(self, segment: Segment) -> str:
        """The dialect or else the language of a segment, where that has a model of its own."""
        codes = [segment.lid.dialect, segment.lid.language] if isinstance(segment.lid, LidResult) else []
        return next((code for code in codes if code and code in self.modules.routes), "")

    def _punctuate(self, segments: Sequence[Segment]) -> None:
        punc = self.modules.punc
        if punc is None:
            return
        timed = [segment for segment in segments if segment.words]
        plain = [segment for segment in segments if segment.text and not segment.words]
        outcomes: list[Outcome[PuncResult]] = [
            *run_batch([segment.words for segment in timed], punc.sentences),
            *run_batch([segment.text for segment in plain], punc.punctuate),
        ]
        for segment, outcome in zip([*timed, *plain], outcomes, strict=True):
            segment.punc = outcome


def _voiced_s(recording: Outcome[_Recording]) -> float:
    return 0.0 if isinstance(recording, Exception) else sum(speech.duration_s for speech in recording.segments)


def _with_times(asr: AsrConfig | LlmConfig | None, places: Mapping[str, Path]) -> LlmConfig:
    """The LLM variant's options with a model for its word times, where there is one."""
    llm = asr if isinstance(asr, LlmConfig) else LlmConfig()
    return llm if llm.align_model or AED not in places else replace(llm, align_model=str(places[AED]))


def _results(
    module: str, process: Process[R], batch_seconds: float, segments: Sequence[Speech], memo: Memo | None
) -> list[Outcome[R]]:
    """What a module makes of each segment, in order.

    Batches depend on the segments alone, not on what the memo knows, so that a resumed run computes what it would have.
    """
    found: dict[int, Outcome[R]] = {}
    for batch in plan([(number, speech.duration_s) for number, speech in enumerate(segments)], batch_seconds):
        keys = [(module, segments[number].key) for number in batch]
        if memo is not None and all(key in memo for key in keys):
            found.update((number, cast(R, memo[key])) for number, key in zip(batch, keys, strict=True))
            continue
        outcomes = run_batch([segments[number] for number in batch], process)
        for number, key, outcome in zip(batch, keys, outcomes, strict=True):
            found[number] = outcome
            if memo is not None and not isinstance(outcome, Exception):
                memo[key] = outcome
    return [found[number] for number in range(len(segments))]
