"""What made a result: version, commit, date, model."""

import hashlib
import logging
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from firered.data.speed import Speed, read_speed
from firered.errors import DataError, ModelError, OptionError
from firered.hub.find import checkpoint_of
from firered.options import is_written_by_command, read_yaml
from firered.scoring.config import SourceConfig
from firered.version import __version__

Provenance = Mapping[str, Any]  # as in score.json

SETTINGS = "config.yaml"
_CHUNK = 1 << 20
_SHOWN = 12  # digits of a digest in a table

log = logging.getLogger(__name__)


def provenance(reference: Path, hypothesis: Path, source: SourceConfig) -> Provenance:
    """Where the result comes from, for score.json.

    Raises:
        ModelError: the model that is named is not there.
    """
    model = Path(source.model) if source.model else None
    return {
        "version": __version__,
        "commit": commit(Path(__file__).resolve().parents[3]),
        "date": date.today().isoformat(),
        "reference": str(reference),
        "hypothesis": str(hypothesis),
        "hypothesis_sha256": _sha256_of_file(hypothesis) if hypothesis.is_file() else None,
        "model": source.model,
        "model_sha256": sha256_of(model) if model else None,
        "parameters": _parameters(model) if model else None,
    }


def made_of(provenance: Provenance) -> str | None:
    """What the results were made of, as tables show it: the model's SHA-256, or a file that was made elsewhere."""
    if digest := provenance["model_sha256"]:
        return digest[:_SHOWN]
    file, digest = provenance.get("hypothesis"), provenance.get("hypothesis_sha256")  # earlier versions have none
    return f"file {Path(file).name} {digest[:_SHOWN]}" if file and digest else None


def settings_of(hypothesis: Path) -> dict[str, object] | None:
    """The settings that made a hypothesis, as its command has written them beside it; None where there are none.

    A file of the name that no command of this project has written is left alone: results may be made elsewhere.
    """
    file = (hypothesis if hypothesis.is_dir() else hypothesis.parent) / SETTINGS
    try:
        return read_yaml(file) if file.is_file() and is_written_by_command(file) else None
    except OptionError as error:
        log.warning("%s; the report names no settings", error)
        return None


def speed_of(hypothesis: Path) -> Speed | None:
    """What the run that made a hypothesis took, as its command has written it beside it; None where it has not."""
    try:
        return read_speed(hypothesis if hypothesis.is_dir() else hypothesis.parent)
    except DataError as error:
        log.warning("%s; the report names no speed", error)
        return None


def _parameters(model: Path) -> int | None:
    from firered.models.parameters import parameters_of  # PyTorch takes a second to load

    return parameters_of(model, checkpoint_of(model))


def sha256_of(model: Path) -> str:
    """The SHA-256 of a checkpoint, or of the one in a model directory, as `sha256sum` prints it."""
    file = checkpoint_of(model)
    if not file.is_file():
        raise ModelError(f"{file}: no such checkpoint; --model is the directory or file that made the hypotheses")
    return _sha256_of_file(file)


def _sha256_of_file(file: Path) -> str:
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
