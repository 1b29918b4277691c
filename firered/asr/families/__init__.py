"""Recogniser families: the one place that decides what kind of recogniser a model directory is.

`FAMILIES` knows each kind of checkpoint: the files it is known by, its options, how it is loaded, and what it can give.
Commands, the system and recipes ask this table. A kind of one's own is added with `register(Family(...))` before one of
them is called. Nothing here imports torch before a model is loaded.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from firered.align.config import AlignConfig
from firered.asr.config import AsrConfig, FunAsrConfig, LlmConfig, RecogniserConfig, TransformersConfig
from firered.asr.families.transformers_kinds import holds_recogniser, writes_marks
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import FUN_ASR_MLT, FUN_ASR_WEIGHTS, MODELS
from firered.hub.find import find_model, place_of
from firered.optional import need_transformers
from firered.text.units import IDEOGRAPH

if TYPE_CHECKING:
    from firered.align.base import CtcAligner
    from firered.asr.recogniser import Encoder, Recogniser
    from firered.audio.frontend import FrontEnd

_WEIGHTS = ("*.pth.tar", FUN_ASR_WEIGHTS, "*.safetensors")
DICT, PIECES_MODEL = "dict.txt", "train_bpe1000.model"

Loader: TypeAlias = Callable[[Path, Any, str], "Recogniser"]  # directory, options of the family's class, device


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint directory.

    Attributes:
        name: the value of `--type` and `asr_type`.
        about: what it is, in a few words, for help and messages.
        files: patterns, relative to the directory, that each match something in every directory of this kind.
        config: its options; commands make flags of them.
        load: the recogniser of a directory on a device.
        published: names of published directories, the one that is meant by default first.
        times: what its word times come from: its own `timestamps` option, another model (`align_model`), or nothing.
        nbest: whether it gives more than one hypothesis an utterance.
        adapter: whether its encoder's output can also be had as the language model is given it.
        contents: whether files of these names hold what this family's do; called only where names are ambiguous.
        needs: `files` in words, for messages.
        load_encoder: what encodes without the rest of the model; None: the recogniser does.
        front_end: the features that a directory's model takes; None: it is loaded to be asked.
        load_aligner: what aligns given text by its CTC head; None: it has none.
        lacks_aligner: why a directory's own checkpoint cannot align, empty where it can; None: loading it tells.
        told_language: whether its recogniser can be told the language of an utterance.
        writes_marks: whether the model of a directory writes the marks that its options speak of.
    """

    name: str
    about: str
    files: tuple[str, ...]
    config: type[RecogniserConfig]
    load: Loader
    published: tuple[str, ...] = ()
    times: str | None = None
    nbest: bool = False
    adapter: bool = False
    contents: Callable[[Path], bool] | None = None
    needs: str = ""
    load_encoder: "Callable[[Path, Any, str], Encoder] | None" = None
    front_end: "Callable[[Path], FrontEnd] | None" = None
    load_aligner: "Callable[[Path, AlignConfig, str], CtcAligner] | None" = None
    lacks_aligner: Callable[[Path], str] | None = None
    told_language: bool = False
    writes_marks: Callable[[Path], bool] | None = None

    def encoder(self, directory: Path, config: RecogniserConfig, device: str) -> "Encoder":
        """What encodes, loaded on a device."""
        return (self.load_encoder or self.load)(directory, config, device)

    def features_of(self, directory: Path) -> "FrontEnd":
        """The front end of a directory's model.

        Raises:
            ModelError: the directory is incomplete or damaged.
        """
        return self.front_end(directory) if self.front_end else self.encoder(directory, self.config(), "cpu").front_end

    def punctuates(self, directory: Path, config: RecogniserConfig) -> bool:
        """Whether the model of a directory writes its own marks with these options."""
        return config.punctuates and (self.writes_marks is None or self.writes_marks(directory))

    def recognises(self, directory: Path) -> bool:
        """Whether a directory has the files that one of this kind is known by."""
        there = all(any(directory.glob(pattern)) for pattern in self.files)
        return there and (self.contents is None or self.contents(directory))


def _holds_text(directory: Path) -> bool:
    """Whether a dictionary is of text, and not of the languages that language identification knows."""
    if (directory / PIECES_MODEL).is_file():
        return True
    if not (directory / DICT).is_file():
        return False
    return IDEOGRAPH.search((directory / DICT).read_text(encoding="utf-8", errors="replace")) is not None


def _load_aed(directory: Path, config: AsrConfig, device: str) -> "Recogniser":
    from firered.asr.families.aed import Asr

    return Asr.from_pretrained(directory, config, device)


