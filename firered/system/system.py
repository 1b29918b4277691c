"""The whole system in memory: recordings in, transcripts out (FireRedASR2S paper, section 2)."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from firered.asr.config import RecogniserConfig
from firered.asr.families import AED, FAMILIES, Family, find, named
from firered.asr.recogniser import Recogniser
from firered.audio.frames import Frames
from firered.audio.like import AudioLike, as_frames, path_of
from firered.audio.spool import Spool
from firered.errors import ModelError, OptionError, result_of
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.options import Options
from firered.punc.config import PuncConfig
from firered.punc.punctuate import Punc
from firered.results import Seconds
from firered.runtime.batches import Record, isolated, plan
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.system.assemble import Spoken, transcript
from firered.system.config import SystemConfig
from firered.system.transcript import Event, Transcript
from firered.vad.config import MvadConfig, VadConfig
from firered.vad.detect import Mvad, Vad

VAD, EVENTS, LID, PUNC = "FireRedVAD/VAD", "FireRedVAD/AED", "FireRedLID", "FireRedPunc"
_ALIGNER = AED.published[0]  # whose CTC head gives word times to recognisers that have none of their own

Models = str | Path | Mapping[str, str | Path]

Memo = MutableMapping[tuple[str, str], dict[str, Any]]  # (module, segment) -> its record
Process = Callable[[list[Speech]], Sequence[Record | Exception]]


def recogniser_of(models: Models, config: SystemConfig) -> tuple[Path, Family]:
    """The recogniser's directory and family; see `System.from_pretrained`.

    Raises:
        ModelError: it is not there; says how to get it.
        OptionError: there is no family of the name that the configuration gives.
    """
    if not isinstance(models, Mapping):
        return find(models, config.asr_type)
    for family in [named(config.asr_type)] if config.asr_type else FAMILIES.values():
        for name in (*family.published, family.name):
            if name in models:
                return find(models[name], family.name)
    return find(MODELS, config.asr_type)


def model_dirs(models: Models, config: SystemConfig) -> dict[str, Path]:
    """Directory by published name of the models that a configuration needs; see `System.from_pretrained`.

    The word times of a recogniser that has none of its own come from an AED model's CTC head, where that is there.

    Raises:
        ModelError: one is not there; says how to get it.
    """
    needed = {VAD: config.vad, EVENTS: config.events, LID: config.lid, PUNC: config.asr and config.punc}
    by_name = models if isinstance(models, Mapping) else dict.fromkeys([*needed, _ALIGNER], models)
    places = {name: find_model(Path(by_name.get(name, MODELS)), name) for name, wanted in needed.items() if wanted}
    if config.asr:
        directory, family = recogniser_of(models, config)
        places[_place_name(family)] = directory
        if family.times == "align_model":
            with contextlib.suppress(ModelError):
                places[_ALIGNER] = find_model(Path(by_name.get(_ALIGNER, MODELS)), _ALIGNER)
    return places


def _place_name(family: Family) -> str:
    """What a family's directory goes by among the models of a system."""
    return family.published[0] if family.published else family.name


@dataclass
class Modules:
    """The system's parts; one that is None is switched off."""

    vad: Vad | None = None
    mvad: Mvad | None = None
    lid: Lid | None = None
    asr: Recogniser | None = None
    punc: Punc | None = None
    routes: Mapping[str, Recogniser] = field(default_factory=dict)  # by language or dialect


@dataclass
class _Heard:
    """A recording whose segments are known."""

    spool: Spool
    spans: list[Seconds]
    events: list[Event]
    context: Context
    segments: list[Speech] = field(init=False)

    def __post_init__(self) -> None:
        self.segments = [Speech(*self.spool.cut(start, end), context=self.context) for start, end in self.spans]

    @property
    def voiced_s(self) -> float:
        return sum(one.duration_s for one in self.segments)


