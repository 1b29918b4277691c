"""Phrases found by their sounds, against a plain search over all places; see also test_hotword_retrieval.py."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.hotwords.alignment import aligned
from firered.hotwords.index import SoundIndex
from firered.hotwords.inventory import NAMES, SUBSTITUTION, WEIGHTS
from firered.hotwords.sounds import Sounded

sounds = st.integers(0, len(NAMES) - 1)
# Few sounds, so that phrases are alike: of all kinds, some of them easily confused.
FEW = [NAMES.index(name) for name in ("z-", "zh-", "an1", "ang2", "i4", "T", "D", "AH", "IH", "<a>", "?")]
few = st.sampled_from(FEW)
phrases = st.lists(st.lists(few, min_size=1, max_size=7), min_size=1, max_size=6)


def sounded(ids):
    places = np.arange(len(ids), dtype=np.int32)
    return Sounded(np.array(ids, np.int16), places, places + 1)


def distance(phrase, text):
    """The cost of a phrase in place of a whole stretch of text, cell by cell."""
    costs = np.zeros((len(phrase) + 1, len(text) + 1))
    costs[1:, 0] = np.cumsum(WEIGHTS[phrase])
    costs[0, 1:] = np.cumsum(WEIGHTS[text])
    for row, column in itertools.product(range(1, len(phrase) + 1), range(1, len(text) + 1)):
        costs[row, column] = min(
            costs[row - 1, column] + WEIGHTS[phrase[row - 1]],
            costs[row, column - 1] + WEIGHTS[text[column - 1]],
            costs[row - 1, column - 1] + SUBSTITUTION[phrase[row - 1], text[column - 1]],
        )
    return costs[-1, -1]


def everywhere(phrase, text):
    """The least cost of a phrase in the place of any stretch of a text."""
    stretches = itertools.combinations_with_replacement(range(len(text) + 1), 2)
    return min(distance(phrase, text[start:end]) for start, end in stretches)


@settings(max_examples=50)
@given(phrases, st.lists(few, min_size=1, max_size=9))
def test_the_alignment_is_the_cheapest_anywhere_in_the_text(entries, text):
    ids = np.array(list(itertools.chain.from_iterable(entries)), np.int16)
    ends = np.cumsum([len(entry) for entry in entries])
    bounds = np.stack([ends - [len(entry) for entry in entries], ends], 1)
    found = aligned(np.array(text, np.int16), (ids, bounds), np.zeros(len(entries), int), len(text), largest=1.0)
    assert sorted(found.places) == list(range(len(entries)))  # nothing costs more than to leave out the whole
    for place, cost, start, end in zip(*found, strict=True):
        assert cost == pytest.approx(everywhere(entries[place], text), abs=1e-3)
        assert cost == pytest.approx(distance(entries[place], text[start:end]), abs=1e-3)


@settings(max_examples=50)
@given(phrases, st.lists(few, max_size=12))
def test_every_place_with_exactly_the_sounds_of_a_phrase_is_found(entries, text):
    expected = {
        (row, start, start + len(entry))
        for row, entry in enumerate(entries)
        for start in range(len(text) - len(entry) + 1)
        if text[start : start + len(entry)] == entry
    }
    found = SoundIndex([tuple(entry) for entry in entries]).exact(sounded(text))
    assert {(place.row, place.start, place.end) for place in found} == expected
    assert len(found) == len(expected)


@settings(max_examples=50)
@given(phrases, st.lists(few, max_size=12))
def test_what_is_found_nearby_is_no_nearer_than_the_cheapest_alignment(entries, text):
    index = SoundIndex([tuple(entry) for entry in entries])
    for row, share, start, end in index.near(sounded(text)):
        weight = float(WEIGHTS[entries[row]].sum())
        assert share * weight >= everywhere(entries[row], text) - 1e-3
        assert share * weight == pytest.approx(distance(entries[row], text[start:end]), abs=1e-3)


@settings(max_examples=50)
@given(st.lists(sounds, min_size=4, max_size=12), st.data())
def test_a_phrase_with_one_sound_left_out_is_found_wherever_it_is_in_a_long_text(entry, data):
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    text = generator.integers(0, len(NAMES), 600).tolist()
    start = data.draw(st.integers(0, 600))
    left_out = data.draw(st.integers(1, len(entry) - 2)) if len(entry) > 4 else 3
    heard = entry[:left_out] + entry[left_out + 1 :]
    index = SoundIndex([tuple(entry), (0, 1, 2)])
    found = [place for place in index.near(sounded(text[:start] + heard + text[start:])) if place.row == 0]
    weights = WEIGHTS[entry]
    assert min(place.distance for place in found) <= weights[left_out] / weights.sum() + 1e-3


@pytest.mark.parametrize("entries", [[], [()], [(), ()], [(3,)]])
@pytest.mark.parametrize("text", [[], [3], [3, 4, 5]])
def test_lists_and_texts_may_be_empty_or_of_one_sound(entries, text):
    index = SoundIndex(entries)
    expected = sum(entry == (3,) for entry in entries) * text.count(3)
    assert len(index.exact(sounded(text))) == expected
    assert index.near(sounded(text)) == []
