"""Times of words: the published cases."""

import itertools
import json

from support.paths import GOLDENS

from firered.align.ctc import (
    frame_times,
    merge_words,
    token_times,
)


def said_by(path, blank=0):
    return [label for label, _ in itertools.groupby(path) if label != blank]


def test_every_published_time():
    cases = json.loads((GOLDENS / "tiny/times_expected.json").read_text())["frames_to_words"]
    assert len(cases) == 170
    for case in cases:
        times = token_times(case["alignment"], len(case["tokens"]), case["dur"])
        words = merge_words(case["symbols"], times)
        assert [[word.text, word.start_s, word.end_s] for word in words] == case["words"]
        if "starts" in case:
            assert said_by(case["alignment"]) == case["tokens"]
            starts, ends = zip(*frame_times(case["alignment"]), strict=True)
            assert (list(starts), list(ends)) == (case["starts"], case["ends"])


def test_every_published_merge():
    cases = json.loads((GOLDENS / "tiny/times_expected.json").read_text())["merge"]
    assert len(cases) == 11
    for case in cases:
        words = merge_words([token[0] for token in case["tokens"]], [tuple(token[1:]) for token in case["tokens"]])
        assert [[word.text, word.start_s, word.end_s] for word in words] == case["words"]
