"""The prefix beam search of a CTC head, against the sum over all paths, alone, with hotwords and a language model."""

import itertools
import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.errors import NoNumbersError, OptionError
from firered.models.lstm_lm import LstmLm, LstmLmConfig
from firered.search.config import CtcPrefixConfig
from firered.search.context_graph import ContextGraph, Phrase
from firered.search.ctc import ctc_texts
from firered.search.ctc_prefix import CtcPrefixSearch, ctc_prefix_search
from firered.search.hotwords import Hotwords
from firered.search.prefix_scorers import HotwordPrefixes, LmPrefixes
from firered.search.vocabulary import Vocabulary
from firered.text.spelling import spell_phrase

LETTERS = Vocabulary([None, "一", "二", "三"])
WIDE = CtcPrefixConfig(beam_size=400, nbest=400)
SEEDS = st.integers(0, 10**6)


def random_frames(seed, *shape, spread=2.0):
    generator = torch.Generator().manual_seed(seed)
    return (spread * torch.randn(*shape, generator=generator, dtype=torch.float64)).log_softmax(-1)


def peaky_frames(seed, n, frames, size):
    """Frames of which most are the blank's, as trained heads give them."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, frames, size, generator=generator)
    label = torch.randint(1, size, (n, frames), generator=generator)
    label[torch.rand(n, frames, generator=generator) < 0.7] = 0
    return logits.scatter_add(2, label[..., None], torch.full((n, frames, 1), 12.0)).log_softmax(-1)


def by_all_paths(log_probs, blank=0):
    """The log-probability and the likeliest path's of every text that (T, V) can be read as."""
    sums, best = defaultdict(float), defaultdict(lambda: -math.inf)
    frames = log_probs.tolist()
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(frames)):
        total = sum(frame[label] for frame, label in zip(frames, path, strict=True))
        text = tuple(label for label, _ in itertools.groupby(path) if label != blank)
        sums[text] += math.exp(total)
        best[text] = max(best[text], total)
    return {text: math.log(total) for text, total in sums.items() if total > 0}, best


def hotwords_of(growth=0.0, vocabulary=LETTERS, **weights):
    phrases = [Phrase(spell_phrase(text), weight) for text, weight in weights.items()]
    return Hotwords(ContextGraph(phrases, growth), vocabulary)


def bonus_of(hotwords, tokens):
    return hotwords.graph.bonus(hotwords.vocabulary.spelt(tokens))


def texts_of(found):
    return [one.tokens for one in found]


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(0, 5), st.integers(0, 3))
def test_a_wide_beam_gives_every_text_its_probability_and_its_place(seed, frames, blank):
    log_probs = random_frames(seed, frames, 4)
    sums, best = by_all_paths(log_probs, blank)
    (found,) = ctc_prefix_search(log_probs[None], [frames], WIDE, blank=blank)
    assert texts_of(found) == sorted(sums, key=lambda text: -sums[text])
    assert sum(math.exp(one.ctc_score) for one in found) == pytest.approx(1)
    for one in found:
        assert blank not in one.tokens
        assert one.score == one.ctc_score == pytest.approx(sums[one.tokens], abs=1e-9)
        assert one.path_score == pytest.approx(best[one.tokens], abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 5), st.integers(1, 2))
def test_tokens_that_are_not_among_the_likeliest_of_a_frame_count_as_impossible(seed, frames, count):
    log_probs = random_frames(seed, frames, 4)
    pruned = log_probs.clone()
    for row in pruned:
        row[1:][row[1:] < row[1:].topk(count).values[-1]] = -torch.inf
    sums, _ = by_all_paths(pruned)
    (found,) = ctc_prefix_search(log_probs[None], [frames], CtcPrefixConfig(400, 400, count))
    assert {one.tokens: one.ctc_score for one in found} == pytest.approx(sums)


@settings(max_examples=25, deadline=None)
@given(
    SEEDS,
    st.dictionaries(st.sampled_from(["一", "一二", "二一二", "三三", "二二二二二"]), st.sampled_from([-1.0, 0.5, 2.0])),
    st.sampled_from([0.0, 0.7]),
)
def test_hotwords_change_the_place_of_a_text_and_no_probability(seed, weights, growth):
    log_probs = random_frames(seed, 5, 4)
    hotwords = hotwords_of(growth, **weights)
    sums, _ = by_all_paths(log_probs)
    (found,) = ctc_prefix_search(log_probs[None], [5], WIDE, hotwords=[hotwords])
    for one in found:
        assert one.ctc_score == pytest.approx(sums[one.tokens], abs=1e-9)
        assert one.bonus == pytest.approx(bonus_of(hotwords, one.tokens), abs=1e-9)
        assert one.score == one.ctc_score
    ranks = [one.score + one.bonus for one in found]
    assert ranks == sorted(ranks, reverse=True)
    assert len(found) == len(sums)


def shortened(path):
    return tuple(label for label, _ in itertools.groupby(path) if label >= 0)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 12), st.integers(1, 6))
