"""How far the times of words are from the synthesiser's own."""

import json
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
    """(2 n,) seconds by which starts and ends of the words, which are to be the same, were found too late.

    Raises:
        DataError: they are not.
    """
    if [word for word, *_ in true] != [word for word, *_ in found]:
        raise DataError(f"other words than {' '.join(word for word, *_ in true)}: {' '.join(w for w, *_ in found)}")
    times = [np.array([times for _, *times in words]) for words in (true, found)]
    return (times[1] - times[0]).ravel()


def all_errors(true: dict[str, Words], found: dict[str, Words]) -> np.ndarray:
    """The errors of all utterances that were found."""
    return np.concatenate([boundary_errors(true[key], found[key]) for key in sorted(found)])


def word_figures(true: dict[str, Words], found: dict[str, Words]) -> dict[str, float]:
    """Mean errors of starts and ends in milliseconds, and how many words are so short that nobody says them."""
    errors = {key: 1000 * np.abs(boundary_errors(true[key], found[key])) for key in sorted(found)}
    lengths = np.array([end - start for words in found.values() for _, start, end in words])
    return {
        "mean ms": float(np.mean(np.concatenate(list(errors.values())))),
        "last words ms": float(np.mean([of_all[-2:] for of_all in errors.values()])),
        "short words": float(np.sum(lengths < _SHORTEST_S)),
    }


def main(
    true: Annotated[Path, typer.Argument(help="ctm of the corpus")],
    found: Annotated[Path, typer.Argument(help="ctm of the alignment")],
    out: Annotated[Path, typer.Argument(help="folder for score.json")],
) -> None:
    """Write median, 90th percentile and mean of the errors, in milliseconds, and the number of words below 30 ms.

    Errors are those of starts and ends of words; one of the means is over the last words of the utterances alone.
    """
    right, aligned = read_words(true), read_words(found)
    missing = sorted(right.keys() - aligned.keys())
    errors = 1000 * np.abs(all_errors(right, aligned))
    figures = {"median ms": np.median(errors), "90% ms": np.percentile(errors, 90)} | word_figures(right, aligned)
    metrics = {name: {"value": float(value)} for name, value in figures.items()}
    score = {"utterances": len(aligned), "boundaries": len(errors), "missing": len(missing), "metrics": metrics}
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / "score.json", [json.dumps(score, indent=2)])
    print(", ".join(f"{name} {value:.1f}" for name, value in figures.items()))


if __name__ == "__main__":
    typer.run(main)
