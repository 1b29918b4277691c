"""RESULTS.md of a recipe that trains: its systems by decoding mode, beside what others report of the same corpus."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from seconds import seconds_of

from firered.cli.flags import run
from firered.data.datadir import write_lines
from firered.data.lines import read_lines
from firered.scoring.reports.markdown import markdown
from firered.version import __version__

MODES = {
    "attention": "attention",
    "ctc": "CTC, greedy",
    "ctc_prefix": "CTC, prefix search",
    "rescore": "CTC, rescored",
    "joint": "joint",
    "attention_lm": "attention with LM",
    "joint_lm": "joint with LM",
    "llm": "LLM",
}
_WITH_LM = "with_lm"  # of others, however they use one
ANCHORS = Path(__file__).with_name("anchors.tsv")
DASH = "-"
_TRAININGS = ("Training", "Steps", "Epochs", "Dev set at the end", "Left out", "Seconds", "of processor")
Score = dict[str, Any]


@dataclass(frozen=True)
class Anchor:
    """A published error rate, in percent, of a model of so many million parameters."""

    corpus: str
    test_set: str
    system: str
    parameters: str
    mode: str
    value: str
    source: str


def anchors(corpus: str, path: Path = ANCHORS) -> list[Anchor]:
    """The figures that are published of trainings on a corpus."""
    rows = (line.split("\t") for _, line in read_lines(path) if line and not line.startswith("#"))
    return [anchor for row in rows if (anchor := Anchor(*row)).corpus == corpus]


def scores(folder: Path) -> dict[tuple[str, str], dict[str, Score]]:
    """The scores under folder/<system>/<mode>/<set>: of each mode, by the set's name in the table and the system."""
    found: dict[tuple[str, str], dict[str, Score]] = {}
    for path in sorted(folder.glob("*/*/*/score.json")):
        score = json.loads(path.read_text(encoding="utf-8"))
        system, mode, name = path.parts[-4:-1]
        found.setdefault((score["test_set"], system), {})[mode] = score | {"set": name}
    return found


def rates_page(exp: Path, corpus: str) -> Iterator[str]:
    """A table for each test set, systems by modes, what others report below."""
    found, published = scores(exp / "score"), anchors(corpus)
    for test_set in sorted({test_set for test_set, _ in found}):
        own = {system: of_modes for (name, system), of_modes in found.items() if name == test_set}
        others = [anchor for anchor in published if anchor.test_set == test_set]
        there = {mode for of_modes in own.values() for mode in of_modes} | {anchor.mode for anchor in others}
        modes = [mode for mode in MODES if mode in there]
        more = [_WITH_LM] if _WITH_LM in there else []
        measured = any((exp / "boundaries" / system / _set_of(own[system]) / "score.json").exists() for system in own)
        first = next(iter(next(iter(own.values())).values()))
        yield f"### {test_set}"
        yield ""
        metric = next(iter(first["metrics"])).removesuffix("%")
        yield f"{metric} in percent of {first['tokens']} tokens of {first['utterances']} utterances."
        yield ""
        head = ["System", "M", *(MODES[mode] for mode in modes), *(["with LM"] if more else [])]
        head += ["Word boundaries, ms: median", "mean"] if measured else []
        yield from markdown(head, _rows(exp, own, others, [*modes, *more], measured))
        if others:
            yield ""
            sources = {anchor.source: anchor.system.partition(" ")[0] for anchor in others}
            named = "; ".join(f"{who}: {where}" for where, who in sources.items())
            yield f"*In italics*, not trained here: {named}."
        yield ""


def _rows(
    exp: Path, own: dict[str, dict[str, Score]], others: Sequence[Anchor], modes: Sequence[str], measured: bool
) -> Iterator[list[str]]:
    for system, of_modes in own.items():
        number = next(iter(of_modes.values()))["provenance"]["parameters"]
        cells = [_rate(of_modes[mode]) if mode in of_modes else DASH for mode in modes]
        yield [system, f"{number / 1e6:.2f}" if number else DASH, *cells, *_boundaries(exp, system, of_modes, measured)]
    for name in dict.fromkeys(anchor.system for anchor in others):
        figures = {anchor.mode: anchor.value for anchor in others if anchor.system == name}
        size = next(anchor.parameters for anchor in others if anchor.system == name)
        yield [f"*{name}*", size, *(figures.get(mode, DASH) for mode in modes), *([DASH] * 2 if measured else [])]


