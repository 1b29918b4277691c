"""What came out of the trainings of egs/mini_scaling: the settings that did best on dev, and RESULTS.md."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Annotated, TypeVar

import typer

from firered.data.datadir import read_table, write_lines
from firered.errors import DataError
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer
from firered.version import __version__

KINDS = ("constant", "progressive")
Sizes = Annotated[str, typer.Option(help="names of sizes, between blanks")]
Seeds = Annotated[str, typer.Option(help="seeds, between blanks")]
Exp = Annotated[Path, typer.Argument(help="folder of the trainings")]
T = TypeVar("T")
app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Spread:
    """Figures by seed."""

    by_seed: dict[str, float]
    wanted: int  # seeds that there should be

    @property
    def figures(self) -> tuple[float, ...]:
        """Those of all seeds."""
        return tuple(self.by_seed.values())

    @property
    def mean(self) -> float:
        """Their mean."""
        return mean(self.figures)

    def __str__(self) -> str:
        if not self.figures:
            return "–"
        spread = f" ({min(self.figures):.2f}–{max(self.figures):.2f})" if len(self.figures) > 1 else ""
        few = f" of {len(self.figures)}" if len(self.figures) < self.wanted else ""
        return f"{self.mean:.2f}{spread}{few}"


class Trainings:
    """The finished trainings of a folder."""

    def __init__(self, exp: Path, sizes: Sequence[str], seeds: Sequence[str]) -> None:
        self.exp, self.sizes, self.seeds = exp, sizes, seeds

    def settings(self, size: str) -> list[str]:
        """The settings, `progressive-1e-3`, that a size was trained with."""
        names = [path.parent.name for path in (self.exp / "decode/aed").glob(f"{size}-*-seed*/text")]
        return sorted({name.removeprefix(f"{size}-").rpartition("-seed")[0] for name in names})

    def whole(self, size: str) -> list[str]:
        """Those of them that have all seeds.

        Raises:
            DataError: there are none.
        """
        whole = [setting for setting in self.settings(size) if self.has("aed", f"{size}-{setting}", self.seeds)]
        if not whole:
            raise DataError(f"{self.exp}/decode/aed: size {size}: no setting has all seeds; run stage 2 to its end")
        return whole

    def best(self, size: str) -> str:
        """The setting with the lowest loss on dev, as the mean of the seeds; test has no say."""
        return min(self.whole(size), key=lambda setting: self.dev_loss(f"{size}-{setting}"))

    def dev_loss(self, name: str) -> float:
        """The loss on dev of the checkpoints that were kept, as the mean of the seeds."""
        return mean(_dev_loss(self.exp / f"aed/{name}-seed{seed}/train.jsonl") for seed in self.seeds)

    def errors(self, name: str, rate: Callable[[dict[str, str]], float], seeds: Sequence[str] = ()) -> Spread:
        """Error rates on test of a training, of the seeds that there are; its name is the folder's without one."""
        paths = {seed: self.exp / f"decode/{name}-seed{seed}/text" for seed in seeds or self.seeds}
        texts = {seed: read_table(path, empty_value_ok=True) for seed, path in paths.items() if path.is_file()}
        return Spread({seed: rate(own) for seed, own in texts.items()}, len(paths))

    def millions(self, name: str) -> tuple[float, float]:
        """Millions of parameters of a training's model: all, and those of its encoder."""
        from firered.models.aed import Aed

        model = Aed.load(self.exp / f"{name}-seed{self.seeds[0]}/model.pth.tar")
        every, encoder = (sum(part.numel() for part in of.parameters()) for of in (model, model.encoder))
        return every / 1e6, encoder / 1e6

    def has(self, kind: str, name: str, seeds: Sequence[str]) -> bool:
        """Whether these seeds of a training have decoded test."""
        return all((self.exp / f"decode/{kind}/{name}-seed{seed}/text").is_file() for seed in seeds)


def _dev_loss(curve: Path) -> float:
    lines = [json.loads(line) for line in curve.read_text(encoding="utf-8").splitlines()]
    return min(line["loss"] for line in lines if line["kind"] == "dev")


@app.command()
def best(exp: Exp, sizes: Sizes, seeds: Seeds, llm_seeds: Seeds) -> None:
    """Print a line for each speech-LLM: size, setting of the encoder, seed."""
    trainings = Trainings(exp, sizes.split(), seeds.split())
    for seed in llm_seeds.split():
        for size in trainings.sizes:
            print(size, trainings.best(size), seed)


@app.command()
def table(
    data: Annotated[Path, typer.Argument(help="data directory of test")],
    exp: Exp,
    out: Annotated[Path, typer.Argument(help="page to write")],
    sizes: Sizes,
    seeds: Seeds,
    llm_seeds: Seeds,
) -> None:
    """Write RESULTS.md."""
    references, rule = read_table(data / "text"), normalizer(NormalizerConfig())

    def rate(texts: dict[str, str]) -> float:
        return total(one.counts for one in align_texts(references, texts, rule)).rate or 0.0

    trainings = Trainings(exp, sizes.split(), seeds.split())
    write_lines(out, _page(trainings, rate, len(references), llm_seeds.split()))


