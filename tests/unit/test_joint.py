"""A CTC head's share in beam search, and its texts judged by a decoder, beside sums over all paths."""

import itertools
import math
from collections import defaultdict

import pytest
import torch
from torch.nn.functional import ctc_loss

from firered.errors import NoNumbersError
from firered.search.beam import beam_search
from firered.search.beams import Hypothesis
from firered.search.config import BeamConfig
from firered.search.ctc import ctc_greedy, ctc_texts
from firered.search.joint import CtcPrefixScorer
from firered.search.rescore import judged_again, rescored

SOS, EOS, BLANK = 3, 4, 0


def log_probs_of(*shape, seed=0, scale=1.5):
    generator = torch.Generator().manual_seed(seed)
    return (scale * torch.randn(*shape, generator=generator)).log_softmax(-1)


def texts_of(log_probs):
    """The probability of each text, over all paths through (T, V)."""
    found = defaultdict(float)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = tuple(token for token, _ in itertools.groupby(path) if token != BLANK)
        found[text] += math.exp(sum(float(log_probs[frame, token]) for frame, token in enumerate(path)))
    return found


def ctc_log_prob(log_probs, tokens):
    target = torch.tensor([tokens], dtype=torch.long)
    sizes = torch.tensor([len(log_probs)]), torch.tensor([len(tokens)])
    return -float(ctc_loss(log_probs.double()[:, None], target, *sizes, reduction="sum"))


class Unsure:
    """A stepper to which all tokens are as likely."""

    def __init__(self, size):
        self.size = size

    def step(self, tokens):
        return torch.zeros(len(tokens), self.size)

    def reorder(self, index):
        pass

    def select(self, utterances):
        pass


class Given(Unsure):
    """A stepper whose logits depend on the last token."""

    def __init__(self, size, seed=0):
        super().__init__(size)
        self.table = 3 * torch.randn(size, size, generator=torch.Generator().manual_seed(seed))

    def step(self, tokens):
        return self.table[tokens]


@pytest.mark.parametrize("seed", range(4))
def test_the_share_of_a_hypothesis_is_the_probability_of_all_texts_that_begin_with_it(seed):
    log_probs = log_probs_of(1, 5, 5, seed=seed)
    texts = texts_of(log_probs[0])
    for text in ((1,), (2, 2), (1, 2, 1), (3, 2), (1, 1, 1)):
        scorer = CtcPrefixScorer(log_probs, torch.tensor([5]), 1, 1.0, eos=EOS)
        total, before = 0.0, SOS
        for token in text:
            ranked = torch.zeros(1, 5)
            ranked[0, token] = 1.0  # so that the head is asked about it
            total += float(scorer.step(torch.tensor([before]), torch.zeros(1, 5), ranked)[0, token])
            before = token
        expected = sum(prob for own, prob in texts.items() if own[: len(text)] == text)
        assert total == pytest.approx(math.log(expected), abs=1e-4)


def test_with_all_the_weight_the_search_finds_the_likeliest_text_of_the_head():
    for seed in range(6):
        log_probs = log_probs_of(1, 5, 5, seed=seed)
        log_probs[..., (SOS, EOS)] = -30.0
        texts = texts_of(log_probs[0])
        scorer = CtcPrefixScorer(log_probs, torch.tensor([5]), 40, 1.0, eos=EOS)
        config = BeamConfig(beam_size=40, nbest=3, length_penalty=0.0, softmax_smoothing=1.0)
        found = beam_search(Unsure(5), torch.tensor([6]), config, sos=SOS, eos=EOS, joint=scorer)[0]
        best = sorted(texts, key=texts.get, reverse=True)[:3]
        assert [own.tokens for own in found] == best
        for own in found:
            assert own.ctc_score == pytest.approx(math.log(texts[own.tokens]), abs=1e-3)
            assert own.model_score == pytest.approx(0.0, abs=1e-3)
            assert own.score == pytest.approx(own.ctc_score + own.model_score, abs=1e-3)


@pytest.mark.parametrize("weight", [0.3, 0.7])
def test_scores_are_the_weighted_sums_of_both(weight):
    log_probs, lengths = log_probs_of(3, 9, 6, seed=3), torch.tensor([9, 4, 7])
    config = BeamConfig(beam_size=4, nbest=4, softmax_smoothing=1.0)
    model = Given(6)
    scorer = CtcPrefixScorer(log_probs, lengths, 4, weight, eos=EOS)
    found = beam_search(model, lengths, config, sos=SOS, eos=EOS, joint=scorer)
    ended = 0
    for own, frames, length in zip(found, log_probs, lengths.tolist(), strict=True):
        for hypothesis in own:
            if not hypothesis.finished:
                continue
            ended += 1
            ids = [SOS, *hypothesis.tokens, EOS]
            attention = sum(float(model.table[a].log_softmax(-1)[b]) for a, b in itertools.pairwise(ids))
            assert hypothesis.model_score == pytest.approx((1 - weight) * attention, abs=1e-3)
            head = ctc_log_prob(frames[:length], hypothesis.tokens)
            assert hypothesis.ctc_score == pytest.approx(weight * head, abs=1e-3)
            total = (hypothesis.model_score + hypothesis.ctc_score) / hypothesis.length_factor
            assert hypothesis.score == pytest.approx(total, abs=1e-4)
    assert ended > 5


