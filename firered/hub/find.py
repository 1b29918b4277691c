"""Where published models lie on this machine, and what to do where one is missing."""

import re
from pathlib import Path

from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT, CHECKPOINTS, MAIN_PARTS, MODELS, PUBLISHED, QUANTISED

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)  # OWNER/NAME on a hub


def place_of(given: str | Path) -> Path:
    """The directory that a name stands for, whether it is there or not.

    Args:
        given: the directory itself, or a name under `pretrained_models`; of a repository, such as
            `openai/whisper-base`, also what Hugging Face's own tools have fetched into their cache.

    Raises:
        ModelError: a repository's name, and it is nowhere; the message names how to get it.
    """
    place = Path(given)
    if place.exists() or place.is_absolute():
        return place
    inside = MODELS / place
    if inside.exists() or not _REPOSITORY.fullmatch(str(given)) or place.parent.exists():
        return inside
    if {*place.parts} & {*PUBLISHED, MODELS.name} or inside.parent.exists():
        return inside
    return _cached(str(given)) or _missing(str(given))


def _cached(repository: str) -> Path | None:
    """Where Hugging Face's tools keep a repository that they have fetched; nothing is fetched here."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        found = Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError):
        return None
    return found if (found / "config.json").exists() else None


def _missing(repository: str) -> Path:
    raise ModelError(
        f"{repository}: no such directory, here or under {MODELS}. If it is a repository of Hugging Face, get it with\n"
        f"  hf download {repository} --local-dir {MODELS / repository}"
    )


def find_model(given: str | Path, name: str | None = None) -> Path:
    """The directory of a model.

    Args:
        given: the directory itself, one that holds it under its published name, or a published name, such as
            `FireRedLID` or `FireRedVAD/VAD`: that directory under `pretrained_models`.
        name: the published name of the model wanted, with the directory inside it if it has several; without it, any
            directory is the model.

    Raises:
        ModelError: it is missing; the message names how to get it.
    """
    place = Path(given)
    if not place.exists() and not place.is_absolute() and place.parts[0] in PUBLISHED:
        place = MODELS / place
    inside = () if name is None else (place / name.partition("/")[2], place / name)
    for path in (place, *inside):
        if any((path / weights).exists() for weights in CHECKPOINTS):
            return path
    if place.is_dir() and (name is None or place.name == Path(name).name):
        return place  # incomplete: loading it names what is missing
    wanted, to = _lacking(place, name)
    if wanted is None:
        raise ModelError(f"{given}: no model directory, nor a published name ({', '.join(PUBLISHED)})")
    raise ModelError(
        f"{given}: no {name or wanted} model here. Get it with\n"
        f"  {download_line(wanted, to)}\n{how_by_hand(wanted, to)}"
    )


def _lacking(place: Path, name: str | None) -> tuple[str | None, Path]:
    """The published directory that would have been right, if there is one, and where its folder would be."""
    family = name.partition("/")[0] if name else None
    wanted = PUBLISHED.get(family) if family else None
    for path in (place, *place.parents):
        if path.name in PUBLISHED:  # one of the same kind will do, another will not
            of_the_kind = wanted is None or PUBLISHED[path.name].files == wanted.files
            return path.name if of_the_kind else family, path.parent
    return family if wanted else None, place


def checkpoint_of(model: str | Path) -> Path:
    """The checkpoint in a model directory, whatever kind of model it is; a file is its own."""
    given = Path(model)
    if not given.is_dir():
        return given
    return next((given / name for name in CHECKPOINTS if (given / name).is_file()), given / CHECKPOINT)


def system_name(model: str | Path) -> str:
    """What results of a model are called: its published name if it is that model, else the name of its directory.

    Published is what lies under a published name and is as large; whether it is the very same only its hash can say. A
    smaller model under such a name is called so, with words that keep it apart.

    Args:
        model: a model directory (`FireRedASR2-AED`, `FireRedVAD/VAD`), or the checkpoint in it.
    """
    checkpoint = checkpoint_of(model)
    if checkpoint.name not in CHECKPOINTS:
        return checkpoint.stem
    directory = checkpoint.parent.absolute()  # links stay: a link may have the published name
    whole = directory.parent.name in PUBLISHED
    if (directory / QUANTISED).is_file():
        return f"{directory.name} (quantised)" if directory.name in PUBLISHED else directory.name
    published = PUBLISHED.get(directory.parent.name if whole else directory.name)
    if published is None:
        return directory.name
    name = f"{directory.parent.name}/{directory.name}" if whole else directory.name
    name = MAIN_PARTS.get(name, name)
    size = checkpoint.stat().st_size if checkpoint.is_file() else 0
    return name if size >= published.least_bytes else f"{name} (other weights)"


def download_line(name: str, to: Path) -> str:
    """The command that fetches a published directory into `<to>/<name>`."""
    return f"firered-download {name}" + (f" --to {to}" if to != MODELS else "")


def how_by_hand(name: str, to: Path) -> str:
    """What to do on a machine without a network to have a published directory as `<to>/<name>`."""
    published = PUBLISHED[name]
    lines = [
        "Where there is no network, get the folder on another machine with",
        f"  hf download {published.hugging_face} --local-dir {name}",
    ]
    if published.modelscope:
        lines += ["or", f"  modelscope download --model {published.modelscope} --local_dir {name}"]
    lines.append(f"and copy it here as {to / name}, which then holds {', '.join(published.files)}")
    if published.base:
        lines.append(f"({published.base} is {PUBLISHED[published.base].hugging_face}: its folder or a link to it)")
    return "\n".join(lines)
