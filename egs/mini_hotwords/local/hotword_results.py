"""RESULTS.md of what the scoring stage has measured, and its pictures: recall and harm by the size of the list."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import typer
from false_alarms import LENGTHS
from names import Target, read_targets

from firered.data.datadir import write_lines
from firered.errors import DataError
from firered.version import __version__

matplotlib.use("Agg")
from matplotlib import pyplot

SYSTEMS = {"aed": "AED of egs/mini", "llm": "Speech-LLM of egs/mini", "whisper": "Whisper"}
WAYS = {"none": "without a list", "prompt": "prompt", "graph": "graph", "correction": "correction", "auto": "all"}
# Published, of other models on other data: entries of a list and recall in percent of words that a general recogniser
# mostly misses (Shi et al., 2023, figure 3); entries of an unrelated list and error rate above that without one
# (documentation of Moonshine, boost 2).
SEACO = (231, 400, 800, 1200, 2000, 4000), (55, 52, 46, 41, 35, 24)
MOONSHINE = (0, 100, 1000, 10000), (0.0, 0.54, 1.05, 1.26)
_COLOURS = {"prompt": "#3b8a3e", "graph": "#1f6fb4", "correction": "#c8521b", "auto": "#444444"}


@dataclass(frozen=True)
class Run:
    """A decoding that was scored: the recogniser, how it used the list, the kind of list, its size, and the report."""

    system: str
    way: str
    kind: str
    size: int
    score: dict[str, Any]
    folder: Path

    @property
    def phrases(self) -> dict[str, tuple[int, int]]:
        """How often each target is said, and how often it is right."""
        with (self.folder / "hotwords.tsv").open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            return {row["phrase"]: (int(row["reference"]), int(row["right"])) for row in rows}

    @property
    def topics(self) -> dict[str, str]:
        """Error rate / precision / recall of each topic."""
        found = {}
        for name, part in self.score["hotwords"]["parts"].items():
            topic = name.removeprefix("topic ")
            rate = self.score["groups"].get("topic", {}).get(topic, {}).get("rate")
            values = (rate, part["precision"], part["recall"])
            found[topic] = " / ".join("-" if value is None else f"{value:.1f}" for value in values)
        return found

    @property
    def alarms(self) -> list[str]:
        """False alarms an hour by the length of entries, with the number of those."""
        path = self.folder / "alarms.json"
        rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return [f"{rows[name]['an hour']:.1f} ({rows[name]['entries']})" if name in rows else "-" for name in LENGTHS]

    @property
    def recall(self) -> float:
        """Share of the targets' occurrences that are right, in percent."""
        return float(self.score["metrics"]["hotword recall%"]["value"])

    @property
    def precision(self) -> float | None:
        """Share of the targets in the texts that are right, in percent; None where there are none."""
        value = self.score["metrics"]["hotword precision%"]["value"]
        return None if value is None else float(value)

    @property
    def unbiased(self) -> float:
        """Error rate of what is in no target."""
        return float(self.score["hotwords"]["unbiased"]["rate"])

    @property
    def biased(self) -> float:
        """Error rate of the targets' tokens."""
        return float(self.score["hotwords"]["biased"]["rate"])

    @property
    def error_rate(self) -> float:
        """Error rate of all tokens."""
        return float(next(iter(self.score["metrics"].values()))["value"])

    @property
    def rtf(self) -> float:
        """Processing time over the audio's length."""
        return float(self.score["speed"]["rtf"])


def read_runs(scores: Path) -> list[Run]:
    """All runs under SCORES/system/set/way/list, by system, way, kind of list and size.

    Raises:
        DataError: there are none.
    """
    runs = []
    for path in scores.glob("*/*/*/*/score.json"):
        *_, system, _, way, name, _ = path.parts
        kind, _, size = name.partition("-")
        score = json.loads(path.read_text(encoding="utf-8"))
        runs.append(Run(system, way, kind, int(size or 0), score, path.parent))
    if not runs:
        raise DataError(f"{scores}: no scores; stage 6 makes them")
    order = list(WAYS)
    return sorted(runs, key=lambda run: (list(SYSTEMS).index(run.system), order.index(run.way), run.kind, run.size))


