"""Hotwords in both searches: each step adds what the graph says, the end has the bonus of the phrases in the text."""

import itertools
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.table_model import EOS, SOS, Table, every_sequence, random_logits, score_of

from firered.search.beam import beam_search
from firered.search.config import BeamConfig, GenerateConfig
from firered.search.context_graph import ContextGraph, Phrase
from firered.search.generate import search as generate
from firered.search.hotwords import NOTHING, Hotwords, HotwordScorer
from firered.search.vocabulary import Vocabulary
from firered.text.spelling import spell_phrase

HAN = "语音".encode()
TOKENS = [
    *(None, None, " pan", " ", "da", "pan", " to", "语", "音", "语音", "音o", "'s", "+", " c", "的语", " japan"),
    *(HAN[:2], HAN[2:3], HAN[2:4], HAN[4:]),
]
VOCABULARY = Vocabulary(TOKENS)
PHRASES = ["pan", "Pan To", "语音", "音", "c++", "panda", "OK语音", "to pan"]
TEXTS = st.lists(st.integers(0, len(TOKENS) - 1), max_size=9)
LISTS = st.dictionaries(st.sampled_from(PHRASES), st.sampled_from([0.5, 1.0, 3.0]), max_size=5)


def graph_of(weights, growth=0.0):
    return ContextGraph([Phrase(spell_phrase(text), weight) for text, weight in weights.items()], growth)


@settings(max_examples=400, deadline=None)
@given(LISTS, TEXTS)
def test_each_step_adds_for_every_token_what_the_graph_says(weights, ids):
    hotwords = Hotwords(graph_of(weights), VOCABULARY)
    written = NOTHING
    for token in [*ids, 0]:
        for following, term in enumerate(hotwords.terms(written).tolist()):
            after = hotwords.after(written, following)
            assert term == pytest.approx(after.state.score - written.state.score, abs=1e-5), TOKENS[following]
        written = hotwords.after(written, token)


@settings(max_examples=400, deadline=None)
@given(LISTS, TEXTS)
def test_the_steps_and_the_end_add_up_to_the_bonus_of_the_text(weights, ids):
    graph = graph_of(weights)
    scorer = HotwordScorer([Hotwords(graph, VOCABULARY)], 1)
    total, last = 0.0, 7  # the first token is none of the text
    for token in [*ids, EOS]:
        total += float(scorer.step(torch.tensor([last]))[0, token])
        last = token
    assert total == pytest.approx(graph.bonus(VOCABULARY.spelt(ids)), abs=1e-4)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_tokens_spell_what_their_bytes_do(ids):
    ids = [number for number in ids if TOKENS[number]]
    data = b"".join(token.encode() if isinstance(token, str) else token for token in (TOKENS[n] for n in ids))
    assert VOCABULARY.spelt(ids) == spell_phrase(data.decode("utf-8", "surrogateescape"))


LETTERS = Vocabulary([None, None, "一", "二", "三", "四"])  # of the made-up model below


def by_beam(logits, limits, scorers=(), beams=3, **options):
    config = BeamConfig(
        **{"beam_size": beams, "nbest": beams, "softmax_smoothing": 1.0, "length_penalty": 0.0, **options}
    )
    return beam_search(Table(logits, beams), torch.tensor(limits), config, sos=SOS, eos=EOS, scorers=scorers)


def by_generate(logits, limits, scorers=(), beams=3, **options):
    config = GenerateConfig(beam_size=beams, nbest=beams, **options)
    return generate(Table(logits, beams), torch.tensor(limits), config, first=SOS, eos=EOS, scorers=scorers)


SEARCHES = pytest.mark.parametrize("run", [by_beam, by_generate])
BEAMS = pytest.mark.parametrize("beams", [1, 3])


def hotwords_of(vocabulary=LETTERS, **weights):
    return Hotwords(graph_of(weights), vocabulary)


def bonus_of(hotwords, tokens):
    return hotwords.graph.bonus(LETTERS.spelt(tokens))


@SEARCHES
@BEAMS
def test_no_hotwords_change_nothing(run, beams):
    logits, limits = random_logits(0, n=3, vocabulary=6), [7, 3, 9]
    assert run(logits, limits, [HotwordScorer([None] * 3, beams)], beams) == run(logits, limits, (), beams)


