"""The section on code-switching: the six columns of the report's table 5."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import reward_log
from figures import error_rate, of_seeds, over_seeds, read_score, table

from firered.data.datadir import DataDir

STEPS = r"mixed|^read_more"  # names of its steps in exp/seconds

SETS = {
    "test": "unseen phrases, unseen voices",
    "heard": "phrases of training, unseen voices",
    "old_test": "test set of egs/mini",
}
WAYS = {"without": "without mixed sentences", "with": "with them", "rl": "and by rewards (GRPO)"}
PASSES = {"offline": "offline", "streaming": "streaming"}
DETAILS = {"hotword recall%": "phrases written right", "B-MER%": "errors in phrases", "U-MER%": "errors elsewhere"}
Scores = dict[tuple[str, str, str], list[dict[str, Any]]]  # by pass, way and set; those of all seeds


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    scores = _read(exp / "code_switching/score")
    yield "## Code-switching"
    yield ""
    yield from _spoken(exp.parent / "data/code_switching")
    yield ""
    yield "The speech-LLM of egs/mini is trained further on a tenth of its corpus, without and with these, as many"
    yield "steps; then by rewards on these alone. Its language model has read all the phrases. Streaming is recognition"
    yield "from the start with every 0.72 s; what two passes agree on stands. Mixed error rates (Chinese characters,"
    yield "English words) in percent,"
    yield f"{of_seeds(max(map(len, scores.values()), default=0))}."
    yield ""
    columns = [(heard, way) for heard in PASSES for way in WAYS if any(key[:2] == (heard, way) for key in scores)]
    head = [f"{PASSES[heard]}: {WAYS[way]}" for heard, way in columns]
    yield from table(["", *head], [[_named(scores, name), *_rates(scores, columns, name)] for name in SETS])
    yield ""
    yield "What these are made of, offline, in percent:"
    yield ""
    yield from table(["", "trained", *DETAILS.values()], list(_details(scores)))
    if (training := exp / "code_switching/1/rl").is_dir():
        yield ""
        yield "The log of the rewards, seed 1, means of the steps before (`docs/training/grpo.md` has what each is):"
        yield ""
        yield from table(reward_log.HEAD, list(reward_log.rows(training)))


def _read(folder: Path) -> Scores:
    scores: Scores = {}
    for path in sorted(folder.iterdir()):
        _, way, heard, name = path.name.split("_", 3)
        scores.setdefault((heard, way, name), []).append(read_score(path))
    return scores


def _spoken(data: Path) -> Iterator[str]:
    """How much is said, in how many voices, of how many phrases."""
    train, test = (_counts(DataDir(data / name)) for name in ("train", "test"))
    yield "Sentences that mix Chinese and English:"
    yield f"{train[0]} with {train[1]} phrases in {train[2]} voices for training,"
    yield f"{test[0]} with {test[1]} other phrases in {test[2]} other voices for testing (espeak-ng)."


def _counts(data: DataDir) -> tuple[int, int, int]:
    """Sentences, different phrases and voices."""
    keywords, voices = data.table("keywords") or {}, data.table("utt2voice") or {}
    phrases = {phrase.strip() for line in keywords.values() for phrase in line.split(";")}
    return len(keywords), len(phrases), len(set(voices.values()))


def _named(scores: Scores, name: str) -> str:
    """A set with its number of tokens."""
    tokens = next(own[0]["tokens"] for key, own in scores.items() if key[2] == name)
    return f"{SETS[name]} ({tokens} tokens)"


def _rates(scores: Scores, columns: Sequence[tuple[str, str]], name: str) -> Iterator[str]:
    for column in columns:
        yield over_seeds([error_rate(score) for score in scores.get((*column, name), [])], 1)


def _details(scores: Scores) -> Iterator[list[str]]:
    """Rows of the sets that have phrases."""
    for name in SETS:
        for way in WAYS:
            own = [score["metrics"] for score in scores.get(("offline", way, name), [])]
            if own and name != "old_test":
                yield [
                    SETS[name],
                    WAYS[way],
                    *(over_seeds([one[measure]["value"] for one in own], 1) for measure in DETAILS),
                ]
