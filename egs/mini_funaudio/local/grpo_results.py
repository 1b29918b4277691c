"""The section on learning by rewards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import reward_log
from figures import error_rate, of_seeds, over_seeds, processor_seconds, read_score, table

STEPS = r"^grpo_"  # names of its steps in exp/seconds

KINDS = {"clean": "clean", "noisy": "noisy", "voices": "other voices", "long": "long"}
STREAMS = ("clean", "noisy")
WAYS = {
    "before": "the speech-LLM of egs/mini, as it is",
    "supervised": "supervised, as many steps",
    "supervised_long": "supervised, five times the steps",
    "rewards": "rewards (GRPO)",
    "game": "the reward of keywords alone, ten times the learning rate, no KL, half the steps",
}
_PHASES = ("encoding_s", "rollout_s", "rewards_s", "reference_s", "update_s", "switching_s")
_SILENT = ("silence", "room", "noise", "music")  # kinds without speech


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    own = exp / "grpo"
    listed, unlisted = (_by_way(own / "score" / name) for name in ("listed", "unlisted"))
    streams = [_by_way(own / f"score/stream_{kind}") for kind in STREAMS]
    seeds = max((len(scores) for scores in listed.values()), default=0)
    yield "## Learning by rewards (GRPO)"
    yield ""
    yield "LoRA of the speech-LLM of egs/mini is trained further, by rewards, and beside it on the transcripts of the"
    yield "same utterances with the same learning rate. Noisy speech has ratios drawn from N(10, 5) dB and noise that"
    yield "training does not have, other voices are robots and whispers, long is over 20 s of sentences in a row. No"
    yield "sentence is one of training. As streams, utterances are recognised from the start every 0.72 s, and what"
    yield f"two passes agree on stands. Mixed error rates in percent, {of_seeds(seeds)}; in brackets"
    yield "substitutions, deletions, insertions, of all seeds. Seconds are of the processor, for the whole training."
    yield ""
    spent = _seconds(exp)
    rows = [
        [name, *_rates(listed[way]), *(_rate(own[way]) for own in streams), over_seeds(spent.get(way, []), 0)]
        for way, name in _known(listed)
    ]
    yield from table(["", *KINDS.values(), *(f"{kind}, as streams" for kind in STREAMS), "seconds"], rows)
    yield ""
    yield "English keywords of all of these, in percent: those that the reward has listed, and others. Words that are"
    yield "written where nothing is said, a minute; of speech that is cut off in mid-word the insertions."
    yield ""
    head = ["", "listed, recall", "precision", "unlisted, recall", "precision", "no speech", "cut speech"]
    yield from table(head, list(_words(own, listed, unlisted)))
    yield from _logs(own)
    yield from _killed(own / "killed/killed.json")


def _by_way(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        content = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else read_score(path)
        name = path.name.removesuffix(".json")
        found.setdefault(name.partition("_")[2] or name, []).append(content)
    return found


def _known(scores: dict[str, list[Any]]) -> list[tuple[str, str]]:
    return [(way, name) for way, name in WAYS.items() if way in scores]


def _seconds(exp: Path) -> dict[str, list[float]]:
    """Processor time of the trainings by way, those of all seeds."""
    found: dict[str, list[float]] = {}
    for name, spent in processor_seconds(exp).items():
        kind, _, way = name.partition("_")
        seed, _, way = way.partition("_")
        if kind == "grpo" and seed.isdigit():
            found.setdefault(way, []).append(spent)
    return found


def _rates(scores: list[Any]) -> Iterator[str]:
    for kind in KINDS:
        yield _rate([score["groups"]["kind"][kind] for score in scores])


def _rate(scores: list[Any]) -> str:
    """Error rate, and in brackets the errors of each kind of all seeds."""
    errors = [sum(one[name] for one in scores) for name in ("substitutions", "deletions", "insertions")]
    return f"{over_seeds([error_rate(one) for one in scores], 1)} ({', '.join(map(str, errors))})"


def _words(own: Path, listed: dict[str, list[Any]], unlisted: dict[str, list[Any]]) -> Iterator[list[str]]:
    invented = _by_way(own / "count")
    for way, name in _known(listed):
        figures = [
            over_seeds([score["hotwords"][measure] or 0.0 for score in scores[way]], 1)
            for scores in (listed, unlisted)
            for measure in ("recall", "precision")
        ]
        counts = invented.get(way, [])
        yield [
            name,
            *figures,
            *(over_seeds([_a_minute(one, kinds) for one in counts], 1) for kinds in (_SILENT, ("cut",))),
        ]


def _a_minute(counts: dict[str, dict[str, float]], kinds: tuple[str, ...]) -> float:
    words, minutes = (sum(counts[kind][name] for kind in kinds if kind in counts) for name in ("words", "minutes"))
    return words / minutes if minutes else 0.0


def _logs(own: Path) -> Iterator[str]:
    """What the logs of the first seed say at their beginnings and ends, and seconds."""
    folders = {way: own / "1" / way for way in ("rewards", "game") if (own / "1" / way / "train.jsonl").exists()}
    rows: list[list[str]] = []
    seconds = []
    for way, folder in folders.items():
        rows += [[WAYS[way], *own] for own in reward_log.rows(folder)]
        speed = reward_log.read_log(folder / "speed.jsonl")
        spent = [sum(line.get(name, 0.0) for line in speed) for name in _PHASES]
        factor = sum(line["real_time_factor"] for line in speed) / max(1, len(speed))
        seconds.append([WAYS[way], *(f"{one:.1f}" for one in spent), f"{factor:.3f}"])
    if rows:
        yield ""
        yield "The log of seed 1, means of the steps before (`docs/training/grpo.md` has what each is):"
        yield ""
        yield from table(["", *reward_log.HEAD], rows)
        yield ""
        yield "Seconds of all its steps by phase, and seconds of work for one of audio:"
        yield ""
        yield from table(["", *(name.removesuffix("_s") for name in _PHASES), "real time factor"], seconds)


def _killed(path: Path) -> Iterator[str]:
    if not path.exists():
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    same = {True: "the same", False: "**not** the same"}
    yield ""
    yield f"A training of {found['steps']} steps that was killed (SIGKILL) at step {found['killed']} and started again"
    yield f"has {same[found['same_log']]} losses, rewards and entropies as one without a break, and ends in"
    yield f"{same[found['same_weights']]} weights, bit for bit."
