"""How far the times of words are from the true ones: a synthesiser's, or those of another aligner."""

import json
from difflib import SequenceMatcher
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from firered.data.datadir import write_lines
from firered.errors import DataError

_SHORTEST_S = 0.03
Words = list[tuple[str, float, float]]


def read_words(path: Path) -> dict[str, Words]:
    """(word in lower case, start, end) of each utterance of a CTM.

    Raises:
        DataError: there is no such file, or a line is none of a CTM.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    words: dict[str, Words] = {}
    for number, line in enumerate(lines, start=1):
        try:
            key, _, start, length, word, *_ = line.split()
            words.setdefault(key, []).append((word.lower(), float(start), float(start) + float(length)))
        except ValueError as error:
            raise DataError(f"{path}:{number}: `utterance channel start duration word` expected: {line!r}") from error
    return words


def boundary_errors(true: Words, found: Words) -> np.ndarray:
    """(2 n,) seconds by which starts and ends of n of the true words were found too late.

    The words may be cut otherwise (Chinese words and single characters), and the texts differ in some characters: n are
    the words that are there with a start and an end of their own.
    """
    here, there = ("".join(word for word, *_ in words) for words in (true, found))
    blocks = SequenceMatcher(None, here, there, autojunk=False).get_matching_blocks()
    place = {block.a + step: block.b + step for block in blocks for step in range(block.size)}
    starts, ends = _edges(found)
    errors, at = [], 0
    for word, start, end in true:
        places = [place.get(at + step, -1) for step in range(len(word))]
        at += len(word)
        whole = -1 not in places and places == list(range(places[0], places[0] + len(word)))
        if whole and places[0] in starts and places[-1] + 1 in ends:
            errors += [starts[places[0]] - start, ends[places[-1] + 1] - end]
    return np.array(errors)


def _edges(words: Words) -> tuple[dict[int, float], dict[int, float]]:
    """The times of starts and of ends of words by the number of characters before them."""
    starts: dict[int, float] = {}
    ends: dict[int, float] = {}
    at = 0
    for word, start, end in words:
        starts[at] = start
        at += len(word)
        ends[at] = end
    return starts, ends


def of_each(true: dict[str, Words], found: dict[str, Words]) -> dict[str, np.ndarray]:
    """The errors of each utterance that is in both and has words in common, in order of their ids.

    Raises:
        DataError: no utterance has.
    """
    both = sorted(true.keys() & found.keys())
    errors = {key: own for key in both if len(own := boundary_errors(true[key], found[key]))}
    if not errors:
        raise DataError(f"no utterance has a word in common with the true words: {' '.join(sorted(found)[:5])} ...")
    return errors


def all_errors(true: dict[str, Words], found: dict[str, Words]) -> np.ndarray:
    """The errors of all utterances that are in both."""
    return np.concatenate(list(of_each(true, found).values()))


def word_figures(true: dict[str, Words], found: dict[str, Words]) -> dict[str, float]:
    """Mean errors of starts and ends in milliseconds, and how many words are so short that nobody says them."""
    errors = [1000 * np.abs(own) for own in of_each(true, found).values()]
    lengths = np.array([end - start for words in found.values() for _, start, end in words])
    return {
        "mean ms": float(np.mean(np.concatenate(errors))),
        "last words ms": float(np.mean([own[-2:] for own in errors])),
        "short words": float(np.sum(lengths < _SHORTEST_S)),
    }


def main(
    true: Annotated[Path, typer.Argument(help="ctm with the true times")],
    found: Annotated[Path, typer.Argument(help="ctm of the alignment")],
    out: Annotated[Path, typer.Argument(help="folder for score.json")],
) -> None:
    """Write median, 90th percentile and mean of the errors, in milliseconds, and the number of words below 30 ms.

    Errors are those of starts and ends of words; one of the means is over the last words of the utterances alone, and
    the offset is the median of how late the words were found.
    """
    right, aligned = read_words(true), read_words(found)
    missing = sorted(right.keys() - aligned.keys())
    late = 1000 * all_errors(right, aligned)
    figures = {"median ms": np.median(abs(late)), "90% ms": np.percentile(abs(late), 90)}
    figures |= word_figures(right, aligned) | {"offset ms": np.median(late)}
    metrics = {name: {"value": float(value)} for name, value in figures.items()}
    words = sum(len(right[key]) for key in right.keys() & aligned.keys())
    counts = {"utterances": len(aligned), "boundaries": len(late), "of": 2 * words, "missing": len(missing)}
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / "score.json", [json.dumps({**counts, "metrics": metrics}, indent=2)])
    shown = ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
    print(f"{len(late)} of {2 * words} boundaries: {shown}")


if __name__ == "__main__":
    typer.run(main)
