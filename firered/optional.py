"""What to install when a package of an extra is missing: the base holds what decoding needs and no more."""

# Packages that pyproject.toml lists in an extra only, by the name they are imported under.
EXTRA_OF = {
    "matplotlib": "plot",
    "jiwer": "score",
    "cn2an": "score",
    "opencc": "score",
    "whisper_normalizer": "score",
    "praatio": "score",
    "tensorboard": "train",
    "ijson": "recipes",
    "pyarrow": "parquet",
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
