"""Alignments for other tools: NIST .trn files, and Kaldi's per_utt."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import starmap

from firered.scoring.metrics.error_rate import Aligned
from firered.text.width import cells, padded

SCLITE = "sclite -r ref.trn trn -h hyp.trn trn -i rm -s -e utf-8 -o sum rsum pra dtl"

_NOTHING = "***"
_ROWS = ("ref ", "hyp ", "op  ")
# What sclite reads as syntax; the full-width forms stand in for them.
_SYNTAX = re.compile(r"[{};@*\\]")
_WORDS = str.maketrans("{};@*\\", "｛｝；＠＊＼")
_ID = str.maketrans("()", "（）")


def trn_lines(texts: Iterable[tuple[str, Iterable[str]]], speakers: Mapping[str, str]) -> Iterator[str]:
    """`tok tok (spk-utt)` for each (utterance, tokens); an id that already begins with its speaker is not doubled."""
    for key, words in texts:
        speaker = speakers.get(key, "")
        name = key if not speaker or key.startswith(f"{speaker}-") else f"{speaker}-{key}"
        line = " ".join([*words, f"({name.translate(_ID)})"])
        yield line.translate(_WORDS) if _SYNTAX.search(line) else line


def per_utt_lines(aligned: Iterable[Aligned]) -> Iterator[str]:
    """Four lines an utterance as Kaldi's wer_per_utt_details.pl has them: ref, hyp, op, #csid."""
    for utterance in aligned:
        columns = list(starmap(_column, utterance.pairs()))
        rows = zip(*columns, strict=True) if columns else [()] * len(_ROWS)
        for name, row in zip(_ROWS, rows, strict=True):
            yield "  ".join([f"{utterance.key} {name}", *row]).rstrip()
        counts = utterance.counts
        yield f"{utterance.key} #csid {counts.correct} {counts.substitutions} {counts.insertions} {counts.deletions}"


@lru_cache(maxsize=1 << 16)
def _column(reference: str, hypothesis: str) -> tuple[str, ...]:
    """What stands in the three rows for a pair of tokens, filled up to the same width."""
    column = (reference or _NOTHING, hypothesis or _NOTHING, _operation(reference, hypothesis))
    size = max(cells(column[0]), cells(column[1]))  # an operation is one letter
    return tuple([padded(cell, size) for cell in column])


def _operation(reference: str, hypothesis: str) -> str:
    """C, S, D or I: what turns the reference's token into the hypothesis's; an empty string stands for none."""
    if reference == hypothesis:
        return "C"
    if not reference:
        return "I"
    return "S" if hypothesis else "D"