def _page(
    trainings: Trainings, rate: Callable[[dict[str, str]], float], utterances: int, llm_seeds: list[str]
) -> Iterator[str]:
    sizes = trainings.sizes
    best = {size: trainings.best(size) for size in sizes}
    names = [(size, setting) for size in sizes for setting in trainings.settings(size)]
    aed = {(size, setting): trainings.errors(f"aed/{size}-{setting}", rate) for size, setting in names}
    yield "# Results of egs/mini_scaling"
    yield ""
    yield f"Written by `run.sh` (firered {__version__}). Character error rate in percent on {utterances} utterances of"
    yield "synthetic digits, in voices of no training set: the mean over the seeds, in brackets the lowest and the"
    yield f"highest of them. Seeds: {len(trainings.seeds)} of AED, {len(llm_seeds)} of the speech-LLMs; where there are"
    yield "fewer a cell ends in their number (of 1)."
    yield ""
    yield "## In the layout of the paper's table 3"
    yield ""
    yield "Of each size the learning rate and the regularisation with the lowest dev loss. The speech-LLMs have these"
    yield "encoders, and the same language model."
    yield ""
    yield from _table_3(trainings, best, aed, rate, llm_seeds)
    yield from _sizes(trainings, best)
    yield "## All settings of AED"
    yield ""
    yield "Regularisation (dropout and SpecAugment, the same in all) is there from the start, or is raised step by step"
    yield "from the middle of the training on; the number is the peak learning rate. In bold what dev chose."
    yield ""
    lines = []
    for setting in sorted({setting for _, setting in names}):
        cells = {size: str(aed.get((size, setting), "–")) for size in sizes}
        lines.append([setting, *(f"**{cells[size]}**" if best[size] == setting else cells[size] for size in sizes)])
    yield from _rows(["", *sizes], lines)
    yield ""
    few = [f"{size} {setting}" for (size, setting), spread in aed.items() if len(spread.figures) < spread.wanted]
    if few:
        yield f"The grid is cut: not trained with all seeds, and not to be chosen, are {', '.join(few)}."
        yield ""
    yield from _constant_against_progressive(aed)
    yield from _spent(trainings.exp)


def _table_3(
    trainings: Trainings,
    best: dict[str, str],
    aed: dict[tuple[str, str], Spread],
    rate: Callable[[dict[str, str]], float],
    llm_seeds: list[str],
) -> Iterator[str]:
    """Error rates of the chosen models, and how much lower they are from size to size."""
    sizes, names = trainings.sizes, [f"{size}-{best[size]}" for size in trainings.sizes]
    chosen = {"FireRedASR-AED": [aed[size, best[size]] for size in sizes]}
    if all(trainings.has("llm", name, llm_seeds) for name in names):
        chosen = {"FireRedASR-LLM": [trainings.errors(f"llm/{name}", rate, llm_seeds) for name in names]} | chosen
    yield from _rows(["Model Size", *sizes], [[name, *map(str, spreads)] for name, spreads in chosen.items()])
    yield ""
    yield "Relative reduction of the error rate, from each size to the next, and from the first to the last:"
    yield ""
    steps = [f"{small} to {large}" for small, large in _steps(sizes)]
    yield from _rows(["", *steps], [[name, *_reductions(spreads)] for name, spreads in chosen.items()])
    yield ""


def _sizes(trainings: Trainings, best: dict[str, str]) -> Iterator[str]:
    """What the models are, and how dev chose them to be trained."""
    counted = [trainings.millions(f"aed/{size}-{best[size]}") for size in trainings.sizes]
    lines = [
        ["parameters of AED, million", *(f"{every:.3f}" for every, _ in counted)],
        ["of its encoder, million", *(f"{encoder:.3f}" for _, encoder in counted)],
        ["AED trained with", *best.values()],
    ]
    yield from _rows(["", *trainings.sizes], lines)
    yield ""


def _constant_against_progressive(aed: dict[tuple[str, str], Spread]) -> Iterator[str]:
    """How often progressive regularisation has the lower error rate, seed by seed."""
    pairs: list[tuple[float, float]] = []
    for (size, setting), spread in aed.items():
        other = aed.get((size, setting.replace(KINDS[1], KINDS[0], 1)))
        if setting.startswith(KINDS[1]) and other:
            pairs += [(own, other.by_seed[seed]) for seed, own in spread.by_seed.items() if seed in other.by_seed]
    if pairs:
        won, same = sum(own < other for own, other in pairs), sum(own == other for own, other in pairs)
        yield f"Of {len(pairs)} pairs of trainings of the same size, rate and seed, progressive regularisation has the"
        yield f"lower error rate in {won}, the same in {same}."
        yield ""


def _spent(exp: Path) -> Iterator[str]:
    """What it took."""
    times = [list(map(float, line.split()[1:])) for line in (exp / "seconds").read_text(encoding="utf-8").splitlines()]
    clock, *processor = (sum(column) / 60 for column in zip(*times, strict=True))
    yield f"All steps together took {sum(processor):.0f} minutes of processor time, {clock:.0f} by the clock, whatever"
    yield "else the machine did."


def _steps(values: Sequence[T]) -> list[tuple[T, T]]:
    """Each with the next, and the first with the last."""
    return [*pairwise(values), *([(values[0], values[-1])] if len(values) > 2 else [])]


def _reductions(spreads: Sequence[Spread]) -> list[str]:
    return [f"{100 * (1 - large.mean / small.mean):.1f}%" if small.mean else "" for small, large in _steps(spreads)]


def _rows(head: Sequence[str], lines: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for line in lines:
        yield "| " + " | ".join(line) + " |"


if __name__ == "__main__":
    app()
