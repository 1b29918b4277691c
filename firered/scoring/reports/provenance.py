"""What made a result: version, commit, date, model."""

import hashlib
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT
from firered.scoring.config import SourceConfig
from firered.version import __version__

Provenance = Mapping[str, str | None]

_CHUNK = 1 << 20


def provenance(reference: Path, hypothesis: Path, source: SourceConfig) -> Provenance:
    """Where the result comes from, for score.json.

    Raises:
        ModelError: the model that is named is not there.
    """
    model = Path(source.model) if source.model else None
    return {
        "version": __version__,
        "commit": commit(Path(__file__).resolve().parents[2]),
        "date": date.today().isoformat(),
        "reference": str(reference),
        "hypothesis": str(hypothesis),
        "model": source.model,
        "model_sha256": sha256_of(model) if model else None,
    }


def sha256_of(model: Path) -> str:
    """The SHA-256 of a checkpoint, or of the one in a model directory, as `sha256sum` prints it."""
    file = model / CHECKPOINT if model.is_dir() else model
    if not file.is_file():
        raise ModelError(f"{file}: no such checkpoint; --model is the directory or file that made the hypotheses")
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def commit(folder: Path) -> str | None:
    """The git commit of a checkout, `-dirty` where files differ from it; None where `folder` is not the top of one."""
    if not (folder / ".git").exists():
        return None  # installed somewhere inside another project's checkout, perhaps
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return done.stdout.strip() or None
