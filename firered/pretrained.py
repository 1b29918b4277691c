"""The published models by name: where they are published, and where commands find them."""

from dataclasses import dataclass
from pathlib import Path

from firered.errors import ModelError

MODELS = Path("pretrained_models")
CHECKPOINT = "model.pth.tar"  # here, so that what only looks for models need not load torch


@dataclass(frozen=True)
class Published:
    """A published model directory.

    `hugging_face` and `modelscope` are its names on the hubs, `files` is what it holds. `base` is another published
    directory that has to lie inside, as a link to the one beside it.
    """

    hugging_face: str
    modelscope: str | None
    files: tuple[str, ...]
    base: str | None = None


_QWEN = "Qwen2-7B-Instruct"
_VAD = tuple(f"{part}/{file}" for part in ("VAD", "Stream-VAD", "AED") for file in (CHECKPOINT, "cmvn.ark"))
_LID = (CHECKPOINT, "cmvn.ark", "dict.txt")
_AED = (*_LID, "train_bpe1000.model")
_LLM = (CHECKPOINT, "asr_encoder.pth.tar", "cmvn.ark", _QWEN)
_PUNC = (CHECKPOINT, "chinese-lert-base", "chinese-bert-wwm-ext_vocab.txt", "out_dict")

PUBLISHED = {
    "FireRedVAD": Published("FireRedTeam/FireRedVAD", "xukaituo/FireRedVAD", _VAD),
    "FireRedLID": Published("FireRedTeam/FireRedLID", "xukaituo/FireRedLID", _LID),
    "FireRedASR2-AED": Published("FireRedTeam/FireRedASR2-AED", "xukaituo/FireRedASR2-AED", _AED),
    "FireRedASR2-LLM": Published("FireRedTeam/FireRedASR2-LLM", None, _LLM, base=_QWEN),
    "FireRedPunc": Published("FireRedTeam/FireRedPunc", "xukaituo/FireRedPunc", _PUNC),
    "FireRedASR-AED-L": Published("FireRedTeam/FireRedASR-AED-L", None, _AED),
    "FireRedASR-LLM-L": Published("FireRedTeam/FireRedASR-LLM-L", None, _LLM, base=_QWEN),
    _QWEN: Published("Qwen/Qwen2-7B-Instruct", "Qwen/Qwen2-7B-Instruct", ("config.json", "*.safetensors")),
}


def find_model(given: str | Path, name: str) -> Path:
    """The directory of a model, such as `FireRedVAD/VAD`.

    Args:
        given: the directory itself, one that holds it under its published name, or a published name: that directory
            under `pretrained_models`.
        name: the published name, with the directory inside it if it has several.

    Raises:
        ModelError: it is not there; says how to get it.
    """
    place = Path(given)
    if not place.exists() and not place.is_absolute() and place.parts[0] in PUBLISHED:
        place = MODELS / place
    for path in (place, place / name.partition("/")[2], place / name):
        if (path / CHECKPOINT).exists():
            return path
    if place.is_dir() and place.name == Path(name).name:
        return place  # incomplete: loading it names what is missing
    wanted, to = _lacking(place, name.partition("/")[0])
    raise ModelError(
        f"{given}: no {name} model here. Get it with\n  {download_line(wanted, to)}\n{how_by_hand(wanted, to)}"
    )


def _lacking(place: Path, family: str) -> tuple[str, Path]:
    """The published directory that would have been right, and where its folder would be."""
    for path in (place, *place.parents):
        if path.name in PUBLISHED:  # one of the same kind does as well, another does not
            of_the_kind = PUBLISHED[path.name].files == PUBLISHED[family].files
            return path.name if of_the_kind else family, path.parent
    return family, place


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
