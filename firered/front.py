"""The front door: `load` gives the module that a model directory is, `transcribe` the transcripts of recordings."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast, overload

from firered.align.aligner import Aligner
from firered.align.base import CtcAligner
from firered.align.config import AlignConfig
from firered.asr import families
from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.recogniser import Recogniser
from firered.audio.like import AudioLike, is_one, refuse_numbers
from firered.errors import ModelError, OptionError, Outcome
from firered.hub.catalogue import CHECKPOINT, MODELS, PUBLISHED
from firered.hub.find import find_model, place_of
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.models.checkpoint import load_checkpoint
from firered.models.dfsmn import DfsmnConfig
from firered.options import Options
from firered.punc.config import PuncConfig
from firered.punc.punctuate import Punc
from firered.results import Transcript
from firered.system.config import SystemConfig
from firered.system.system import System, recogniser_of
from firered.vad.config import MvadConfig, StreamVadConfig, VadConfig
from firered.vad.detect import EVENTS, Mvad, StreamVad, Vad

Module: TypeAlias = Vad | StreamVad | Mvad | Lid | Recogniser | Punc | CtcAligner | System
Models: TypeAlias = str | Path | Mapping[str, str | Path]  # a directory, or one by published name


class _Kind(NamedTuple):
    """A kind of module: its class, its options, and the published directory that is one."""

    module: Any
    options: type[Options]
    published: str


_KINDS = {
    "vad": _Kind(Vad, VadConfig, "FireRedVAD/VAD"),
    "stream_vad": _Kind(StreamVad, StreamVadConfig, "FireRedVAD/Stream-VAD"),
    "mvad": _Kind(Mvad, MvadConfig, "FireRedVAD/AED"),
    "lid": _Kind(Lid, LidConfig, "FireRedLID"),
    "asr": _Kind(Asr, AsrConfig, "FireRedASR2-AED"),  # or whichever recogniser `firered.asr.families` says it is
    "punc": _Kind(Punc, PuncConfig, "FireRedPunc"),
    "aligner": _Kind(Aligner, AlignConfig, "FireRedASR2-AED"),
}
_SYSTEM = "system"
# What a directory of each kind holds in addition to its checkpoint; the first that fits is the kind.
_KNOWN_BY = (
    ("punc", ("out_dict",)),
    ("lid", ("cmvn.ark", "dict.txt")),
)
_DETECTORS = {(1, False): "vad", (1, True): "stream_vad", (len(EVENTS), False): "mvad"}  # by outputs, and if causal


def load(
    name_or_dir: str | Path,
    *,
    as_: str | None = None,
    device: str = "auto",
    dtype: str | None = None,
    **options: Any,  # noqa: ANN401 - fields of the module's options
) -> Module:
    """The module that a model directory is: `Vad`, `StreamVad`, `Mvad`, `Lid`, `Asr`, `LlmAsr`, `Punc` or `System`.

    A directory of several detectors, such as `FireRedVAD`, gives the first of `Vad`, `StreamVad` and `Mvad`; one that
    holds several published directories gives a `System` of them.

    Args:
        name_or_dir: a model directory, or a published name: that directory under `pretrained_models`.
        as_: what to make of the directory, where it may be several things: `aligner` of a recogniser with a CTC head,
            `stream_vad` or `mvad` of FireRedVAD; any of `vad stream_vad mvad lid asr punc aligner system`.
        device: `cpu`, `cuda`, `cuda:N`, or `auto`: CUDA where there is one.
        dtype: number format; by default that of the module's options. Of a system: its recogniser's and identifier's.
        options: fields of the module's options, such as `beam_size=1`. Of a system: fields of `SystemConfig`, and the
            options of its modules, such as `vad=VadConfig(speech_threshold=0.5)`.

    Raises:
        ModelError: the model is missing (the message names how to get it), incomplete or of another kind.
        OptionError: there is no such option (names those that there are), or its value cannot be used.

    Examples:
        >>> import firered
        >>> vad = firered.load("egs/mini/models/FireRedVAD", speech_threshold=0.5)
        >>> type(vad).__name__, vad.config.speech_threshold
        ('Vad', 0.5)
        >>> type(firered.load("egs/mini/models")).__name__
        'System'
    """
    if as_ is not None and as_ not in (*_KINDS, _SYSTEM):
        raise OptionError(f"as_: {as_!r} is not one of {', '.join((*_KINDS, _SYSTEM))}")
    place = _place(name_or_dir)
    name = as_ or _kind_of(place)
    if name == _SYSTEM:
        return _load_system(place, device, dtype, options)
    given = options if dtype is None else {**options, "dtype": dtype}
    if name == "asr":
        directory, family = families.find(place)
        return family.load(directory, _config(family.config, given, family.name), device)
    if name == "aligner":
        directory, family = families.find_aligner(place)
        assert family.load_aligner is not None, family.name  # find_aligner finds no other
        return family.load_aligner(directory, _config(AlignConfig, given, "the aligner"), device)
    kind = _KINDS[name]
    config = _config(kind.options, given, kind.module.__name__)
    return kind.module.from_pretrained(find_model(place, kind.published), config, device)


@overload
def transcribe(  # a str is one recording, though it can be iterated over
    audio: AudioLike,
    models: "Models | System" = ...,
    *,
    device: str = ...,
    dtype: str | None = ...,
    **options: Any,  # noqa: ANN401
) -> Transcript: ...
@overload
def transcribe(
    audio: Iterable[AudioLike],
    models: "Models | System" = ...,
    *,
    device: str = ...,
    dtype: str | None = ...,
    **options: Any,  # noqa: ANN401
) -> Iterator[Outcome[Transcript]]: ...
def transcribe(
    audio: AudioLike | Iterable[AudioLike],
    models: Models | System = MODELS,
    *,
    device: str = "auto",
    dtype: str | None = None,
    **options: Any,
) -> Transcript | Iterator[Outcome[Transcript]]:
    """The transcript of one recording, or an iterator of the transcripts of several, in input order.

    Several recordings are read as the iterator advances, and one that fails gives its FireRedError in the transcript's
    place; the models are loaded before the call returns. Load them once for several calls with
    `transcribe(audio, load(models))`.

    Args:
        audio: a recording in any form (see `firered.audio.like.AudioLike`), or an iterable of such.
        models: the directory that holds the models under their published names, a directory by published name, or a
            `System`.
        device: what the models run on.
        dtype: number format of recogniser and language identification.
        options: as `load` takes them for a system.

    Raises:
        AudioError: the one recording cannot be read or holds nothing to analyse.
        ModelError: a model that is needed is missing or incomplete; the message names how to get it.
        OptionError: there is no such option, or its value cannot be used.

    Examples:
        >>> import firered
        >>> transcript = firered.transcribe("egs/mini/test/wav/f3-zh-00003.flac", "egs/mini/models")
        >>> transcript.text, transcript.status
        ('你好，谁星期三去公园？', 'ok')
    """
    if isinstance(models, System):
        if options or dtype is not None or device != "auto":
            raise OptionError(
                "device, dtype and options belong to the loading of models; this system is loaded already"
            )
        system = models
    else:
        system = _load_system(models, device, dtype, options)
    if is_one(audio) or not isinstance(audio, Iterable):
        return system(audio)  # type: ignore[arg-type]  # as_frames refuses what is no audio, with a message
    refuse_numbers(audio)
    return system.transcribe(cast(Iterable[AudioLike], audio))


def _load_system(models: Models, device: str, dtype: str | None, options: Mapping[str, Any]) -> System:
    """The system of several models; `options` are fields of its own options, or the options of its modules."""
    for place in models.values() if isinstance(models, Mapping) else [models]:
        _need_path("models", place)
    switches = {name: value for name, value in options.items() if not isinstance(value, Options)}
    modules: dict[str, Any] = {name: value for name, value in options.items() if isinstance(value, Options)}
    config = _config(SystemConfig, switches, System.__name__)
    if unknown := modules.keys() - {"vad", "mvad", "lid", "asr", "punc"}:
        raise OptionError(f"{', '.join(sorted(unknown))}: options are taken of vad, mvad, lid, asr and punc")
    if dtype is not None:
        if config.asr:
            asr = recogniser_of(models, config)[1].config.of({"timestamps": "pauses"})
            modules["asr"] = replace(modules.get("asr", asr), **{"dtype": dtype})
        modules["lid"] = replace(modules.get("lid", LidConfig()), dtype=dtype)
    return System.from_pretrained(models, config, device=device, **modules)


def _config(kind: type[Options], options: Mapping[str, Any], module: str) -> Any:  # noqa: ANN401 - of this kind
    unknown = sorted(options.keys() - kind.names())
    if unknown:
        known = ", ".join(sorted(kind.names()))
        raise OptionError(f"{', '.join(unknown)}: no option of {module}; its options are {known}")
    return kind(**options)


def _need_path(name: str, given: Any) -> str | Path:  # noqa: ANN401 - whatever the caller gave
    if not isinstance(given, str | Path):
        raise OptionError(f"{name}: expected a directory or a published name, got {type(given).__name__}")
    return given


def _place(given: str | Path) -> Path:
    """The directory that is meant; loading it raises where it is missing."""
    place = Path(_need_path("name_or_dir", given))
    if not place.exists() and not place.is_absolute() and place.parts and place.parts[0] in PUBLISHED:
        return MODELS / place
    return place if place.exists() else _fetched(place)


def _fetched(place: Path) -> Path:
    """Where a repository of a hub lies, if it was fetched; else the place itself, which is not there."""
    try:
        found = place_of(place)
    except ModelError:
        return place
    return found if found.exists() else place


def _kind_of(place: Path) -> str:
    """What the directory is, by its files and its checkpoint.

    Raises:
        ModelError: it is not there, or nothing that is known here.
    """
    if any(family.recognises(place) for family in families.FAMILIES.values()):
        return "asr"
    if (place / CHECKPOINT).is_file():
        found = [kind for kind, files in _KNOWN_BY if all((place / file).is_file() for file in files)]
        return found[0] if found else _detector_kind(place)
    for kind in _DETECTORS.values():
        if (place / _KINDS[kind].published.partition("/")[2] / CHECKPOINT).is_file():
            return kind
    published = [name for name in PUBLISHED if _published_kind(name)]
    if any((place / name).is_dir() for name in published):
        return _SYSTEM
    # Incomplete or missing: loading it reports what is missing.
    by_name = {kind.published.rpartition("/")[2]: name for name, kind in _KINDS.items() if name != "aligner"}
    if known := by_name.get(place.name) or _published_kind(place.name):
        return known
    there = "no model that is known here" if place.is_dir() else "no such directory"
    raise ModelError(f"{place}: {there}, and not the name of a published model ({', '.join(published)})")


def _published_kind(name: str) -> str | None:
    """The kind of a published directory: that of the one whose files it has."""
    if any(name in family.published for family in families.FAMILIES.values()):
        return "asr"
    files = PUBLISHED[name].files if name in PUBLISHED else ()
    alike = (kind for kind in _KINDS if PUBLISHED[_KINDS[kind].published.partition("/")[0]].files == files)
    return next(alike, None)


def _detector_kind(place: Path) -> str:
    """The kind of a voice detector, by its number of outputs and look-ahead."""
    checkpoint = place / CHECKPOINT
    args, _ = load_checkpoint(checkpoint)
    try:
        config = DfsmnConfig.from_args(args)
    except ModelError as error:
        raise ModelError(f"{place}: no module that is known by its files, and no voice detector ({error})") from error
    kind = _DETECTORS.get((config.odim, config.N2 == 0))
    if kind is None:
        look_ahead = "no look-ahead" if config.N2 == 0 else "look-ahead"
        raise ModelError(f"{checkpoint}: a detector of {config.odim} events with {look_ahead} is not known here")
    return kind