@SEARCHES
@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_texts_with_their_bonus(run, seed):
    length, logits, hotwords = (
        4,
        random_logits(seed),
        hotwords_of(Vocabulary([None, None, "一", "二"]), 一二=2.0, 二二一=4.0, 一=0.3),
    )

    def total(tokens):
        return score_of(logits[0], tokens, length) + bonus_of(hotwords, tokens)

    ranked = sorted(every_sequence(4, length), key=lambda tokens: -total(tokens))
    (found,) = run(logits, [length], [HotwordScorer([hotwords], 200)], beams=200)
    assert [one.tokens for one in found[:10]] == ranked[:10]
    assert [one.score for one in found[:10]] == pytest.approx([total(tokens) for tokens in ranked[:10]], abs=1e-4)


@SEARCHES
@BEAMS
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", [{}, {"eos_penalty": 2.0}, {"temperature": 0.7}])
def test_a_score_is_the_models_and_the_bonus_of_the_phrases_in_the_text(run, beams, seed, options):
    if ("eos_penalty" in options) != (run is by_beam) and options:
        pytest.skip("an option of the other search")
    logits, hotwords = random_logits(seed, n=2, vocabulary=6), hotwords_of(二三四=1.0, 三三=0.7, 二二二二=2.0)
    for hypotheses in run(logits, [6, 4], [HotwordScorer([hotwords] * 2, beams)], beams, **options):
        for one in hypotheses:
            assert one.bonus == pytest.approx(bonus_of(hotwords, one.tokens), abs=1e-4)
            assert one.score * one.length_factor == pytest.approx(one.model_score + one.bonus, abs=1e-4)


@SEARCHES
@BEAMS
def test_a_hotword_changes_the_text_and_no_probability(run, beams):
    logits = random_logits(3, n=1, vocabulary=6)
    (before,) = run(logits, [5], (), beams)
    (after,) = run(logits, [5], [HotwordScorer([hotwords_of(四二四=9.0)], beams)], beams)
    assert bonus_of(hotwords_of(四二四=9.0), before[0].tokens) == 0
    assert after[0].bonus == pytest.approx(27.0, abs=1e-4)
    assert max(after[0].probs) <= 1
    own = score_of(logits[0], after[0].tokens, 5)
    assert after[0].model_score == pytest.approx(own, abs=1e-4)
    history = [SOS, SOS, *after[0].tokens]
    rows = [logits[0, before, last].log_softmax(0) for before, last in itertools.pairwise(history)]
    of_tokens = [float(row[token]) for row, token in zip(rows, after[0].tokens, strict=False)]
    assert after[0].log_probs == pytest.approx(of_tokens, abs=1e-4)


@SEARCHES
@BEAMS
def test_a_batch_of_opposite_lists_equals_single_runs(run, beams):
    logits, limits = random_logits(5, n=6, vocabulary=6), [9, 2, 12, 1, 6, 5]
    lists = [hotwords_of(二三=3.0), None, hotwords_of(三二=3.0), hotwords_of(四四=2.0), hotwords_of(二=-1.0), None]
    batched = run(logits, limits, [HotwordScorer(lists, beams)], beams)
    for number, limit in enumerate(limits):
        (single,) = run(logits[number : number + 1], [limit], [HotwordScorer([lists[number]], beams)], beams)
        assert [one.tokens for one in single] == [one.tokens for one in batched[number]]
        assert [one.score for one in single] == pytest.approx([one.score for one in batched[number]], abs=1e-5)


@SEARCHES
def test_half_a_phrase_at_the_limit_wins_nothing(run):
    """The bonus of what has begun is taken back before hypotheses are ranked for the last time."""
    generator = random.Random(0)
    for _ in range(30):
        logits = random_logits(generator.randrange(10**6), n=1, vocabulary=6)
        length = generator.randint(1, 4)
        (found,) = run(logits, [length], [HotwordScorer([hotwords_of(二二二二二二=8.0)], 3)])
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)
        assert all(one.bonus == pytest.approx(0, abs=1e-4) for one in found)
