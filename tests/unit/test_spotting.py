"""Entries that a CTC head heard, whatever its greedy text is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.paths import EGS

import firered
from firered.asr.listening import _whole_words
from firered.hotwords.lists import HotwordList
from firered.hotwords.spotting import Spotter
from firered.runtime.context import Context

LETTERS = "abc"  # tokens 1 to 3 of the made-up head


def spelling(text):
    return [LETTERS.index(letter) + 1 for letter in text] if set(text) <= set(LETTERS) else None


def log_probs(frames, seed):
    values = np.random.default_rng(seed).normal(0, 2, (frames, len(LETTERS) + 1)).astype(np.float32)
    return values - np.log(np.exp(values).sum(1, keepdims=True))


def reads(path):
    return [token for token, _ in itertools.groupby(path) if token]


def best_stretch(probs, ids):
    """The best path over any frames that reads as the ids and begins and ends with a token, by trying all."""
    relative = probs - probs.max(1, keepdims=True)
    best = -np.inf, 0, 0
    for start, end in itertools.combinations(range(len(probs) + 1), 2):
        for path in itertools.product(range(probs.shape[1]), repeat=end - start):
            if path[0] and path[-1] and reads(path) == ids:
                best = max(best, (float(sum(relative[start + n, token] for n, token in enumerate(path))), start, end))
    return best


@given(st.integers(1, 5), st.integers(0, 10**6))
def test_the_score_is_that_of_the_best_path_over_any_frames(frames, seed):
    probs = log_probs(frames, seed)
    texts = ["a", "ab", "aa", "cba", "abd"]
    found = {spotted.number: spotted for spotted in Spotter(HotwordList(texts), spelling).spotted(probs, 9, -1e9)}
    assert 4 not in found  # it cannot be spelt
    for number, text in enumerate(texts[:4]):
        total, _, _ = best_stretch(probs, spelling(text))
        if total == -np.inf:
            assert number not in found
        else:
            spotted = found[number]
            assert spotted.score == pytest.approx(total / len(text), abs=1e-4)
            there = best_stretch(probs[spotted.start : spotted.end], spelling(text))
            assert there[0] == pytest.approx(total, abs=1e-4)


@given(st.integers(0, 10**6))
def test_the_bound_leaves_out_no_entry_that_is_likely_enough(seed):
    probs = log_probs(6, seed)
    texts = ["".join(word) for size in (1, 2, 3) for word in itertools.product(LETTERS, repeat=size)]
    spotter = Spotter(HotwordList(texts), spelling)
    everything = spotter.spotted(probs, len(texts), -1e9)
    assert spotter.spotted(probs, len(texts), -2.0) == [one for one in everything if one.score >= -2.0]
    assert [one.score for one in everything] == sorted((one.score for one in everything), reverse=True)
    assert spotter.spotted(probs, 3, -1e9) == everything[:3]


def test_nothing_is_heard_in_nothing():
    assert Spotter(HotwordList(), spelling).spotted(log_probs(3, 0), 9, -9.0) == []
    assert Spotter(HotwordList(["d"]), spelling).spotted(log_probs(3, 0), 9, -9.0) == []
    assert Spotter(HotwordList(["a"]), spelling).spotted(log_probs(0, 0), 9, -9.0) == []


@pytest.mark.parametrize(
    ("text", "start", "end", "wanted"),
    [
        ("my computer is", 5, 8, "computer"),
        ("去公园 now", 1, 3, "公园"),
        ("it's new", 0, 2, "it's"),
        ("去go走", 1, 2, "go"),
    ],
)
def test_a_stretch_has_whole_words(text, start, end, wanted):
    first, last = _whole_words(text, start, end)
    assert text[first:last] == wanted


def test_what_was_not_said_takes_no_place():
    asr = firered.load(EGS / "mini/models/FireRedASR2-AED", device="cpu", hotword_use="correction")
    wav = EGS / "mini/test/wav/f3-zh-00003.flac"
    assert asr(wav, context=Context(hotwords=["公司", "大海", "星期六"])).text == "你好谁星期三去公园"
