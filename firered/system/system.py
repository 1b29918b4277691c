"""The whole system in memory: recordings in, transcripts out (FireRedASR2S paper, section 2)."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from firered.asr.carried import carries
from firered.asr.config import RecogniserConfig
from firered.asr.families import AED, FAMILIES, Family, find, named
from firered.asr.recogniser import Recogniser
from firered.audio.frames import Frames
from firered.audio.like import AudioLike, as_frames, frames_of_all, path_of
from firered.audio.spool import Spool
from firered.errors import ModelError, OptionError, Outcome, result_of
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.punc.config import PuncConfig
from firered.punc.punctuate import Punc
from firered.results import Event, LidResult, Transcript
from firered.runtime.batches import shares
from firered.runtime.context import Context
from firered.runtime.entry import as_firered
from firered.system.assemble import Segment
from firered.system.config import SystemConfig
from firered.system.modules import Modules as Modules
from firered.system.recording import Recording, Voice, voice_of, voiced_s
from firered.system.stretches import Memo, Stretch, results, texts
from firered.vad.config import MvadConfig, VadConfig
from firered.vad.detect import Mvad, Vad

VAD, EVENTS, LID, PUNC = "FireRedVAD/VAD", "FireRedVAD/AED", "FireRedLID", "FireRedPunc"
_ALIGNER = AED.published[0]  # whose CTC head gives word times to recognisers that have none of their own

Models = str | Path | Mapping[str, str | Path]


def recogniser_of(models: Models, config: SystemConfig) -> tuple[Path, Family]:
    """The recogniser's directory and family; see `System.from_pretrained`.

    Raises:
        ModelError: it is missing; the message names how to get it.
        OptionError: there is no family of the name that the configuration gives.
    """
    if config.asr_model:
        return find(config.asr_model, config.asr_type)
    if not isinstance(models, Mapping):
        return find(models, config.asr_type)
    for family in [named(config.asr_type)] if config.asr_type else FAMILIES.values():
        for name in (*family.published, family.name):
            if name in models:
                return find(models[name], family.name)
    return find(MODELS, config.asr_type)


def model_dirs(models: Models, config: SystemConfig, asr: RecogniserConfig | None = None) -> dict[str, Path]:
    """Directory by published name of the models that a configuration needs; see `System.from_pretrained`.

    The word times of a recogniser that has none of its own come from an AED model's CTC head, where that is there.

    Raises:
        ModelError: one is missing; the message names how to get it.
    """
    needed = {VAD: config.vad, EVENTS: config.events, LID: config.lid}
    by_name = models if isinstance(models, Mapping) else dict.fromkeys([*needed, PUNC, _ALIGNER], models)
    places = {name: find_model(Path(by_name.get(name, MODELS)), name) for name, wanted in needed.items() if wanted}
    if config.asr:
        directory, family = recogniser_of(models, config)
        places[_place_name(family)] = directory
        punctuates = family.punctuates(directory, asr or family.config()) and not config.routes()
        if config.punc and not punctuates:
            places[PUNC] = find_model(Path(by_name.get(PUNC, MODELS)), PUNC)
        if family.times == "align_model":
            with contextlib.suppress(ModelError):
                places[_ALIGNER] = find_model(Path(by_name.get(_ALIGNER, MODELS)), _ALIGNER)
    return places


def _place_name(family: Family) -> str:
    """The name of a family's directory among the models of a system."""
    return family.published[0] if family.published else family.name