def test_the_frames_of_the_tokens_are_those_of_the_likeliest_path(seed, frames, beams):
    log_probs = random_frames(seed, frames, 5, spread=3.0)
    for one in ctc_prefix_search(log_probs[None], [frames], CtcPrefixConfig(beams, beams))[0]:
        path = [-1] * frames
        for token, (start, end) in zip(one.tokens, one.spans, strict=True):
            assert path[start:end] == [-1] * (end - start) != []
            path[start:end] = [token] * (end - start)
        assert shortened(path) == one.tokens
        along = sum(float(log_probs[number, max(label, 0)]) for number, label in enumerate(path))
        assert along == pytest.approx(one.path_score)
        assert along <= one.ctc_score + 1e-9
        peaks = [
            float(log_probs[start:end, token].max()) for token, (start, end) in zip(one.tokens, one.spans, strict=True)
        ]
        assert one.log_probs == pytest.approx(peaks)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_a_beam_of_one_reads_clear_frames_as_greedy_decoding_does(seed):
    log_probs = peaky_frames(seed, 2, 40, 30)
    lengths = [40, 25]
    greedy = ctc_texts(log_probs, torch.tensor(lengths), tuple)
    for beams in (1, 10):
        assert [own[0].tokens for own in ctc_prefix_search(log_probs, lengths, CtcPrefixConfig(beams))] == greedy


def test_a_text_of_several_paths_wins_over_the_likeliest_path():
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    (found,) = ctc_prefix_search(log_probs, [2], CtcPrefixConfig(nbest=2))
    assert texts_of(found) == [(1,), ()]
    assert [math.exp(one.score) for one in found] == pytest.approx([0.64, 0.36])


def same(one, other):
    assert texts_of(one) == texts_of(other)
    assert one == other  # to the last bit


@pytest.mark.parametrize("with_hotwords", [False, True])
def test_a_second_half_a_minute_and_silence_are_the_same_in_one_batch_and_alone(with_hotwords):
    lengths = [25, 750, 0, 60, 1]
    log_probs = peaky_frames(1, 5, 750, 4)
    log_probs[3] = torch.tensor([0.999, 4e-4, 3e-4, 3e-4]).log()  # silence
    log_probs[0, 25:] = torch.nan  # behind an utterance's end nothing is looked at
    lists = [hotwords_of(一二=2.0), hotwords_of(二一=2.0, 三三三=1.0), hotwords_of(一=1.0), hotwords_of(一=1.0), None]
    config = CtcPrefixConfig(nbest=10)
    batch = ctc_prefix_search(log_probs, lengths, config, hotwords=lists if with_hotwords else ())
    for number, length in enumerate(lengths):
        own = [lists[number]] if with_hotwords else ()
        part = log_probs[number : number + 1, :length]
        same(ctc_prefix_search(part, [length], config, hotwords=own)[0], batch[number])
    assert (batch[2][0].tokens, batch[2][0].score) == ((), 0)
    assert batch[3][0].tokens == ()


def test_opposite_lists_in_one_batch_do_not_meet():
    log_probs = torch.tensor([[0.2, 0.41, 0.39, 0.0], [0.9, 0.04, 0.03, 0.03]]).log()[None].expand(4, -1, -1)
    lists = [hotwords_of(二=1.0), None, hotwords_of(一=1.0), hotwords_of(三=1.0)]
    found = ctc_prefix_search(log_probs, [2] * 4, hotwords=lists)
    assert [own[0].tokens for own in found] == [(2,), (1,), (1,), (1,)]


def test_lists_without_a_match_and_empty_ones_change_nothing():
    log_probs, config = random_frames(4, 3, 20, 4), CtcPrefixConfig(nbest=10)
    plain = ctc_prefix_search(log_probs, [20, 7, 12], config)
    assert ctc_prefix_search(log_probs, [20, 7, 12], config, hotwords=[None] * 3) == plain
    other = hotwords_of(四五=9.0)
    assert ctc_prefix_search(log_probs, [20, 7, 12], config, hotwords=[other, None, hotwords_of()]) == plain


def test_half_a_phrase_at_the_end_wins_nothing():
    for seed in range(30):
        log_probs = random_frames(seed, 1, 6, 4)
        (found,) = ctc_prefix_search(
            log_probs, [6], CtcPrefixConfig(nbest=10), hotwords=[hotwords_of(二二二二二二二=8.0)]
        )
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)
        assert all(one.bonus == pytest.approx(0, abs=1e-9) for one in found)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(2, 5))
