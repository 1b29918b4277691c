"""Recogniser families: the one place that decides what kind of recogniser a model directory is.

`FAMILIES` knows each kind of checkpoint: the files it is known by, its options, how it is loaded, and what it can give.
Commands, the system and recipes ask this table. A kind of one's own is added with `register(Family(...))` before one of
them is called. Nothing here imports torch before a model is loaded.
"""

from pathlib import Path

from firered.asr.config import RecogniserConfig
from firered.asr.families.family import Family, Loader
from firered.asr.families.known import AED, FUN_ASR, SPEECH_LLM, TRANSFORMERS
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import FUN_ASR_WEIGHTS, MODELS
from firered.hub.find import find_model, place_of

__all__ = ["FAMILIES", "Family", "Loader", "family_of", "find", "find_aligner", "named", "options_of", "register"]

_WEIGHTS = ("*.pth.tar", FUN_ASR_WEIGHTS, "*.safetensors")

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
    if family is AED and wanted != AED.name and not AED.recognises(directory):  # the recogniser's own directory
        found = next((known for known in FAMILIES.values() if known.recognises(directory)), found)
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