class System:
    """VAD, language identification, recognition, word times and punctuation as one thing."""

    def __init__(self, modules: Modules, config: SystemConfig | None = None, context: Context | None = None) -> None:
        self.modules, self.config, self.context = modules, config or SystemConfig(), context or Context()

    @classmethod
    def from_pretrained(
        cls,
        models: Models = MODELS,
        config: SystemConfig | None = None,
        *,
        device: str = "auto",
        vad: VadConfig | None = None,
        lid: LidConfig | None = None,
        asr: RecogniserConfig | None = None,
        mvad: MvadConfig | None = None,
        punc: PuncConfig | None = None,
        context: Context | None = None,
    ) -> "System":
        """The system of released models.

        Args:
            models: the directory that holds them under their published names, or a directory by name for those that
                lie elsewhere, such as `{"FireRedLID": ...}` (the others: under `pretrained_models`).
            config: what is switched on.
            device: what the models run on.
            vad: options of the VAD.
            lid: of language identification.
            asr: of recognition, of the class that belongs to the model's family; by default it gives word times with
                pauses.
            mvad: of the detection of speech, singing and music.
            punc: of punctuation.
            context: what the recogniser is told of every segment.

        Raises:
            ModelError: a model that is needed is not there, or is incomplete; says how to get it.
            OptionError: `asr` holds the options of another family.
        """
        config = config or SystemConfig()
        places = model_dirs(models, config)
        family = recogniser_of(models, config)[1] if config.asr else None

        def load(kind: type, name: str, options: Options | None) -> Any:  # noqa: ANN401 - one of the modules
            return kind.from_pretrained(places[name], options, device) if name in places else None

        modules = Modules(
            vad=load(Vad, VAD, vad),
            mvad=load(Mvad, EVENTS, mvad),
            lid=load(Lid, LID, lid),
            asr=family and family.load(places[_place_name(family)], _with_times(family, asr, places), device),
            punc=load(Punc, PUNC, punc),
            routes={name: _route(path, family, asr, places, device) for name, path in config.routes().items()},
        )
        return cls(modules, config, context)

    def __call__(self, audio: AudioLike, uttid: str = "") -> Transcript:
        """The transcript of one recording, in any form.

        Raises:
            AudioError: it cannot be read or holds nothing to analyse.
        """
        ((_, result),) = self.transcribe([(as_frames(audio, uttid), path_of(audio))])
        return result_of(result)

    def transcribe(self, recordings: Iterable[tuple[Frames, str]]) -> Iterator[tuple[str, Transcript | Exception]]:
        """Each recording's id with its transcript, or with the error that ended its reading; in order.

        Recordings are taken as they are needed: as many as hold `share_seconds` of voice are worked on together, and
        their results come together.

        Args:
            recordings: frames of each and the path of its audio.
        """
        group: list[_Heard | tuple[str, Exception]] = []
        for one in self._hear(recordings):
            group.append(one)
            if sum(heard.voiced_s for heard in group if isinstance(heard, _Heard)) >= self.config.share_seconds:
                yield from self._transcribe_group(group, {})
                group = []
        yield from self._transcribe_group(group, {})

    def together(
        self, recordings: Iterable[tuple[Frames, str]], memo: Memo
    ) -> Iterator[tuple[str, Transcript | Exception]]:
        """The same of recordings that are all worked on together.

        Args:
            recordings: frames of each and the path of its audio.
            memo: what modules have said of segments already; what they say is added, and not asked again.
        """
        yield from self._transcribe_group(list(self._hear(recordings)), memo)

    def _hear(self, recordings: Iterable[tuple[Frames, str]]) -> Iterator[_Heard | tuple[str, Exception]]:
        """The recordings with their segments; features are computed here, once."""
        for spool, spans in self._spans(Spool(frames, path) for frames, path in recordings):
            if isinstance(spans, Exception):
                spool.close()
                yield spool.key, spans
            else:
                yield _Heard(spool, spans, self._events(spool), self.context)

    def _spans(self, recordings: Iterable[Spool]) -> Iterator[tuple[Spool, list[Seconds] | Exception]]:
        """Segments of voice of each recording; without a VAD all of it is one."""
        if self.modules.vad is not None:
            for frames, result in self.modules.vad.detect(recordings):
                yield frames, result if isinstance(result, Exception) else result.timestamps
            return
        for frames in recordings:
            try:
                for _ in frames:
                    pass
                yield frames, [(0.0, round(frames.duration_s, 3))]
            except Exception as error:  # whatever is wrong with one recording stays with it; the caller reports it
                yield frames, error

    def _events(self, spool: Spool) -> list[Event]:
        if self.modules.mvad is None:
            return []
        ((_, result),) = self.modules.mvad.detect([spool.again()])
        return [Event(int(1000 * start), int(1000 * end), kind) for start, end, kind in result.labelled()]

    def _transcribe_group(
        self, group: Sequence[_Heard | tuple[str, Exception]], memo: Memo
    ) -> Iterator[tuple[str, Transcript | Exception]]:
        heard = [one for one in group if isinstance(one, _Heard)]
        spoken = self._listen([speech for one in heard for speech in one.segments], memo)
        for one in group:
            if not isinstance(one, _Heard):
                yield one
                continue
            parts = []
            for span, speech in zip(one.spans, one.segments, strict=True):
                spoken[speech.key].span = span
                parts.append(spoken[speech.key])
            yield one.spool.key, transcript(one.spool, parts, one.events)
            one.spool.close()

    def _listen(self, segments: list[Speech], memo: Memo) -> dict[str, Spoken]:
        """What all modules say of each segment, by its id."""
        spoken = {one.key: Spoken((0.0, 0.0)) for one in segments}
        modules = self.modules
        if modules.lid is not None:
            languages = _ask("lid", modules.lid.identify, modules.lid.config.batch_seconds, segments, memo)
            for key, record in languages.items():
                spoken[key].lid = record
        for name, recogniser, own in self._routed(segments, spoken):
            texts = _ask(f"asr {name}", recogniser.recognise, recogniser.config.batch_seconds, own, memo)
            for key, record in texts.items():
                spoken[key].asr = record
                spoken[key].take_text()
        self._punctuate(spoken)
        return spoken

    def _routed(
        self, segments: list[Speech], spoken: Mapping[str, Spoken]
    ) -> Iterator[tuple[str, Recogniser, list[Speech]]]:
        """Each recogniser with the segments that are for it."""
        if self.modules.asr is None:
            return
        by_route: dict[str, list[Speech]] = {"": [], **{name: [] for name in self.modules.routes}}
        for one in segments:
            by_route[self._route(spoken[one.key])].append(one)
        for name, own in by_route.items():
            if own:
                yield name, self.modules.routes.get(name, self.modules.asr), own

    def _route(self, one: Spoken) -> str:
        """The dialect or else the language of a segment, where that has a model of its own."""
        codes = [one.lid["dialect"], one.lid["language"]] if isinstance(one.lid, dict) else []
        return next((code for code in codes if code in self.modules.routes), "")

    def _punctuate(self, spoken: Mapping[str, Spoken]) -> None:
        punc = self.modules.punc
        if punc is None:
            return
        texts = [one for one in spoken.values() if one.text]
        timed = [one for one in texts if one.timed]
        plain = [one for one in texts if not one.timed]
        found = [
            *isolated(punc.sentences, [one.words for one in timed]),
            *isolated(punc.punctuate, [one.text for one in plain]),
        ]
        for one, result in zip([*timed, *plain], found, strict=True):
            one.punc = result