def test_every_step_adds_what_the_graph_says_also_when_few_states_are_kept(seed, beams):
    """The bonus that ranks is that of each text, whatever was forgotten and made again."""
    hotwords = hotwords_of(一二三=1.0, 二二=0.5, 三一=2.0, 一二一二=1.5)
    scorer = HotwordPrefixes([hotwords, None], beams)
    scorer._most = 3
    texts = [[()] * beams, [()] * beams]
    generator = torch.Generator().manual_seed(seed)
    for _ in range(12):
        source = torch.randint(beams, (2, beams), generator=generator).numpy()
        tokens = torch.randint(1, 4, (2, beams), generator=generator).numpy()
        grown = (torch.rand(2, beams, generator=generator) < 0.5).numpy()
        before, terms = scorer.totals.copy(), scorer.terms(tokens)
        scorer.advance(source, tokens, grown)
        for place in range(2):
            texts[place] = [
                texts[place][source[place, b]] + ((int(tokens[place, b]),) if grown[place, b] else ())
                for b in range(beams)
            ]
            for b in range(beams):
                expected = before[place, source[place, b]] + grown[place, b] * terms[place, source[place, b], b]
                assert scorer.totals[place, b] == pytest.approx(expected, abs=1e-4)
    assert scorer.ended()[0] == pytest.approx([bonus_of(hotwords, text) for text in texts[0]], abs=1e-9)
    assert not scorer.ended()[1].any()


def small_lm(size=6):
    torch.manual_seed(0)
    lm = LstmLm(LstmLmConfig(size, size, 8, 8, 2)).eval()
    for part in lm.parameters():
        part.data.normal_(0, 0.8)
    return lm


@torch.inference_mode()
def lm_score(lm, tokens):
    rows = lm(torch.tensor([[3, *tokens]]))[0].log_softmax(-1)
    return sum(float(row[token]) for row, token in zip(rows, [*tokens, 4], strict=True))


@pytest.mark.parametrize("beams", [400, 5])
def test_a_language_model_is_added_to_whole_texts(beams):
    lm, log_probs = small_lm(), random_frames(9, 2, 4, 6)
    log_probs[:, :, 2:5] = -torch.inf  # no text has the special tokens
    scorer = LmPrefixes(lm, 0.7, 2, beams, sos=3, eos=4, device=torch.device("cpu"))
    both = ctc_prefix_search(log_probs, [4, 3], CtcPrefixConfig(beams, beams), scorers=[scorer])
    for number, found in enumerate(both):
        sums, _ = by_all_paths(log_probs[number, : 4 - number])
        for one in found:
            assert one.added_score == pytest.approx(0.7 * lm_score(lm, one.tokens), abs=1e-4)
            assert beams < 400 or one.ctc_score == pytest.approx(sums[one.tokens], abs=1e-9)
        ranks = [one.score for one in found]
        assert ranks == sorted(ranks, reverse=True)
        assert beams < 400 or len(found) == len(sums)


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.lists(st.integers(0, 9), max_size=8), st.integers(1, 6))
def test_frames_piece_by_piece_give_what_all_at_once_give(seed, pieces, beams):
    """At every place in between, too, whether the likeliest text alone is asked for or all; with hotwords and an LM."""
    log_probs, config = peaky_frames(seed, 1, sum(pieces), 6), CtcPrefixConfig(beams, beams, 3)
    vocabulary = Vocabulary([None, "一", "二", "三", None, None])
    hotwords = [hotwords_of(vocabulary=vocabulary, 一=2.0, 二三=1.0)]

    def scorers():
        return [LmPrefixes(small_lm(), 0.3, 1, beams, sos=3, eos=4, device=torch.device("cpu"))]

    search = CtcPrefixSearch(1, config, hotwords=hotwords, scorers=scorers())
    done = 0
    for size in pieces:
        search.advance(log_probs[:, done : done + size], [size])
        done += size
        whole = ctc_prefix_search(log_probs[:, :done], [done], config, hotwords=hotwords, scorers=scorers())
        assert search.best(1)[0] == whole[0][:1]
        assert search.best(beams) == whole


def test_what_is_no_number_is_an_error():
    log_probs = random_frames(0, 2, 5, 4)
    log_probs[1, 3, 2] = torch.nan
    with pytest.raises(NoNumbersError):
        ctc_prefix_search(log_probs, [5, 4])
    assert len(ctc_prefix_search(log_probs, [5, 3])) == 2


def test_sizes_that_do_not_fit_are_errors():
    log_probs = random_frames(0, 2, 5, 4)
    for lengths, lists in (([5], ()), ([5, 6], ()), ([5, 5], [None])):
        with pytest.raises(ValueError, match=r"fit|outside"):
            ctc_prefix_search(log_probs, lengths, hotwords=lists)
    with pytest.raises(OptionError, match="tokens_per_frame"):
        CtcPrefixConfig(tokens_per_frame=0)
    assert ctc_prefix_search(log_probs[:0], []) == []


def test_half_precision_and_a_beam_wider_than_the_texts_are_taken():
    log_probs = random_frames(2, 1, 3, 2).to(torch.float16)
    (found,) = ctc_prefix_search(log_probs, [3], CtcPrefixConfig(50, 50, 50))
    assert set(texts_of(found)) == {(), (1,), (1, 1)}
