"""Recall and precision of an utterance's keywords (R2 of the report)."""

from firered.scoring.metrics.hotwords import Hits, Phrases, hits
from firered.train.rewards.reward import Rollout, Wanted, rule


def keywords(rollout: Rollout, wanted: Wanted) -> float:
    """The mean of recall and precision of the keywords, 0 to 1; 0 where the reference has none of them.

    A keyword that is n times in the reference and m times in the text is right min(n, m) times. Recall alone would
    reward a text that repeats a keyword; precision takes that back. The report sums "recall" and "accuracy" without
    saying how: here they are averaged, so that this reward has the range of the accuracy.
    """
    found = _found(rollout, wanted)
    if not found.reference:
        return 0.0
    recall = found.right / found.reference
    precision = found.right / found.hypothesis if found.hypothesis else 0.0
    return (recall + precision) / 2


def _found(rollout: Rollout, wanted: Wanted) -> Hits:
    tokens = rule()
    phrases = Phrases({keyword: tokens(keyword, wanted.language) for keyword in wanted.keywords})
    reference, text = (phrases.find(tokens(side, wanted.language)) for side in (wanted.text, rollout.text))
    return sum(hits(reference, text).values(), Hits())
