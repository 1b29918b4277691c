"""The section on Best-RQ: loss of the pre-training, and error rates by labels and by what encoders begin with."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from figures import over_seeds, processor_seconds

from firered.errors import DataError

STEPS = r"^(rq|aed|labels|(decode|score)_(fsdd|mini))_|^llm_untrained"  # names of its steps in exp/seconds

STARTS = {
    "none": "random weights",
    "layers": "layers of a language model",
    "random": "Best-RQ from random weights",
    "llm": "Best-RQ from layers of a language model",
}
_PRETRAINED = ("random", "llm")
# The beginnings of the names of this part's steps in exp/seconds.
_KINDS = {
    "llm": "language model",
    **{f"rq_{corpus}": f"Best-RQ on {corpus}" for corpus in ("fsdd", "mini")},
    **{f"aed_{corpus}": f"recognition of {corpus}" for corpus in ("fsdd", "mini")},
    **{f"decode_{corpus}": f"decoding of {corpus}" for corpus in ("fsdd", "mini")},
}


class Score(NamedTuple):
    """An error rate, and of what."""

    corpus: str
    share: int  # of the labels, in percent
    start: str
    seed: str
    rate: float
    interval: Sequence[float] | None  # 95%, over utterances
    utterances: int


def scores(folder: Path) -> list[Score]:
    """Those of the folders CORPUS_SEED_SHARE_START."""
    found = []
    for path in sorted(folder.glob("*/score.json")):
        corpus, seed, share, start = path.parent.name.split("_")
        content = json.loads(path.read_text(encoding="utf-8"))
        name = next((name for name in content["metrics"] if name in ("WER%", "CER%", "MER%")), None)
        if name is None:
            raise DataError(f"{path}: no error rate in it")
        figure = content["metrics"][name]
        rate, interval = figure["value"], figure["interval"]
        found.append(Score(corpus, int(share), start, seed, rate, interval, content["utterances"]))
    return found


def curve(out: Path) -> list[dict[str, Any]]:
    """The evaluations of a training."""
    lines = [json.loads(line) for line in (out / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["kind"] == "dev"]


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    yield "## Pre-training without labels (Best-RQ)"
    yield ""
    yield "An encoder with four layers of Qwen3, width 64; recognition by its CTC head (prefix search). Trainings of a"
    yield "corpus with the same share of the labels have as many steps and differ only in what the encoder begins with:"
    yield "layers of a small character language model of the same shape as they were drawn (random weights), the same"
    yield "after its training on text, or either of these after Best-RQ on all the corpus' audio. The figures:"
    yield "`docs/training/best_rq.md`."
    for corpus in sorted(path.name for path in (exp / "best_rq").iterdir() if list(path.glob("*/*/train.jsonl"))):
        yield ""
        yield f"### {corpus}"
        yield ""
        yield from _pretraining(exp / "best_rq" / corpus)
        yield ""
        yield from _recognition([score for score in scores(exp / "best_rq/score") if score.corpus == corpus])
    yield ""
    yield from _minutes(exp)


def _pretraining(folder: Path) -> Iterator[str]:
    curves = {
        (seed.name, start): curve(seed / start)
        for seed in sorted(folder.iterdir())
        for start in _PRETRAINED
        if (seed / start / "train.jsonl").is_file()
    }
    first = next(iter(curves.values()))[-1]
    yield (
        f"Loss at the hidden places of the dev set, in nats, by step. {100 * first['masked']:.1f}% of its frames are "
        f"hidden, where {100 * first['codes_used']:.0f}% of the codes come up. Guessing all codes alike costs "
        f"{_log_codes(folder):.2f}, knowing how often each comes {first['code_entropy']:.2f} (`code_entropy`)."
    )
    yield ""
    steps = [line["step"] for line in next(iter(curves.values()))]
    yield "| Encoder | Seed | " + " | ".join(map(str, steps)) + " | Accuracy, % |"
    yield "|---|---|" + "---|" * (len(steps) + 1)
    for (seed, start), lines in sorted(curves.items(), key=lambda pair: (_PRETRAINED.index(pair[0][1]), pair[0][0])):
        losses = " | ".join(f"{line['loss']:.2f}" for line in lines)
        yield f"| {STARTS[start]} | {seed} | {losses} | {100 * lines[-1]['accuracy']:.1f} |"


def _log_codes(folder: Path) -> float:
    """The logarithm of the number of codes, which the settings of a training have."""
    config = next(path for start in _PRETRAINED for path in folder.glob(f"*/{start}/config.yaml")).read_text("utf-8")
    return math.log(int(next(line.split(":")[1] for line in config.splitlines() if line.strip().startswith("codes:"))))


def _recognition(found: list[Score]) -> Iterator[str]:
    shares = sorted({score.share for score in found})
    seeds = sorted({score.seed for score in found})
    several = len(seeds) > 1
    by = f"95% intervals of the mean over {len(seeds)} seeds" if several else "95% intervals by resampling utterances"
    yield f"Error rates of {found[0].utterances} test utterances, in percent, with {by}, by the labels that were known."
    yield ""
    yield "| The encoder begins with | " + " | ".join(f"{share}%" for share in shares) + " |"
    yield "|---|" + "---|" * len(shares)
    key = [*STARTS].index
    for start, rows in groupby(sorted(found, key=lambda score: (key(score.start), score.share)), lambda s: s.start):
        own = list(rows)
        cells = [_cell([score for score in own if score.share == share], several) for share in shares]
        yield f"| {STARTS[start]} | " + " | ".join(cells) + " |"


def _cell(own: list[Score], several: bool) -> str:
    if not own:
        return "-"
    rates = [score.rate for score in own]
    if several:
        return over_seeds(rates, 1)
    low, high = own[0].interval or (math.nan, math.nan)
    return f"{rates[0]:.1f} [{low:.1f}, {high:.1f}]"


def _minutes(exp: Path) -> Iterator[str]:
    """Processor time of this part's steps, by their kind."""
    total = dict.fromkeys(_KINDS, 0.0)
    for name, spent in processor_seconds(exp).items():
        kind = next((kind for kind in _KINDS if name.startswith(kind)), None)
        if kind is not None:
            total[kind] += spent
    spent_on = ", ".join(f"{_KINDS[kind]} {own / 60:.1f}" for kind, own in total.items() if own)
    yield f"Minutes of processor time: {spent_on}."