def _set_of(of_modes: dict[str, Score]) -> str:
    return str(next(iter(of_modes.values()))["set"])


def _rate(score: Score) -> str:
    value = next(iter(score["metrics"].values()))["value"]
    missing = f" ({score['missing']} missing)" if score["missing"] else ""
    return (f"**{value:.2f}**" if value is not None else DASH) + missing


def _boundaries(exp: Path, system: str, of_modes: dict[str, Score], measured: bool) -> list[str]:
    if not measured:
        return []
    path = exp / "boundaries" / system / _set_of(of_modes) / "score.json"
    if not path.exists():
        return [DASH, DASH]
    metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
    return [f"{metrics[name]['value']:.0f}" for name in ("median ms", "mean ms")]


def trainings(exp: Path) -> Iterator[list[str]]:
    """Of each training its steps, epochs, last figures of the dev set, utterances left out, and time."""
    spent = seconds_of(exp / "seconds")
    for path in sorted(exp.glob("*/train.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        of_dev = [line for line in lines if line["kind"] == "dev"]
        if not lines:
            continue
        last = of_dev[-1] if of_dev else {}
        dev = ", ".join(f"{name} {last[name]:.3g}" for name in ("loss", "accuracy", "error_rate") if name in last)
        left_out = path.with_name("left_out")
        out = len(left_out.read_text(encoding="utf-8").splitlines()) if left_out.exists() else 0
        name = path.parent.name
        figures = (lines[-1]["step"], lines[-1]["epoch"] + 1, dev, out)
        yield [name, *map(str, figures), *(f"{number:.0f}" for number in spent.get(f"train_{name}", (0.0, 0.0)))]


def page(folder: Path, recipe: str, script: str, corpus: str, note: Sequence[str]) -> Iterator[str]:
    """The lines of RESULTS.md."""
    exp = folder / "exp"
    yield f"# egs/{recipe}, trained"
    yield ""
    yield f"Written by `egs/{recipe}/{script}` (firered {__version__}) from the scores that it measured."
    yield from ("", *note) if note else ()
    yield ""
    yield "## Data"
    yield ""
    head, *rows = [line.split("\t") for _, line in read_lines(folder / "data/counts.tsv")]
    yield from markdown([word.capitalize() for word in head], rows)
    yield ""
    for path in sorted((folder / "data").glob("*/note")):  # what a set's preparation has to say
        yield f"- {path.parent.name}: {path.read_text(encoding='utf-8').strip()}"
        yield ""
    yield "## Error rates by decoding mode"
    yield ""
    yield from rates_page(exp, corpus)
    yield "## Trainings"
    yield ""
    yield "Seconds are those that passed, and those of processor time, with loading."
    yield ""
    yield from markdown(_TRAININGS, trainings(exp))
    yield ""
    yield from _other_times(exp)
    yield from _demoted(folder / "exp/table.md")


def _other_times(exp: Path) -> Iterator[str]:
    groups: dict[str, float] = {}
    for name, (real, _) in seconds_of(exp / "seconds").items():
        if not name.startswith("train_"):
            kind = name.partition("_")[0]
            groups[kind] = groups.get(kind, 0.0) + real
    yield "Other stages, in seconds: " + ", ".join(f"{kind} {real:.0f}" for kind, real in groups.items()) + "."
    yield ""


def _demoted(table: Path) -> Iterator[str]:
    for _, line in read_lines(table):
        yield f"#{line}" if line.startswith("#") else line


def main(
    folder: Annotated[Path, typer.Argument(help="what train.sh calls --dir")],
    recipe: Annotated[str, typer.Argument(help="name of the recipe")],
    out: Annotated[Path, typer.Argument(help="page to write")],
    corpus: Annotated[str, typer.Option(help="whose figures of anchors.tsv stand beside")] = "",
    note: Annotated[str, typer.Option(help="file of lines for the top of the page")] = "",
    script: Annotated[str, typer.Option(help="of the recipe, that the page is of")] = "train.sh",
) -> None:
    """Write the page."""
    lines: Iterable[str] = [line for _, line in read_lines(Path(note))] if note else []
    write_lines(out, page(folder, recipe, script, corpus, list(lines)))


if __name__ == "__main__":
    run(main)
