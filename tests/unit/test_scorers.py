"""Scorers in both searches: no scorer changes nothing, the order of scorers is free, and a made-up one has its say."""

import itertools

import pytest
import torch
from support.table_model import EOS, SOS, Table, every_sequence, random_logits, score_of

from firered.search.beam import beam_search
from firered.search.config import BeamConfig, GenerateConfig
from firered.search.generate import search as generate
from firered.search.scorers import LmScorer, Mask, Stage, Stateless, penalise_repeats

LENGTH = 4


class Boost(Stateless):
    """Adds the same to one token at every step."""

    def __init__(self, token: int, by: float, vocabulary: int) -> None:
        self._term = torch.zeros(vocabulary).index_fill_(0, torch.tensor(token), by)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._term


class AfterFirst:
    """Boosts whatever token a hypothesis began with; has a state, and nothing to say in the first step."""

    stage = Stage.LOG_PROBS

    def __init__(self, by: float, beams: int, vocabulary: int) -> None:
        self.first: torch.Tensor | None = None
        self.by, self.beams, self.vocabulary, self.begun = by, beams, vocabulary, False

    def step(self, tokens: torch.Tensor) -> torch.Tensor | None:
        if not self.begun:
            self.begun = True
            return None
        if self.first is None:
            self.first = tokens.clone()
        return self.by * torch.nn.functional.one_hot(self.first, self.vocabulary)

    def reorder(self, index: torch.Tensor) -> None:
        self.first = None if self.first is None else self.first[index]

    def select(self, utterances: list[int]) -> None:
        if self.first is not None:
            self.first = self.first.view(-1, self.beams)[utterances].flatten()


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


@SEARCHES
@BEAMS
def test_scorers_that_add_nothing_change_nothing(run, beams):
    logits, limits = random_logits(0, n=4, vocabulary=6), [7, 3, 9, 1]
    scorers = [Boost(3, 0.0, 6), Mask(torch.ones(6, 6, dtype=torch.bool)), AfterFirst(0.0, beams, 6)]
    assert run(logits, limits, scorers, beams) == run(logits, limits, (), beams)


@SEARCHES
@BEAMS
def test_the_order_of_scorers_is_free(run, beams):
    logits, lm = random_logits(1, n=3, vocabulary=6), random_logits(2, n=3, vocabulary=6)
    allowed = torch.ones(6, 6, dtype=torch.bool)
    allowed[:, 4] = False

    def scorers():
        return [
            Boost(3, 1.5, 6),
            LmScorer(Table(lm, beams), 0.4, EOS),
            Mask(allowed),
            AfterFirst(0.7, beams, 6),
        ]

    first = run(logits, [6, 4, 8], scorers(), beams)
    for order in itertools.permutations(range(4)):
        ordered = scorers()
        other = run(logits, [6, 4, 8], [ordered[place] for place in order], beams)
        for ours, theirs in zip(itertools.chain(*other), itertools.chain(*first), strict=True):
            assert ours.tokens == theirs.tokens
            assert ours.score == pytest.approx(theirs.score, abs=1e-4)


@SEARCHES
@BEAMS
@pytest.mark.parametrize("options", [{}, {"eos_penalty": 2.0}, {"temperature": 0.7}])
def test_a_boosted_token_takes_over(run, beams, options):
    if ("eos_penalty" in options) != (run is by_beam) and options:
        pytest.skip("an option of the other search")
    logits = random_logits(3, n=2, vocabulary=6)
    for hypotheses in run(logits, [5, 5], [Boost(3, 50.0, 6)], beams, **options):
        best = hypotheses[0]
        assert best.tokens == (3,) * 5
        assert best.added_score == pytest.approx(5 * 50.0)
        assert best.model_score + best.added_score == pytest.approx(best.score * best.length_factor, abs=1e-3)
    for hypotheses in run(logits, [5, 5], [Boost(EOS, -50.0, 6)], beams, **options):
        assert len(hypotheses[0].tokens) == 5


@SEARCHES
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_with_scorers_is_exhaustive(run, seed):
    """The best of all sequences by the model's and the scorer's sums, found by hand."""
    logits = random_logits(seed)

    def total(tokens):
        boosted = tokens.count(2) + sum(token == tokens[0] for token in tokens[1:])
        return score_of(logits[0], tokens, LENGTH) + 0.8 * boosted

    ranked = sorted(every_sequence(4, LENGTH), key=lambda tokens: -total(tokens))
    (found,) = run(logits, [LENGTH], [Boost(2, 0.8, 4), AfterFirst(0.8, 200, 4)], beams=200)
    assert [hypothesis.tokens for hypothesis in found[:10]] == ranked[:10]
    assert [hypothesis.score for hypothesis in found[:10]] == pytest.approx([total(s) for s in ranked[:10]], abs=1e-4)
    assert all(
        hypothesis.model_score == pytest.approx(score_of(logits[0], hypothesis.tokens, LENGTH), abs=1e-4)
        for hypothesis in found[:10]
    )


@SEARCHES
@BEAMS
def test_scorers_with_a_state_follow_their_hypotheses_in_any_batch(run, beams):
    logits, limits = random_logits(5, n=5, vocabulary=7), [9, 2, 12, 1, 6]
    batched = run(logits, limits, [AfterFirst(1.0, beams, 7)], beams)
    for number, limit in enumerate(limits):
        (single,) = run(logits[number : number + 1], [limit], [AfterFirst(1.0, beams, 7)], beams)
        assert [hypothesis.tokens for hypothesis in single] == [hypothesis.tokens for hypothesis in batched[number]]
        assert [hypothesis.added_score for hypothesis in single] == pytest.approx(
            [hypothesis.added_score for hypothesis in batched[number]], abs=1e-5
        )


@SEARCHES
def test_a_mask_leaves_probabilities_that_sum_to_one(run):
    allowed = torch.zeros(4, 4, dtype=torch.bool)
    allowed[:, 2] = True
    ((best, *_),) = run(random_logits(6), [3], [Mask(allowed)])
    assert best.tokens == (2, 2, 2)
    assert best.probs == pytest.approx((1.0, 1.0, 1.0))
    assert best.added_score == 0.0


def test_without_scorers_nothing_is_added():
    """An empty list costs no operation on the vocabulary: what the model gave goes to the softmax as it is."""
    from firered.search import scorers

    total = scorers.Sum(())
    logits, tokens = torch.randn(3, 4), torch.zeros(3, dtype=torch.long)
    assert total.masked(logits, tokens) is logits
    assert total.added(tokens, logits) is None


def test_repeats_are_less_likely_whatever_their_sign():
    scores = torch.tensor([[1.0, -1.0, 2.0], [1.0, -1.0, 2.0]])
    found = penalise_repeats(scores, torch.tensor([[0, 1], [2, 2]]), 2.0)
    assert found.tolist() == [[0.5, -2.0, 2.0], [1.0, -1.0, 1.0]]
