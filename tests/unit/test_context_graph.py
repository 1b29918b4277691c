"""The context graph against a plain definition: the best sum of phrases in a text that do not overlap."""

import functools
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.search.context_graph import BEGIN, ContextGraph, Phrase
from firered.text.spelling import spell, spell_phrase

LETTERS = st.text("abc", min_size=1, max_size=5)
LISTS = st.dictionaries(LETTERS, st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=6)


def units(symbols, growth=0.0):
    count = len(symbols) / 3
    return count if count <= 1 else count + growth * (count * math.log(count) - count + 1)


def best_choice(text, weights, growth=0.0):
    """The greatest sum over all ways to choose phrases in a text that do not overlap."""

    @functools.cache
    def best(start):
        if start >= len(text):
            return 0.0
        found = [best(start + 1)]
        for phrase, weight in weights.items():
            if text.startswith(phrase, start):
                found.append(weight * units(phrase, growth) + best(start + len(phrase)))
        return max(found)

    return best(0)


def graph_of(weights, growth=0.0):
    return ContextGraph([Phrase(*item) for item in weights.items()], growth)


def test_every_text_of_up_to_six_letters_has_the_bonus_of_its_phrases():
    weights = {"ab": 1.0, "abc": 3.0, "b": 0.5, "bca": 2.0, "cc": 1.0}
    graph = graph_of(weights)
    texts = ["".join(letters) for length in range(7) for letters in itertools.product("abc", repeat=length)]
    assert len(texts) == 1093
    for text in texts:
        assert graph.bonus(text) == pytest.approx(best_choice(text, weights)), text


@settings(max_examples=300, deadline=None)
@given(LISTS, st.text("abc", max_size=14), st.sampled_from([0.0, 0.7]))
def test_a_text_has_the_bonus_of_the_phrases_in_it(weights, text, growth):
    assert graph_of(weights, growth).bonus(text) == pytest.approx(best_choice(text, weights, growth))


@settings(max_examples=200, deadline=None)
@given(LISTS, st.text("abc", max_size=10), st.randoms())
def test_the_order_of_the_list_is_free(weights, text, random):
    shuffled = list(weights.items())
    random.shuffle(shuffled)
    assert graph_of(dict(shuffled)).bonus(text) == graph_of(weights).bonus(text)


@settings(max_examples=200, deadline=None)
@given(LISTS, st.text("abc", max_size=10))
def test_a_text_without_a_phrase_ends_with_nothing(weights, text):
    if not any(phrase in text for phrase in weights):
        assert graph_of(weights).bonus(text) == 0


@settings(max_examples=200, deadline=None)
@given(LISTS, st.text("abc", max_size=10), st.integers(0, 10))
def test_it_is_the_same_however_the_text_is_cut(weights, text, place):
    graph = graph_of(weights)
    assert graph.advance(graph.advance(BEGIN, text[:place]), text[place:]) == graph.advance(BEGIN, text)


def test_a_phrase_earns_while_it_grows_and_loses_all_where_it_breaks_off():
    graph = graph_of({"abcabc": 3.0})
    scores = [graph.advance(BEGIN, "abcabc"[:length]).score for length in range(7)]
    assert scores == pytest.approx([0, 1, 2, 3, 4, 5, 6])
    broken = graph.advance(BEGIN, "abcab" + "b")
    assert (broken.score, broken.bonus) == (0, 0)
    assert graph.advance(BEGIN, "ab" + "abc").score == pytest.approx(3)  # it has begun again with the third letter
    assert graph.advance(BEGIN, "abcabc" + "a").score == pytest.approx(7)


def test_a_phrase_counts_once_where_two_overlap():
    graph = graph_of({"abc": 1.0, "cab": 1.0})
    assert graph.bonus("abcab") == pytest.approx(1.0)
    assert graph.bonus("abccab") == pytest.approx(2.0)


def test_of_a_phrase_listed_twice_the_greater_weight_counts():
    for order in ([1.0, 2.0], [2.0, 1.0]):
        assert ContextGraph([Phrase("ab", weight) for weight in order]).bonus("ab") == pytest.approx(4 / 3)


def test_an_empty_graph_gives_nothing():
    assert ContextGraph([]).bonus("abc") == 0
    assert ContextGraph([Phrase("", 3.0)]).bonus("abc") == 0


def test_words_are_found_whole_and_in_any_case():
    graph = ContextGraph([Phrase(spell_phrase(text), 1.0) for text in ("Pan", "Pan To", "语音")])

    def bonus(text):
        symbols, in_word = spell(text)
        return graph.bonus(symbols + "\x02" * in_word)

    assert bonus("PAN") == bonus("a pan") == bonus("我的pan呢") == pytest.approx(1)
    assert bonus("panda") == bonus("japan") == bonus("PAN'S") == 0
    assert bonus("pan to me") == pytest.approx(5 / 3)
    assert bonus("学习语音") == pytest.approx(2)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("aB '·语音é１+-"), max_size=8), st.integers(0, 20))
def test_a_text_is_spelt_the_same_in_pieces_of_its_bytes(text, place):
    data = text.encode()
    first, in_word = spell(data[:place].decode("utf-8", "surrogateescape"))
    second, _ = spell(data[place:].decode("utf-8", "surrogateescape"), in_word)
    whole = spell(text)[0]
    if not set(text) & set("１é"):  # of which half is no character whose width or case could be another
        assert first + second == whole
