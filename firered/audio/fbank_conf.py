"""The front end of stored features: `fbank.conf` beside an archive, as Kaldi's compute-fbank-feats takes with --config.

So archives say themselves what they hold, wherever a feats.scp names them. Where there is no such file, features are
those of the published FireRed models: so Kaldi makes them with 80 bins, and `firered-fbank` unless told otherwise.
"""

import functools
from pathlib import Path

from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.data.archives import archive_of
from firered.errors import DataError, writing

FBANK_CONF = "fbank.conf"
_KALDI = FrontEnd(bins=23)  # Kaldi's defaults, for what a file does not say
_MOST_BYTES = 1 << 16


def write_fbank_conf(folder: Path, front_end: FrontEnd, made_by: str) -> None:
    """Write what archives in a folder hold; `made_by` is the command, for a comment."""
    lines = [
        f"# {made_by}",
        f"--sample-frequency={SAMPLE_RATE}",
        f"--window-type={front_end.window}",
        f"--num-mel-bins={front_end.bins}",
        f"--frame-length={front_end.frame_length_ms:g}",
        f"--frame-shift={front_end.frame_shift_ms:g}",
        "--dither=0",
    ]
    path = folder / FBANK_CONF
    with writing(path):
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def why_unfit(feats: str, front_end: FrontEnd) -> str:
    """Why stored features are not those that a model takes; empty where they are.

    Args:
        feats: an utterance's place in an archive.
        front_end: of the model.

    Raises:
        DataError: the archive's fbank.conf is damaged.
    """
    conf = Path(archive_of(feats)).parent / FBANK_CONF
    stored = _stored(conf)
    if front_end.plain:
        return f"features of {described(stored or PUBLISHED)}, the model takes samples"
    if stored is None and front_end.bins != PUBLISHED.bins:
        return ""  # of somebody else; reading them counts the bins
    held, wanted = described(stored or PUBLISHED), described(front_end)
    if held == wanted:
        return ""
    said = conf if stored else "no fbank.conf beside them"
    return f"features of {held} ({said}), the model takes {wanted}"


def described(front_end: FrontEnd) -> str:
    """The filterbank of a front end, in words."""
    return (
        f"{front_end.bins} bins, {front_end.window} window of {front_end.frame_length_ms:g} ms every "
        f"{front_end.frame_shift_ms:g} ms"
    )


def _stored(path: Path) -> FrontEnd | None:
    """The front end that a file names; None where there is no file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return _read(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1024)
def _read(path: Path, _time: int, size: int) -> FrontEnd:
    """What the file says, of which only the four options that make a difference are read."""
    if size > _MOST_BYTES:
        raise DataError(f"{path}: {size} bytes, no options of a filterbank")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as options of a filterbank ({error})") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        option = line.partition("#")[0].strip()
        name, equals, value = option.partition("=")
        if option and not (name.startswith("--") and equals and value.strip()):
            raise DataError(f"{path}:{number}: {option!r} is not of the form --name=value")
        values[name] = value.strip()
    try:
        return FrontEnd(
            window=values.get("--window-type", _KALDI.window),
            bins=int(values.get("--num-mel-bins", _KALDI.bins)),
            frame_length_ms=float(values.get("--frame-length", _KALDI.frame_length_ms)),
            frame_shift_ms=float(values.get("--frame-shift", _KALDI.frame_shift_ms)),
        )
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
