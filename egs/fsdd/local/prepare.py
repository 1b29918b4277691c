"""Kaldi data directories of the Free Spoken Digit Dataset: 3,000 digits of six speakers of English.

Recordings are named <digit>_<speaker>_<index>.wav. The official split tests on the indices 0 to 4 of every speaker;
there is also one split for every speaker that trains on the others and tests on all recordings of that speaker.
"""

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import soundfile
import typer

from firered.data.datadir import spk2utt_of, write_lines, write_table
from firered.data.files import visible
from firered.data.write import seconds
from firered.errors import DataError, FireRedError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
EXPECTED = 3000
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)")
_OFFICIAL_TEST = range(5)  # indices
_DEV = range(5, 8)  # taken from what is to be trained on


@dataclass(frozen=True)
class Digit:
    """One recording."""

    path: Path
    word: str
    speaker: str
    index: int

    @property
    def key(self) -> str:
        """Utterance id, which begins with the speaker's."""
        return f"{self.speaker}-{self.word}-{self.index:02d}"


def read_corpus(corpus: Path) -> tuple[list[Digit], list[str]]:
    """The recordings under a copy of the corpus, and lines `file reason` of other wav files.

    Raises:
        DataError: there are none.
    """
    digits, skipped = [], []
    for path in visible(corpus, "recordings/*.wav"):
        name = _NAME.fullmatch(path.stem)
        if name is None:
            skipped.append(f"{path} is not named <digit>_<speaker>_<index>.wav")
        else:
            digits.append(Digit(path.absolute(), WORDS[int(name[1])], name[2], int(name[3])))
    if not digits:
        raise DataError(f"{corpus}/recordings: no recordings <digit>_<speaker>_<index>.wav there")
    return digits, skipped


def write_set(out: Path, digits: Iterable[Digit]) -> None:
    """Write a data directory with audio, text, speakers and durations."""
    chosen = {digit.key: digit for digit in digits}
    speakers = {key: digit.speaker for key, digit in chosen.items()}
    write_table(out / "wav.scp", {key: str(digit.path) for key, digit in chosen.items()})
    write_table(out / "text", {key: digit.word for key, digit in chosen.items()})
    write_table(out / "utt2spk", speakers)
    write_table(out / "spk2utt", spk2utt_of(speakers))
    write_table(out / "utt2dur", {key: seconds(soundfile.info(d.path).duration) for key, d in chosen.items()})


def write_split(out: Path, digits: list[Digit], in_test: Callable[[Digit], bool]) -> None:
    """Write train, dev and test of a split."""
    rest = [digit for digit in digits if not in_test(digit)]
    write_set(out / "test", filter(in_test, digits))
    write_set(out / "dev", (digit for digit in rest if digit.index in _DEV))
    write_set(out / "train", (digit for digit in rest if digit.index not in _DEV))


def main(
    corpus: Annotated[Path, typer.Argument(help="copy of free-spoken-digit-dataset, with its folder recordings/")],
    out: Annotated[Path, typer.Argument(help="folder to write official/ and without_<speaker>/ in")],
) -> None:
    """Write the official split and one without each speaker, with train, dev and test each."""
    try:
        digits, skipped = read_corpus(corpus)
    except FireRedError as error:
        sys.exit(f"prepare.py: {error}")
    if len(digits) != EXPECTED:
        print(f"Warning: expected {EXPECTED} recordings, found {len(digits)}", file=sys.stderr)
    if skipped:
        print(f"Warning: {len(skipped)} files skipped, listed in {out}/skipped.txt", file=sys.stderr)
    write_lines(out / "skipped.txt", skipped)
    write_split(out / "official", digits, lambda digit: digit.index in _OFFICIAL_TEST)
    for speaker in sorted({digit.speaker for digit in digits}):
        write_split(out / f"without_{speaker}", digits, lambda digit, held_out=speaker: digit.speaker == held_out)


if __name__ == "__main__":
    typer.run(main)
