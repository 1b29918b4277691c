"""Alignments for other tools: NIST .trn files, and Kaldi's per_utt."""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from unicodedata import east_asian_width

from firered.scoring.metrics.error_rate import Aligned

SCLITE = "sclite -r ref.trn trn -h hyp.trn trn -i rm -s -e utf-8 -o sum rsum pra dtl"

_NOTHING = "***"
_ROWS = ("ref ", "hyp ", "op  ")
# What sclite reads as syntax; the full-width forms stand in for them.
_WORDS = str.maketrans("{};@*\\", "｛｝；＠＊＼")
_ID = str.maketrans("()", "（）")


def trn_lines(texts: Iterable[tuple[str, Iterable[str]]], speakers: Mapping[str, str]) -> Iterator[str]:
    """`tok tok (spk-utt)` for each (utterance, tokens); an id that already begins with its speaker is not doubled."""
    for key, words in texts:
        speaker = speakers.get(key, "")
        name = key if not speaker or key.startswith(f"{speaker}-") else f"{speaker}-{key}"
        yield " ".join([*words, f"({name.translate(_ID)})"]).translate(_WORDS)


def per_utt_lines(aligned: Iterable[Aligned]) -> Iterator[str]:
    """Four lines an utterance as Kaldi's wer_per_utt_details.pl has them: ref, hyp, op, #csid."""
    for one in aligned:
        columns = [_cells(reference, hypothesis) for reference, hypothesis in one.pairs()]
        for name, cells in zip(_ROWS, zip(*columns, strict=True) if columns else ((), (), ()), strict=True):
            yield "  ".join([f"{one.key} {name}", *cells]).rstrip()
        counts = one.counts
        yield f"{one.key} #csid {counts.correct} {counts.substitutions} {counts.insertions} {counts.deletions}"


@lru_cache(maxsize=1 << 16)
def _cells(reference: str, hypothesis: str) -> tuple[str, str, str]:
    """What stands in the three rows for a pair of tokens, filled up to the same width."""
    kind = "C" if reference == hypothesis else "S" if reference and hypothesis else "D" if reference else "I"
    cells = (reference or _NOTHING, hypothesis or _NOTHING, kind)
    columns = max(map(width, cells))
    return tuple(padded(cell, columns) for cell in cells)


@lru_cache(maxsize=1 << 16)
def width(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, columns: int) -> str:
    """A text filled up with spaces to so many columns."""
    return text + " " * (columns - width(text))