class System:
    """VAD, language identification, recognition, word times and punctuation as one module.

    Examples:
        >>> import firered
        >>> system = firered.load("egs/mini/models")
        >>> outcomes = system.batch(["egs/mini/test/wav/f3-zh-00003.flac", "nowhere.flac"])
        >>> outcomes[0].text
        '你好，谁星期三去公园？'
        >>> type(outcomes[1]).__name__
        'AudioError'
    """

    def __init__(
        self,
        modules: Modules,
        config: SystemConfig | None = None,
        context: Context | None = None,
        context_carry: int = 0,
    ) -> None:
        self.modules, self.config, self.context = modules, config or SystemConfig(), context or Context()
        self.context_carry = context_carry
        if modules.asr is not None:
            carries(modules.asr, context_carry)  # says where they are of no use

    @classmethod
    def from_pretrained(
        cls,
        models: Models = MODELS,
        config: SystemConfig | None = None,
        *,
        device: str = "auto",
        vad: VadConfig | None = None,
        mvad: MvadConfig | None = None,
        lid: LidConfig | None = None,
        asr: RecogniserConfig | None = None,
        punc: PuncConfig | None = None,
        context: Context | None = None,
        context_carry: int = 0,
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
            asr: of recognition, of the class that belongs to the model's family; by default it gives word times with
                pauses. Routes to models of that family have them as well.
            punc: of punctuation.
            context: what the recogniser is given with every segment.
            context_carry: sentences before a segment, of its recording and by the same recogniser, that it is told of
                if it takes such; segments of a recording are then recognised one after the other.

        Raises:
            ModelError: a model that is needed is missing or incomplete; the message names how to get it.
            OptionError: `asr` holds the options of another family.
        """
        config = config or SystemConfig()
        places = model_dirs(models, config, asr)
        family = recogniser_of(models, config)[1] if config.asr else None
        modules = Modules(
            vad=Vad.from_pretrained(places[VAD], vad, device) if config.vad else None,
            mvad=Mvad.from_pretrained(places[EVENTS], mvad, device) if config.events else None,
            lid=Lid.from_pretrained(places[LID], lid, device) if config.lid else None,
            asr=family.load(places[_place_name(family)], _with_times(family, asr, places), device) if family else None,
            punc=Punc.from_pretrained(places[PUNC], punc, device) if PUNC in places else None,
            routes={code: _route(path, family, asr, places, device) for code, path in config.routes().items()},
        )
        return cls(modules, config, context, context_carry)

    def __call__(self, audio: AudioLike, uttid: str = "") -> Transcript:
        """The transcript of one recording, in any form.

        Raises:
            AudioError: it cannot be read or holds nothing to analyse.
        """
        (outcome,) = self.transcribe_frames([(as_frames(audio, uttid), path_of(audio))])
        return result_of(outcome)

    def batch(self, audios: Iterable[AudioLike]) -> list[Outcome[Transcript]]:
        """The transcript of each recording in input order; where one failed, its FireRedError."""
        return list(self.transcribe(audios))

    def transcribe(self, audios: Iterable[AudioLike]) -> Iterator[Outcome[Transcript]]:
        """The transcript of each recording in input order; where one failed, its FireRedError.

        Recordings are taken from the iterable as they are needed: as many as hold `share_seconds` of voice share
        batches, and their transcripts come one after the other.
        """
        frames = ((frames, path_of(audio)) for audio in audios for frames in frames_of_all([audio]))
        recordings = self.segmented(frames)
        for group in shares(recordings, voiced_s, self.config.share_seconds):
            for outcome in self._transcribe_group(group, None):
                yield as_firered(outcome) if isinstance(outcome, Exception) else outcome

    def transcribe_frames(
        self, recordings: Iterable[tuple[Frames, str]], memo: Memo | None = None
    ) -> Iterator[Outcome[Transcript]]:
        """The same of recordings whose segments all share batches.

        Args:
            recordings: frames of each and the path of its audio; with a memo their ids are all different.
            memo: results that modules gave for segments already; new ones are added, and none is computed again.
        """
        yield from self._transcribe_group(list(self.segmented(recordings)), memo)

    def segmented(
        self, recordings: Iterable[tuple[Frames, str]], context: Context | None = None, vad: VadConfig | None = None
    ) -> Iterator[Outcome[Recording]]:
        """The recordings with their segments, which `recognised` takes; the caller closes them.

        Args:
            recordings: frames of each and the path of its audio.
            context: what the recogniser is given with their segments, in the place of the system's.
            vad: options of the VAD for these recordings, in the place of its own.
        """
        front_ends = [recogniser.front_end for recogniser in self.modules.recognisers]
        for spool, voice in self._voice((Spool(frames, path, front_ends) for frames, path in recordings), vad):
            if isinstance(voice, Exception):
                spool.close()
                yield voice
                continue
            try:
                yield Recording(spool, voice, self._events(spool), context or self.context)
            except Exception as error:  # any failure is the outcome of this recording alone
                spool.close()
                yield error

    def _voice(
        self, recordings: Iterable[Spool], options: VadConfig | None
    ) -> Iterator[tuple[Spool, Outcome[list[Voice]]]]:
        """Segments of voice of each recording; without a VAD all of it is one."""
        vad = self.modules.vad
        if vad is not None:
            vad = vad if options is None else Vad(vad.classifier, options)
            for frames, result in vad.detect(recordings):
                yield cast(Spool, frames), result if isinstance(result, Exception) else voice_of(result)
            return
        for spool in recordings:
            try:
                for _ in spool:
                    pass
                yield spool, [Voice((0.0, round(spool.duration_s, 3)))]
            except Exception as error:  # any failure is the outcome of this recording alone; the caller reports it
                yield spool, error

    def _events(self, spool: Spool) -> list[Event]:
        if self.modules.mvad is None:
            return []
        ((_, outcome),) = self.modules.mvad.detect([spool.again()])
        found = result_of(outcome).labelled()
        return [Event(int(1000 * start_s) / 1000, int(1000 * end_s) / 1000, kind) for start_s, end_s, kind in found]

    def _transcribe_group(
        self, group: Sequence[Outcome[Recording]], memo: Memo | None
    ) -> Iterator[Outcome[Transcript]]:
        recordings = [recording for recording in group if isinstance(recording, Recording)]
        found = iter(self.recognised([stretch for recording in recordings for stretch in recording.segments], memo))
        for recording in group:
            if isinstance(recording, Exception):
                yield recording
                continue
            yield recording.transcript([next(found) for _ in recording.segments])
            recording.close()

    def recognised(self, stretches: list[Stretch], memo: Memo | None = None) -> list[Segment]:
        """What all modules make of each segment, in order; they may be of several recordings and share batches.

        Args:
            stretches: segments of recordings, those of each in order of time.
            memo: results that modules gave for segments already; see `transcribe_frames`.
        """
        segments = [Segment(stretch.span) for stretch in stretches]
        lid = self.modules.lid
        if lid is not None:
            languages: list[Outcome[LidResult]] = results(
                "lid", lid.identify, lid.config.batch_seconds, stretches, memo
            )
            for segment, outcome in zip(segments, languages, strict=True):
                segment.lid = outcome
        self.modules.recognise(
            stretches,
            segments,
            lambda name, recogniser, own: texts(name, recogniser, own, memo, self.context_carry),
        )
        self.modules.punctuate(segments, self.config.punc)
        return segments


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
        options = family.config.of(options.to_dict(), {"align_model": str(places[_ALIGNER])})
    return options


def _route(
    path: str, main: Family | None, options: RecogniserConfig | None, places: Mapping[str, Path], device: str
) -> Recogniser:
    """The recogniser of a route; it has the options of the main one where it is of the same family."""
    directory, family = find(path)
    return family.load(directory, _with_times(family, options if family is main else None, places), device)