def results(runs: list[Run], targets: list[Target], lists: Path) -> Iterator[str]:
    """Lines of the page.

    Args:
        runs: what was scored.
        targets: the names and terms.
        lists: folder of the lists.
    """
    speech = [run for run in runs if "echoes" not in run.score]
    yield "# Results of egs/mini_hotwords"
    yield ""
    yield f"Written by `run.sh` (firered {__version__}) from the scores measured, on synthetic speech: {len(targets)}"
    yield "names and terms that training never saw, in voices it never heard. Recall and precision are of their"
    yield "occurrences, U is the error rate of all other words, B that of theirs. The first row of each table is the"
    yield "same model and audio without any list."
    for system, title in SYSTEMS.items():
        own = [run for run in speech if run.system == system and run.kind in ("none", "with")]
        if own:
            yield from _ways(title, own)
            together = [run for run in own if run.way == "auto"]
            yield from _parts(together, targets, lists)
            yield from _topics([run for run in own if run.kind == "none"], together)
    yield from _harm([run for run in speech if run.kind in ("none", "without")])
    yield from _sounds([run for run in runs if "echoes" in run.score])


def _ways(title: str, runs: list[Run]) -> Iterator[str]:
    none = [run for run in runs if run.kind == "none"]
    yield from ("", f"## {title}: {runs[0].score['utterances']} utterances", "")
    yield "| List | Entries | Recall % | Precision % | Error rate % | U % | U against none | B % | Real-time factor |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for run in [*none, *(run for run in runs if run.kind != "none")]:
        precision = "-" if run.precision is None else f"{run.precision:.1f}"
        change = f"{run.unbiased - none[0].unbiased:+.2f}" if none and run.kind != "none" else ""
        rates = f"{run.error_rate:.2f} | {run.unbiased:.2f} | {change} | {run.biased:.2f} | {run.rtf:.4f}"
        yield f"| {WAYS[run.way]} | {run.size or '-'} | {run.recall:.1f} | {precision} | {rates} |"
    if any(run.kind == "with" for run in runs):
        missing = [way for way in WAYS if way not in ("none", *(run.way for run in runs))]
        if missing:
            yield from ("", f"Not run, because the model has no such way, or not asked for: {', '.join(missing)}.")


