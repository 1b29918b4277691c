"""TEN's open test set of voice activity: recordings, each with a line of labels beside it."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import files_below, not_there
from firered.data.lines import read_lines
from firered.errors import DataError

GET = "fetch it: git clone https://github.com/TEN-framework/ten-vad; --corpus is that folder, or testset/ in it"
EXPECTED = 30


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the recordings of CORPUS that a file of labels (*.scv) lies beside."""
    labels = files_below(corpus, ".scv")
    if not labels:
        raise not_there(corpus / "testset/*.scv", GET)
    found = CorpusSet("ten-vad", corpus, EXPECTED)
    beside = {path.with_suffix("") for path in labels}
    folders = {path.parent for path in labels}
    wavs = {wav.with_suffix(""): wav for wav in files_below(corpus, ".wav") if wav.parent in folders}
    for path in labels:
        wav = wavs.get(path.with_suffix(""), path.with_suffix(".wav"))
        found.add(Entry(path.stem, wav, speech=speech_of(path)))
    for stem, wav in wavs.items():
        if stem not in beside:
            found.miss(wav.stem, f"no labels {wav.with_suffix('.scv')}")
    yield found


def speech_of(path: Path) -> list[tuple[float, float]]:
    """The speech of a file of labels: `name,start,end,label,start,end,label,...`, seconds, label 1 for speech.

    Raises:
        DataError: it is not one such line.
    """
    lines = [line for _, line in read_lines(path) if line.strip()]
    if len(lines) != 1:
        raise DataError(f"{path}: {len(lines)} lines where one is expected: name,start,end,label,start,end,label,...")
    name, *fields = (field.strip() for field in lines[0].split(","))
    if not fields or len(fields) % 3:
        raise DataError(f"{path}: {len(fields)} fields after {name} are not start, end and label of stretches")
    speech = []
    for start, end, label in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
        try:
            span = float(start), float(end)
        except ValueError:
            raise DataError(f"{path}: {start}, {end}: no start and end in seconds") from None
        if label not in ("0", "1") or not 0 <= span[0] <= span[1]:
            raise DataError(f"{path}: {start},{end},{label}: no stretch of time with label 0 or 1")
        if label == "1" and span[0] < span[1]:
            speech.append(span)
    return speech


if __name__ == "__main__":
    prepare(read)
