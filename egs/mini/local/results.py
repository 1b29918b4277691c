"""RESULTS.md of what the scoring stage has measured."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from seconds import seconds_of
from streaming_rows import streaming_rows
from ways_rows import ways_rows

from firered.data.datadir import write_lines
from firered.version import __version__


@dataclass(frozen=True)
class Figure:
    """A figure, its place (folder of exp/score, name in its score.json), and its aim.

    An aim is a number; or the folder whose figure of this name is to be reached. Smaller is better where `falls`.
    """

    module: str
    measure: str
    folder: str
    metric: str
    aim: float | str
    falls: bool = False


FIGURES = (
    Figure("VAD", "frame F1, %", "vad", "F1%", 97.0),
    Figure("VAD, streaming", "frame F1, %", "stream_vad", "F1%", 97.0),
    Figure("mVAD, speech", "frame F1, %", "speech", "F1%", 90.0),
    Figure("mVAD, singing", "frame F1, %", "singing", "F1%", 90.0),
    Figure("mVAD, music", "frame F1, %", "music", "F1%", 90.0),
    Figure("AED", "mixed error rate, %", "aed", "MER%", 3.0, falls=True),
    Figure("AED with language model", "mixed error rate, %", "aed_lm", "MER%", "aed", falls=True),
    Figure("VAD, then AED", "mixed error rate, %", "cut_aed_test", "MER%", 3.0, falls=True),
    Figure("VAD, then AED, conversations", "mixed error rate, %", "cut_aed_talk_test", "MER%", 3.0, falls=True),
    Figure("CTC", "error of word boundaries, median, ms", "align", "median ms", 40.0, falls=True),
    Figure("CTC", "error of word boundaries, mean, ms", "align", "mean ms", 60.0, falls=True),
    Figure("CTC", "error of last words' boundaries, mean, ms", "align", "last words ms", 80.0, falls=True),
    Figure("CTC", "words below 30 ms", "align", "short words", 0.0, falls=True),
    Figure("Speech-LLM", "mixed error rate, %", "llm", "MER%", 12.0, falls=True),
    Figure("Language identification", "accuracy, %", "lid", "accuracy%", 97.0),
    Figure("VAD, then language identification", "accuracy, %", "cut_lid_lid_test", "accuracy%", 97.0),
    Figure("VAD, then language identification, conversations", "accuracy, %", "cut_lid_talk_test", "accuracy%", 97.0),
    Figure("Punctuation", "F1 over all marks, %", "punc", "F1%", 90.0),
)


def results(exp: Path, models: Path) -> Iterator[str]:
    """Lines of the page."""
    yield "# Results of egs/mini"
    yield ""
    yield f"Written by `run.sh` (firered {__version__}) from the scores it measured. The speech is synthetic: the"
    yield "figures show that training and decoding work, not how good the released models are. Sentences of the test"
    yield "sets are in no training set, and their voices are used nowhere else. Error rates count Chinese characters"
    yield "and words of other languages. Rows with `VAD, then` are what `bash run.sh` at the top does: the detector"
    yield "cuts the recordings, and the segments are recognised. The recordings in `test/` are the first of their sets."
    yield ""
    yield "| Module | Measure | Aim | Reached | |"
    yield "|---|---|---|---|---|"
    for figure in FIGURES:
        yield _row(exp / "score", figure)
    yield ""
    yield from streaming_rows(exp / "score")
    yield from ways_rows(exp / "score")
    size = sum(path.stat().st_size for path in models.rglob("*") if path.is_file())
    yield f"All models together: {size / 1e6:.1f} MB."
    yield ""
    yield "Two cores with nothing else to do need about half of all processor time. The seconds beside it are those"
    yield "that passed here, whatever else the machine did."
    yield ""
    yield "| Step | Seconds | of processor time |"
    yield "|---|---|---|"
    steps = seconds_of(exp / "seconds")
    for name, (real, processor) in steps.items():
        yield f"| {name} | {real:.0f} | {processor:.0f} |"
    yield f"| **all** | | **{sum(processor for _, processor in steps.values()):.0f}** |"


def _row(scores: Path, figure: Figure) -> str:
    value = _value(scores / figure.folder, figure.metric)
    aim = _value(scores / figure.aim, figure.metric) if isinstance(figure.aim, str) else figure.aim
    met = value <= aim if figure.falls else value >= aim
    sign = "≤" if figure.falls else "≥"
    verdict = "" if met else "not reached"
    return f"| {figure.module} | {figure.measure} | {sign} {round(aim, 2):g} | **{value:.2f}** | {verdict} |"


def _value(folder: Path, metric: str) -> float:
    return json.loads((folder / "score.json").read_text(encoding="utf-8"))["metrics"][metric]["value"]


def main(
    exp: Annotated[Path, typer.Argument(help="folder with score/ and seconds")],
    models: Annotated[Path, typer.Argument(help="folder of the models")],
    out: Annotated[Path, typer.Argument(help="page to write")],
) -> None:
    """Write the page."""
    write_lines(out, results(exp, models))


if __name__ == "__main__":
    typer.run(main)