def _parts(runs: list[Run], targets: list[Target], lists: Path) -> Iterator[str]:
    """Recall by the targets' language and by their place in the list, of all ways together."""
    if not runs:
        return
    yield from (
        "",
        "Recall of all ways together, in percent, of targets by language and by their place in the list:",
        "",
    )
    yield "| Entries | Mandarin | English | both | first third | second | last |"
    yield "|---|---|---|---|---|---|---|"
    for run in runs:
        entries = (lists / f"with/{run.size}.txt").read_text(encoding="utf-8").splitlines()
        third = {text: 3 * number // len(entries) for number, text in enumerate(entries)}
        parts = [[one.text for one in targets if one.grammar == grammar] for grammar in ("zh", "en", "cs")]
        parts += [[one.text for one in targets if third[one.text] == number] for number in range(3)]
        yield f"| {run.size} | " + " | ".join(_recall(run.phrases, part) for part in parts) + " |"


def _topics(none: list[Run], together: list[Run]) -> Iterator[str]:
    """Error rate of the utterances, precision and recall by topic, as table 6 of FunAudio-ASR's report has them."""
    if not together:
        return
    yield from ("", "By topic, error rate of the topic's utterances, precision and recall in percent:", "")
    titles = ["without a list" if run.kind == "none" else f"{run.size} entries" for run in (*none, *together)]
    yield "| Topic | " + " | ".join(titles) + " |"
    yield "|---" * (len(titles) + 1) + "|"
    for topic in sorted(together[0].topics):
        cells = [run.topics[topic] for run in (*none, *together)]
        yield f"| {topic} | " + " | ".join(cells) + " |"
    yield ""
    yield "FunAudio-ASR's table 6, of its own recordings and lists, has for names 0.53 / 100 / 95 before reinforcement"
    yield "learning and 0.35 / 100 / 100 after it, for brands 0.41 / 100 / 99 and 0.33 / 100 / 99."


def _recall(counts: dict[str, tuple[int, int]], phrases: list[str]) -> str:
    said = sum(counts.get(phrase, (0, 0))[0] for phrase in phrases)
    right = sum(counts.get(phrase, (0, 0))[1] for phrase in phrases)
    return f"{100 * right / said:.1f}" if said else "-"


def _harm(runs: list[Run]) -> Iterator[str]:
    for system, title in SYSTEMS.items():
        own = [run for run in runs if run.system == system]
        none = [run for run in own if run.kind == "none"]
        if none and len(own) > 1:
            yield from ("", f"## {title}: lists of which nothing is said, in all ways", "")
            lengths = [f"{name} long" for name in LENGTHS]
            yield f"| Entries | Error rate % | against none | {' | '.join(lengths)} |"
            yield "|---" * (3 + len(lengths)) + "|"
            for run in sorted(own, key=lambda run: run.size):
                change = f"{run.error_rate - none[0].error_rate:+.2f}"
                yield f"| {run.size} | {run.error_rate:.2f} | {change} | {' | '.join(run.alarms)} |"
            yield ""
            yield "The last columns are false alarms an hour: entries in a text that nobody said, by their length in"
            yield "Chinese characters or words, and in brackets how many the list has. The first row is what of the"
            yield "longest list comes by chance."


def _sounds(runs: list[Run]) -> Iterator[str]:
    if not runs:
        return
    yield from ("", "## Silence, noise, music, singing, and clips of 0.2 to 0.5 s", "")
    yield from ("| Recogniser | Entries | Recordings | with text | with a word of the list |", "|---|---|---|---|---|")
    for run in runs:
        counts = f"{run.score['recordings']} | {run.score['with_text']} | {len(run.score['echoes'])}"
        yield f"| {SYSTEMS[run.system]} | {run.size or '-'} | {counts} |"
    yield ""
    yield "The rows without a list are of the words of the longest list, that come by chance."


def draw(runs: list[Run], out: Path) -> None:
    """Draw recall.png and harm.png into a folder, of what there is."""
    speech = [run for run in runs if "echoes" not in run.score]
    _draw_recall([run for run in speech if run.kind in ("none", "with")], out / "recall.png")
    _draw_harm([run for run in speech if run.kind in ("none", "without")], out / "harm.png")


def _draw_recall(runs: list[Run], path: Path) -> None:
    systems = [system for system in SYSTEMS if any(run.system == system and run.kind == "with" for run in runs)]
    if not systems:
        return
    figure, axes = pyplot.subplots(
        1, len(systems), figsize=(4.5 * len(systems), 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for system, each in zip(systems, axes[0], strict=True):
        own = [run for run in runs if run.system == system]
        for way, colour in _COLOURS.items():
            points = [(run.size, run.recall) for run in own if run.way == way and run.kind == "with"]
            if points:
                each.plot(*zip(*points, strict=True), "o-", color=colour, label=WAYS[way])
        for run in own:
            if run.kind == "none":
                each.axhline(run.recall, color="#999999", linestyle=":", label=WAYS["none"])
        each.plot(*SEACO, "x--", color="#bbbbbb", label="SeACo-Paraformer, published")
        each.set(xscale="log", ylim=(-3, 103), xlabel="entries of the list", title=SYSTEMS[system])
        each.legend(fontsize=8, frameon=False)
    axes[0][0].set_ylabel("recall of unseen names (%)")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_harm(runs: list[Run], path: Path) -> None:
    if not any(run.kind == "without" for run in runs):
        return
    figure, axes = pyplot.subplots(figsize=(5.5, 3.6), layout="constrained")
    for system, title in SYSTEMS.items():
        own = sorted((run for run in runs if run.system == system), key=lambda run: run.size)
        if len(own) > 1 and own[0].kind == "none":
            harm = [run.error_rate - own[0].error_rate for run in own]
            axes.plot([run.size for run in own], harm, "o-", label=title)
    axes.plot(*MOONSHINE, "x--", color="#bbbbbb", label="Moonshine, published")
    axes.axhline(0, color="#999999", linestyle=":")
    axes.set(xlabel="entries of a list of which nothing is said", ylabel="error rate against none (%)")
    axes.set_xscale("symlog", linthresh=100)
    axes.set_xlim(left=-20)
    axes.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(
    scores: Annotated[Path, typer.Argument(help="folder of the scores")],
    data: Annotated[Path, typer.Argument(help="folder of the test set")],
    lists: Annotated[Path, typer.Argument(help="folder of the lists")],
    out: Annotated[Path, typer.Argument(help="page to write; recall.png and harm.png go beside it")],
) -> None:
    """Write the page and draw its pictures."""
    runs = read_runs(scores)
    draw(runs, out.parent)
    pictures = [f"![{name}]({name}.png)" for name in ("recall", "harm") if (out.parent / f"{name}.png").exists()]
    page = results(runs, read_targets(data / "targets.tsv"), lists)
    write_lines(out, [*page, *(line for picture in pictures for line in ("", picture))])


if __name__ == "__main__":
    typer.run(main)