def _load_aed_aligner(directory: Path, config: AlignConfig, device: str) -> "CtcAligner":
    from firered.align.aligner import Aligner

    return Aligner.from_pretrained(directory, config, device)


def _load_speech_llm(directory: Path, config: LlmConfig, device: str) -> "Recogniser":
    need_transformers()
    from firered.asr.families.speech_llm import LlmAsr

    return LlmAsr.from_pretrained(directory, config, device)


def _holds_fun_asr(directory: Path) -> bool:
    """Whether this is a Fun-ASR-Nano: as published, or in the form of transformers; asked of files, not of a name."""
    published = directory / "config.yaml"
    if published.is_file() and (directory / FUN_ASR_WEIGHTS).is_file():
        return re.search(rb"(?m)^model: *[\"']?FunASRNano\b", published.read_bytes()) is not None
    form = directory / "config.json"
    if form.is_file() and any(directory.glob("*.safetensors")):
        return re.search(rb'"model_type": *"fun_asr_nano"', form.read_bytes()) is not None
    return False


def _load_fun_asr(directory: Path, config: FunAsrConfig, device: str) -> "Recogniser":
    need_transformers()
    from firered.asr.families.fun_asr import FunAsr

    return FunAsr.from_pretrained(directory, config, device)


def _published_front_end(_: Path) -> "FrontEnd":
    from firered.audio.frontend import PUBLISHED

    return PUBLISHED


def _fun_asr_front_end(directory: Path) -> "FrontEnd":
    from firered.models.fun_asr_config import CheckpointConfig

    return CheckpointConfig.of_directory(directory).front_end


def _load_fun_asr_aligner(directory: Path, config: AlignConfig, device: str) -> "CtcAligner":
    from firered.asr.families.fun_asr_aligner import FunAsrAligner

    return FunAsrAligner.from_pretrained(directory, config, device)


def _lacks_fun_asr_aligner(directory: Path) -> str:
    from firered.asr.families.fun_asr_aligner import lacks_ctc

    return lacks_ctc(directory)


def _load_transformers(directory: Path, config: TransformersConfig, device: str) -> "Recogniser":
    from firered.asr.families.transformers import TransformersAsr

    return TransformersAsr.from_pretrained(directory, config, device)


def _load_speech_llm_encoder(directory: Path, config: LlmConfig, device: str) -> "Encoder":
    need_transformers()
    from firered.asr.families.speech_llm import LlmEncoder

    return LlmEncoder.from_pretrained(directory, config, device)


AED = Family(
    name="aed",
    about="attention encoder-decoder (FireRedASR-AED, either generation)",
    files=("model.pth.tar", "cmvn.ark", "dict.txt"),
    contents=_holds_text,
    needs="model.pth.tar, cmvn.ark, dict.txt, and train_bpe1000.model unless the text is Chinese alone",
    config=AsrConfig,
    load=_load_aed,
    published=("FireRedASR2-AED", "FireRedASR-AED-L"),
    front_end=_published_front_end,
    times="timestamps",
    nbest=True,
    load_aligner=_load_aed_aligner,
)
SPEECH_LLM = Family(
    name="llm",
    about="encoder, adapter and large language model (FireRedASR-LLM, either generation)",
    files=("model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark", "*/config.json"),
    config=LlmConfig,
    load=_load_speech_llm,
    published=("FireRedASR2-LLM", "FireRedASR-LLM-L"),
    times="align_model",
    nbest=True,
    adapter=True,
    load_encoder=_load_speech_llm_encoder,
    front_end=_published_front_end,
)
FUN_ASR = Family(
    name="fun-asr",
    about="Fun-ASR-Nano, as published or in the form of transformers",
    files=("config.*",),
    contents=_holds_fun_asr,
    needs="config.yaml, model.pt, multilingual.tiktoken and the folder Qwen3-0.6B, or config.json and *.safetensors",
    config=FunAsrConfig,
    load=_load_fun_asr,
    front_end=_fun_asr_front_end,
    published=("Fun-ASR-Nano-2512", FUN_ASR_MLT, "Fun-ASR-Nano-2512-hf"),
    times="timestamps",
    nbest=True,
    adapter=True,
    load_aligner=_load_fun_asr_aligner,
    lacks_aligner=_lacks_fun_asr_aligner,
    told_language=True,
)
TRANSFORMERS = Family(
    name="transformers",
    about="any speech recogniser of Hugging Face transformers, such as Whisper",
    files=("config.json",),
    contents=holds_recogniser,
    needs="config.json of a recogniser that transformers knows, *.safetensors, and the files of its processor",
    config=TransformersConfig,
    load=_load_transformers,
    times="timestamps",
    writes_marks=writes_marks,
    told_language=True,
)

