"""The Markdown tables of `peers.sh`, from the rows that its systems have written."""

import json
from collections.abc import Iterable
from pathlib import Path

SHAPES = {
    "published": "the published code's way of steps, beam 3",
    "firered": "firered, beam 3",
    "firered-greedy": "firered, greedy",
    "firered-ctc": "firered, CTC head alone",
    "transformers": "transformers' Whisper, beam 3",
    "ctranslate2": "CTranslate2's Whisper, beam 3",
    "sherpa-onnx": "sherpa-onnx, our network, greedy",
    "sherpa-onnx-ctc": "sherpa-onnx, our CTC head alone",
}
WEIGHTS = {"firered": "firered", "transformers": "transformers' generate", "ctranslate2": "CTranslate2"}
_PEAK = ("peak memory", "of it libraries")
_SHAPES_HEAD = (
    "",
    "number format",
    "batch",
    "encoder sees",
    "real time factor",
    "firered's int8 = 1",
    "tokens",
    *_PEAK,
)
_WEIGHTS_HEAD = ("", "number format", "utterances", "same text as firered", "error rate", "real time factor", *_PEAK)


def tables(files: Iterable[Path]) -> str:
    """Both tables, of those that there are rows for."""
    rows = [row for path in files for row in rows_of(path)]
    shapes, weights = [row for row in rows if "batch" in row], [row for row in rows if "texts" in row]
    return "\n\n".join([*shapes_table(shapes), *weights_table(weights)])


def rows_of(path: Path) -> list[dict]:
    """The rows of a file; lines of other kinds are what a part's result has beside them."""
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.startswith("{")]


def shapes_table(rows: list[dict]) -> list[str]:
    """Random weights of equal sizes; times are told as multiples of ours in int8 for the same batch and search."""
    ours = {row["batch"]: row["rtf"] for row in rows if row["system"] == "firered" and row["dtype"] == "int8"}
    lines = []
    for row in rows:
        ratio = f"{row['rtf'] / ours[row['batch']]:.2f}" if row["batch"] in ours else ""
        cells = (SHAPES[row["system"]], row["dtype"], row["batch"], f"{row['seconds']:g} s", f"{row['rtf']:.3f}")
        lines.append((*cells, ratio, row["tokens"], *memory(row)))
    return table(_SHAPES_HEAD, lines)


def weights_table(rows: list[dict]) -> list[str]:
    """Real weights; without a row of ours there is nothing to compare the texts with."""
    ours = next((row["texts"] for row in rows if row["system"] == "firered"), {})
    lines = []
    for row in rows:
        same = sum(ours[key] == text for key, text in row["texts"].items() if key in ours) if ours else ""
        cells = (WEIGHTS[row["system"]], row["dtype"], len(row["texts"]), same, f"{row['errors']:.2f}%")
        lines.append((*cells, f"{row['rtf']:.3f}", *memory(row)))
    return table(_WEIGHTS_HEAD, lines)


def memory(row: dict) -> tuple[str, str]:
    """The most that a process took, and what it took before there was a model."""
    return f"{row['peak']:.2f} GB", f"{row['libraries']:.2f} GB"


def table(head: tuple[str, ...], lines: list[tuple]) -> list[str]:
    """A Markdown table, none where it has no lines."""
    if not lines:
        return []
    rule = "|---" * len(head) + "|"
    return ["\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(map(str, line))} |" for line in lines)])]