def test_utterances_of_a_batch_give_what_they_give_alone():
    log_probs, lengths = log_probs_of(4, 12, 7, seed=5), torch.tensor([12, 3, 8, 1])
    config = BeamConfig(beam_size=3, nbest=3)

    def search(rows):
        frames = lengths[rows]
        scorer = CtcPrefixScorer(log_probs[rows, : int(frames.max())], frames, 3, 0.4, eos=EOS)
        return beam_search(Given(7), frames, config, sos=SOS, eos=EOS, joint=scorer)

    together = search([0, 1, 2, 3])
    for number in range(4):
        (alone,) = search([number])
        assert [own.tokens for own in alone] == [own.tokens for own in together[number]]
        assert [own.score for own in alone] == pytest.approx([own.score for own in together[number]], abs=1e-5)


def test_a_little_weight_gives_what_the_model_gives_alone():
    lengths, config = torch.tensor([8, 5]), BeamConfig(beam_size=3, nbest=3)

    def model():
        made = Given(7, 2)
        made.table[:, BLANK] = -50.0  # which a head never lets through
        return made

    plain = beam_search(model(), lengths, config, sos=SOS, eos=EOS)
    scorer = CtcPrefixScorer(log_probs_of(2, 40, 7), torch.tensor([40, 40]), 3, 1e-9, eos=EOS)
    joint = beam_search(model(), lengths, config, sos=SOS, eos=EOS, joint=scorer)
    for one, other in zip(plain, joint, strict=True):
        assert [own.tokens for own in one] == [own.tokens for own in other]
        assert [own.score for own in one] == pytest.approx([own.score for own in other], abs=1e-4)


def test_long_audio_and_certain_frames_give_numbers():
    log_probs = torch.full((1, 3000, 6), -60.0)
    log_probs[0, :, BLANK] = 0.0
    for place, token in ((10, 1), (1500, 2), (2990, 1)):
        log_probs[0, place] = -60.0
        log_probs[0, place, token] = 0.0
    scorer = CtcPrefixScorer(log_probs, torch.tensor([3000]), 6, 0.9, eos=EOS)  # of all tokens
    config = BeamConfig(beam_size=6, softmax_smoothing=1.0, length_penalty=0.0)
    (found,) = beam_search(Unsure(6), torch.tensor([20]), config, sos=SOS, eos=EOS, joint=scorer)
    assert found[0].tokens == (1, 2, 1)
    assert math.isfinite(found[0].score)


# --- rescoring ---


def texts(*many):
    return [
        Hypothesis(tokens, -1.0 - n, -1.0 - n, 0.25, 1.0, (-0.1,) * len(tokens), True) for n, tokens in enumerate(many)
    ]


def decoder(table):
    return lambda tokens: table[tokens]


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_rescoring_sums_the_decoder_the_weighted_head_and_the_language_model(weight):
    table = 2 * torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    given = texts((1, 2), (1,), (), (5, 5, 2, 1))
    config = BeamConfig(beam_size=4, nbest=4, length_penalty=0.0, softmax_smoothing=1.0)
    found = rescored(given, decoder(table), config, weight, sos=SOS, eos=EOS)
    expected = {}
    for own in given:
        ids = [SOS, *own.tokens, EOS]
        attention = sum(float(table[a].log_softmax(-1)[b]) for a, b in itertools.pairwise(ids))
        expected[own.tokens] = attention + weight * own.model_score + own.added_score
    assert [own.tokens for own in found] == sorted(expected, key=expected.get, reverse=True)
    for own in found:
        assert own.score == pytest.approx(expected[own.tokens], abs=1e-4)
        assert len(own.log_probs) == len(own.tokens)


def test_rescoring_says_that_a_decoder_gives_no_numbers():
    table = torch.full((6, 6), torch.nan)
    with pytest.raises(NoNumbersError):
        rescored(texts((1, 2)), decoder(table), BeamConfig(), 0.3, sos=SOS, eos=EOS)


def test_only_tokens_that_the_head_is_not_sure_of_are_judged_again():
    table = torch.zeros(6, 6)
    table[1, 5], table[1, EOS] = 4.0, 9.0  # behind a 1 the decoder writes 5, or ends, which it may not here
    given = Hypothesis((1, 2, 2), -1.0, -1.0, 0.0, 1.0, (math.log(0.995), math.log(0.5), math.log(0.999)), True)
    config = BeamConfig(softmax_smoothing=1.0)
    found = judged_again(given, decoder(table), 0.99, (BLANK, SOS, EOS), config, sos=SOS)
    assert found.tokens == (1, 5, 2)
    assert found.log_probs[0] == given.log_probs[0]
    assert found.log_probs[1] == pytest.approx(float(table[1].log_softmax(-1)[5]))
    assert judged_again(given, decoder(table), 0.0, (), config, sos=SOS) is given
    everything = judged_again(given, decoder(table), 1.0, (BLANK, SOS, EOS), config, sos=SOS)
    assert everything.tokens[1] == 5


def test_greedy_decoding_has_the_peak_of_each_token():
    log_probs, lengths = log_probs_of(3, 10, 6, seed=9), torch.tensor([10, 6, 1])
    found = ctc_greedy(log_probs, lengths)
    assert [" ".join(map(str, own.tokens)) for own in found] == ctc_texts(
        log_probs, lengths, lambda ids: " ".join(map(str, ids))
    )
    for own, frames, length in zip(found, log_probs, lengths.tolist(), strict=True):
        best = frames[:length].max(-1)
        assert own.score == pytest.approx(float(best.values.sum()), abs=1e-4)
        for token, log_prob in zip(own.tokens, own.log_probs, strict=True):
            assert log_prob in [pytest.approx(float(v)) for v, i in zip(*best, strict=True) if int(i) == token]
