"""Corpora in their own layouts: the texts of tests/data/corpora, with a tone in the place of every empty audio file."""

import importlib.util
import shutil
from pathlib import Path

from support.signals import sine, write_wav

EGS = Path(__file__).resolve().parents[2] / "egs"
LAYOUTS = Path(__file__).resolve().parents[1] / "data/corpora"

_RATES = {"opencpop": 44100, "commonvoice": 32000, "commonvoice_asr": 32000, "wenetspeech": 48000}
_SECONDS = {"wenetspeech": 2.0, "magichub": 1.4}
_FORMATS = {".opus": {"format": "OGG", "subtype": "OPUS"}, ".mp3": {"format": "MP3"}}


def lay_out(name, folder):
    """The folder of a corpus with its audio."""
    out = folder / name
    shutil.copytree(LAYOUTS / name, out)
    for number, path in enumerate(sorted(out.rglob("*"))):
        if path.is_file() and path.stat().st_size == 0 and path.suffix in (".wav", ".flac", ".mp3", ".opus"):
            rate = _RATES.get(name, 16000)
            tone = sine(_SECONDS.get(name, 0.5), rate, hertz=200 + 40 * number)
            write_wav(path, tone, rate, **_FORMATS.get(path.suffix, {}))
    if name == "code_switching":
        _as_parquet(out / "rows.tsv")
    return out


def _as_parquet(table):
    """Put a parquet file, with a tone a row, in the place of a table of ids and texts."""
    from support.copies import write_parquet

    tone = write_wav(table.with_suffix(".wav"), sine(0.5)).read_bytes()
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    audio = [{"bytes": tone, "path": f"{key}.wav"} for key, _ in rows]
    found = [{"text": text, "audio": own} for (_, text), own in zip(rows, audio, strict=True)]
    write_parquet(table.parent / "data/train-00000-of-00001.parquet", found)
    for path in (table, table.with_suffix(".wav")):
        path.unlink()


def prepare_of(recipe):
    """The module local/prepare.py of a recipe."""
    spec = importlib.util.spec_from_file_location(f"prepare_{recipe}", EGS / recipe / "local/prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
