"""firered doctor: whether everything is installed, and what to do where it is not."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script
from firered.errors import ModelError
from firered.hub.catalogue import MODELS
from firered.hub.find import download_line, find_model
from firered.version import __version__

_PACKAGES = (
    *("torch", "torchaudio", "numpy", "kaldiio", "sentencepiece", "transformers", "peft", "soundfile", "soxr"),
    "huggingface_hub",
)
_MODELS = ("FireRedVAD/VAD", "FireRedLID", "FireRedASR2-AED", "FireRedPunc")
_MORE_MODELS = ("FireRedVAD/Stream-VAD", "FireRedVAD/AED", "FireRedASR2-LLM")  # for what is off by default


def doctor_command(
    models: Annotated[Path, typer.Option(help="directory that holds the models under their published names")] = MODELS,
) -> None:
    """Check versions, ffmpeg, GPUs and models, and print how to get what is missing."""
    lacking = [*_packages(), *_tools(), *_processor(), *_found(models)]
    if lacking:
        typer.echo("\nTo do:")
        for advice in lacking:
            typer.echo(f"  - {advice}")
        sys.exit(1)
    typer.echo("\nAll there.")


def _line(name: str, state: str) -> None:
    typer.echo(f"{name:22} {state}")


def _packages() -> list[str]:
    _line("firered", __version__)
    _line("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    advice = []
    for name in _PACKAGES:
        try:
            _line(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            _line(name, "missing")
            advice.append(f"install {name}: utils/setup.sh, or pip install -e . in the repository")
    return advice


def _tools() -> list[str]:
    path = shutil.which("ffmpeg")
    if path is None:
        _line("ffmpeg", "missing")
        return ["install ffmpeg (apt-get install ffmpeg): without it only wav, flac, ogg and mp3 can be read"]
    words = subprocess.run([path, "-version"], capture_output=True, text=True).stdout.split()
    _line("ffmpeg", words[2] if len(words) > 2 else "of unknown version")
    return []


def _processor() -> list[str]:
    import torch

    _line("processor threads", str(torch.get_num_threads()))
    count = torch.cuda.device_count()
    for number in range(count):
        about = torch.cuda.get_device_properties(number)
        _line(f"cuda:{number}", f"{about.name}, {about.total_memory / 2**30:.0f} GiB")
    if count:
        return []
    _line("GPU", "none: everything runs on the processor")
    if shutil.which("nvidia-smi"):
        return [
            f"torch {torch.__version__} sees no GPU though nvidia-smi is here: the driver may be older than its CUDA"
        ]
    return []


def _found(models: Path) -> list[str]:
    advice: list[str] = []
    for name in (*_MODELS, *_MORE_MODELS):
        try:
            _line(name, str(find_model(models, name)))
        except ModelError:
            _line(name, "not found" if name in _MODELS else "not found (needed for some options only)")
            family = name.partition("/")[0]
            line = f"get {family}: {download_line(family, models)}"
            if name in _MODELS and line not in advice:
                advice.append(line)
    return advice


doctor = script(doctor_command)
