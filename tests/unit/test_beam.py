"""Beam search on made-up models: against greedy, exhaustive search, and each published rule by hand."""

import pytest
import torch
from support.table_model import EOS, SOS, Table, every_sequence, random_logits, score_of

from firered.errors import OptionError
from firered.search.beam import beam_search
from firered.search.config import BeamConfig
from firered.search.scorers import LmScorer


def search(
    logits: torch.Tensor,
    max_len: int | list[int],
    lm: torch.Tensor | None = None,
    weight: float = 0.0,
    **options: object,
) -> list:
    config = BeamConfig(**{"beam_size": 3, "softmax_smoothing": 1.0, "length_penalty": 0.0, **options})
    limits = torch.tensor([max_len] * len(logits) if isinstance(max_len, int) else max_len)
    scorers = [LmScorer(Table(lm, config.beam_size), weight, EOS)] if lm is not None else []
    return beam_search(Table(logits, config.beam_size), limits, config, sos=SOS, eos=EOS, scorers=scorers)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.5])
def test_a_wide_beam_is_exhaustive(seed, penalty):
    logits, length = random_logits(seed), 4
    ranked = sorted(
        every_sequence(4, length),
        key=lambda s: -score_of(logits[0], s, length) / ((6 + len(s)) / 6) ** penalty,
    )
    (found,) = search(logits, length, beam_size=200, nbest=200, length_penalty=penalty)
    assert len(found) == len(ranked) == sum(3**n for n in range(5))
    for hypothesis, expected in zip(found[:20], ranked[:20], strict=True):
        total = score_of(logits[0], expected, length)
        assert hypothesis.score == pytest.approx(total / ((6 + len(expected)) / 6) ** penalty, abs=1e-4)
    assert found[0].tokens == ranked[0]
    assert {h.tokens for h in found} == set(ranked)


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_greedy(seed):
    logits = random_logits(seed, vocabulary=6)
    tokens, before, last = [], SOS, SOS
    while len(tokens) < 12 and (token := int(logits[0, before, last].argmax())) != EOS:
        tokens.append(token)
        before, last = last, token
    ((found,),) = search(logits, 12, beam_size=1)
    assert found.tokens == tuple(tokens)


def test_a_batch_gives_what_each_gives_alone_and_shrinks():
    logits = random_logits(1, n=5, vocabulary=7)
    limits = [9, 2, 30, 1, 14]
    batched = search(logits, limits, nbest=3)
    for n, limit in enumerate(limits):
        (single,) = search(logits[n : n + 1], limit, nbest=3)
        assert [h.tokens for h in single] == [h.tokens for h in batched[n]]
        assert all(len(h.tokens) <= limit for h in single)
    table = Table(logits, 3)
    beam_search(table, torch.tensor(limits), BeamConfig(), sos=SOS, eos=EOS)
    assert table.widths[0] == 15
    assert sorted(table.widths, reverse=True) == table.widths
    assert table.widths[-1] < 15


def one_step(logits: list[float], **options: object) -> dict[tuple[int, ...], object]:
    """Hypotheses of a search of one step, by their tokens."""
    table = torch.tensor(logits).expand(1, len(logits), len(logits), len(logits))
    (found,) = search(table, 1, beam_size=len(logits), nbest=len(logits), **options)
    return {h.tokens: h for h in found}


def test_smoothing_and_eos_penalty():
    logits = [0.0, 1.0, 2.0]
    log_probs = (torch.tensor(logits) / 1.25).log_softmax(0).tolist()
    found = one_step(logits, softmax_smoothing=1.25, eos_penalty=2.0)
    assert found[()].score == pytest.approx(2.0 * log_probs[EOS], abs=1e-6)  # multiplied, not added
    assert found[(2,)].score == pytest.approx(log_probs[2], abs=1e-6)


def test_length_penalty_counts_the_sos():
    found = one_step([0.0, 1.0, 2.0], length_penalty=0.6)
    plain = one_step([0.0, 1.0, 2.0])
    assert found[()].score == pytest.approx(plain[()].score / ((5 + 1) / 6) ** 0.6)
    assert found[(2,)].score == pytest.approx(plain[(2,)].score / ((5 + 2) / 6) ** 0.6)
    assert found[(2,)].length_factor == pytest.approx((7 / 6) ** 0.6)


def test_external_lm():
    logits, lm = [0.0, 1.0, 2.0], [1.0, 0.5, -1.0]
    share = torch.tensor(lm).log_softmax(0)
    share[EOS] *= 3
    expected = torch.tensor(logits).log_softmax(0) + 0.3 * share
    table = torch.tensor(lm).expand(1, 3, 3, 3)
    found = {
        h.tokens: h
        for h in search(torch.tensor(logits).expand(1, 3, 3, 3), 1, table, beam_size=3, nbest=3, weight=0.3)[0]
    }
    for tokens, token in (((), EOS), ((2,), 2), ((0,), 0)):
        assert found[tokens].score == pytest.approx(float(expected[token]), abs=1e-6)
        assert found[tokens].added_score == pytest.approx(0.3 * float(share[token]), abs=1e-6)
        assert found[tokens].model_score + found[tokens].added_score == pytest.approx(found[tokens].score, abs=1e-6)


def test_a_finished_hypothesis_costs_nothing_more():
    # utterance ends immediately with near certainty; the other beams continue to the limit
    logits = torch.zeros(1, 4, 4, 4)
    logits[0, SOS, SOS] = torch.tensor([-9.0, 9.0, 0.0, 0.0])
    (found,) = search(logits, 6, nbest=3)
    assert found[0].tokens == ()
    assert found[0].finished
    assert found[0].score == pytest.approx(float(logits[0, SOS, SOS].log_softmax(0)[EOS]), abs=1e-5)


def test_confidences():
    logits = random_logits(3, vocabulary=5)
    logits[..., EOS] -= 3  # not the empty one
    ((best,),) = search(logits, 8)
    assert len(best.tokens) > 2
    probs, before, last = [], SOS, SOS
    for token in best.tokens:
        probs.append(float(logits[0, before, last].softmax(0)[token]))
        before, last = last, token
    assert list(best.probs) == pytest.approx(probs, abs=1e-5)
    assert best.confidence == pytest.approx(sum(probs) / len(probs), abs=1e-5)


def test_an_empty_hypothesis_has_confidence_zero():
    found = one_step([0.0, 9.0, 0.0])
    assert found[()].confidence == 0.0


def test_more_hypotheses_than_the_beam_are_refused():
    with pytest.raises(OptionError, match="nbest"):
        BeamConfig(beam_size=2, nbest=3)