def _with_times(family: Family, options: RecogniserConfig | None, places: Mapping[str, Path]) -> RecogniserConfig:
    """A recogniser's options, by default with word times; another model's where it has none of its own."""
    if options is None:
        options = family.config.of({"timestamps": "pauses"})
    if not isinstance(options, family.config):
        raise OptionError(
            f"asr: {type(options).__name__} has the options of another kind of recogniser than {family.name}, which "
            f"has {family.config.__name__}"
        )
    if family.times == "align_model" and not getattr(options, "align_model", None) and _ALIGNER in places:
        options = replace(options, **{"align_model": str(places[_ALIGNER])})
    return options


def _route(
    path: str, main: Family | None, options: RecogniserConfig | None, places: Mapping[str, Path], device: str
) -> Recogniser:
    """The recogniser of a route; it has the options of the main one where it is of the same family."""
    directory, family = find(path)
    return family.load(directory, _with_times(family, options if family is main else None, places), device)


def _ask(
    module: str, process: Process, batch_seconds: float, segments: list[Speech], memo: Memo
) -> dict[str, dict[str, Any] | Exception]:
    """What a module says of each segment: its record, or what went wrong.

    Batches depend on the segments alone, not on what the memo knows, so that a run that goes on computes what it would
    have.
    """
    found: dict[str, dict[str, Any] | Exception] = {}
    for batch in plan([(one, one.duration_s) for one in segments], batch_seconds):
        if all((module, one.key) in memo for one in batch):
            found.update({one.key: memo[module, one.key] for one in batch})
            continue
        for one, result in zip(batch, isolated(process, batch), strict=True):
            found[one.key] = result if isinstance(result, Exception) else result.to_record()
            if not isinstance(result, Exception):
                memo[module, one.key] = found[one.key]
    return found