FAMILIES: dict[str, Family] = {family.name: family for family in (AED, SPEECH_LLM, FUN_ASR, TRANSFORMERS)}


def register(family: Family) -> None:
    """Add a family, or put another in the place of one of the same name."""
    FAMILIES[family.name] = family


def named(name: str) -> Family:
    """The family of a name, as `--type` and `asr_type` give it.

    Raises:
        OptionError: there is none of that name.
    """
    if name not in FAMILIES:
        raise OptionError(f"type: {name!r} is not {' or '.join(FAMILIES)}")
    return FAMILIES[name]


def family_of(directory: str | Path, wanted: str | None = None) -> Family:
    """The family of a model directory: by its files, or `wanted`, which overrules them.

    Raises:
        ModelError: the directory is of no known family, or of several; the message names its files and what each needs.
        OptionError: there is no family of the name `wanted`.
    """
    if wanted:
        return named(wanted)
    place = Path(directory)
    found = [family for family in FAMILIES.values() if family.recognises(place)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(family.name for family in found)
        raise ModelError(f"{place}: may be any of {names}; say which with --type")
    raise ModelError(_unknown(place))


def find(given: str | Path, wanted: str | None = None) -> tuple[Path, Family]:
    """A recogniser's directory and its family.

    Args:
        given: the directory itself, one that holds it under a published name, or a published name.
        wanted: the family's name; without one it is found by the directory's files, and of several that a directory
            holds the first of the table is taken.

    Raises:
        ModelError: there is none; the message names how to get it, or what each family needs.
        OptionError: there is no family of the name `wanted`.
    """
    family = named(wanted) if wanted else None
    place = place_of(given)
    known = [family] if family else list(FAMILIES.values())
    for candidate in known:
        if candidate.recognises(place):
            return place, family_of(place, wanted)
    for candidate in known:
        for name in candidate.published:
            if (place / name).is_dir():
                return place / name, candidate
    # None is complete. The directory's name is the best evidence of what it was to be.
    by_name = [candidate for candidate in known if place.name in candidate.published]
    if family is None and place.is_dir() and any(any(place.glob(kind)) for kind in _WEIGHTS):
        return place, by_name[0] if by_name else family_of(place)
    family = family or (by_name[0] if by_name else next(iter(FAMILIES.values())))
    if not family.published:
        raise ModelError(_unknown(place, family))
    return find_model(given, family.published[0]), family


def find_aligner(given: str | Path, wanted: str | None = None) -> tuple[Path, Family]:
    """The directory of the CTC head that aligns texts, and its family.

    Of a directory that holds several models the recogniser's own is taken, and FireRedASR2-AED's where its kind has
    none.

    Args:
        given: as `find` takes it.
        wanted: the family's name; see `find`.

    Raises:
        ModelError: there is none; the message names how to get one.
        OptionError: there is no family of the name `wanted`.
    """
    family, place = named(wanted) if wanted else None, place_of(given)
    if family is None and not any(known.recognises(place) for known in FAMILIES.values()):
        aligning = [known for known in FAMILIES.values() if known.load_aligner]
        family = next((known for known in aligning if any((place / name).is_dir() for name in known.published)), None)
    elif family is not None and family.load_aligner is None:
        family = AED
    directory, found = find(given, family.name if family else None)
    if found.load_aligner is None:
        able = ", ".join(known.name for known in FAMILIES.values() if known.load_aligner)
        raise ModelError(f"{directory}: {found.about} has no CTC head to align with; kinds that have: {able}")
    return directory, found


def options_of(given: str | Path | None, wanted: str | None = None) -> type[RecogniserConfig]:
    """The options of the recogniser that `find` would find; where it finds none, those of the default family.

    So that a command's help is available without a model, and loading reports what is wrong.
    """
    try:
        return named(wanted).config if wanted else find(given or MODELS)[1].config
    except (ModelError, OptionError):
        return next(iter(FAMILIES.values())).config


def _unknown(place: Path, *families: Family) -> str:
    """What is in a directory, and what the families would need there."""
    lines = [f"{place}: not a directory of a known recogniser"]
    if place.is_dir():
        names = sorted(path.name + "/" * path.is_dir() for path in place.iterdir())
        lines[0] += f"; there is {', '.join(names) or 'nothing'}"
    else:
        lines[0] += "; there is no such directory"
    for family in families or FAMILIES.values():
        lines.append(f"  {family.name} ({family.about}) needs {family.needs or ', '.join(family.files)}")
    return "\n".join(lines)
