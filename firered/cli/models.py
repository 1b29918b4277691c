"""Where a command finds its model, and what it says when there is none."""

from pathlib import Path

from firered.errors import ModelError

MODELS = Path("pretrained_models")

# folder under --models -> name on Hugging Face, name on ModelScope
_HUBS = {
    "FireRedVAD": ("FireRedTeam/FireRedVAD", "xukaituo/FireRedVAD"),
    "FireRedASR2-AED": ("FireRedTeam/FireRedASR2-AED", "xukaituo/FireRedASR2-AED"),
}


def find_model(given: Path, name: str) -> Path:
    """The directory of a model, such as `FireRedVAD/VAD`: the one given, or the one of that name inside it.

    Raises:
        ModelError: neither is there; says how to get the models.
    """
    family, _, part = name.partition("/")
    for path in (given, given / part, given / name):
        if (path / "model.pth.tar").exists():
            return path
    if given.is_dir() and given.name == Path(name).name:
        return given  # incomplete: loading it names what is missing
    hugging_face, modelscope = _HUBS[family]
    raise ModelError(
        f"{given}: no {name} model here. Download the released ones with\n"
        "  pip install -U huggingface_hub\n"
        f"  hf download {hugging_face} --local-dir {MODELS}/{family}\n"
        "or\n"
        "  pip install modelscope\n"
        f"  modelscope download --model {modelscope} --local_dir {MODELS}/{family}"
    )
