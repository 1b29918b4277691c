"""Texts that are drawn by a model's probabilities: what is drawn how often, where they end, and that they repeat."""

import pytest
import torch

from firered.errors import NoNumbersError, OptionError
from firered.search.sampling import SampleConfig, choose, sample

EOS = 3
PROBABILITIES = torch.tensor([0.5, 0.3, 0.2, 0.0])


class Table:
    """A model whose next token depends on the last one alone; counts the rows that are left."""

    def __init__(self, logits, count, utterances):
        self.logits, self.count, self.places = logits, count, list(range(utterances))

    def step(self, tokens):
        assert len(tokens) == len(self.places) * self.count
        return self.logits[tokens]

    def select(self, utterances):
        self.places = [self.places[place] for place in utterances]


def drawn(seeds, limits=(9, 9), count=4, **config):
    torch.manual_seed(5)
    model = Table(torch.randn(5, 5) * 2, count, len(seeds))
    first = torch.zeros(len(seeds), dtype=torch.long)
    return sample(model, limits, SampleConfig(count=count, **config), first=first, eos=EOS, seeds=seeds)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    even = (torch.arange(1000) + 0.5) / 1000
    token, log_prob = choose(PROBABILITIES.log().expand(1000, 4), even, SampleConfig())
    assert torch.bincount(token, minlength=4).tolist() == [500, 300, 200, 0]
    torch.testing.assert_close(log_prob.exp(), PROBABILITIES[token])


def test_top_p_leaves_out_the_unlikely_and_keeps_the_models_own_probabilities():
    even = (torch.arange(800) + 0.5) / 800
    shuffled = PROBABILITIES[[2, 0, 3, 1]]
    token, log_prob = choose(shuffled.log().expand(800, 4), even, SampleConfig(top_p=0.75))
    assert torch.bincount(token, minlength=4).tolist() == [0, 500, 0, 300]
    torch.testing.assert_close(log_prob.exp(), shuffled[token])
    assert set(choose(shuffled.log().expand(800, 4), even, SampleConfig(top_p=0.01))[0].tolist()) == {1}


def test_temperature_divides_logits():
    logits = torch.tensor([[1.0, 0.0]])
    (log_prob,) = choose(logits, torch.tensor([0.0]), SampleConfig(temperature=0.5))[1]
    assert float(log_prob) == pytest.approx(float((logits / 0.5).log_softmax(-1)[0, 0]))


def test_texts_follow_from_the_seed_alone_whatever_is_beside_them():
    both, one = drawn([7, 8]), drawn([8], limits=(9,))
    assert both == drawn([7, 8])
    assert both[1] == one[0]
    assert drawn([9, 8])[0] != both[0]


def test_texts_end_with_the_end_or_at_their_limit():
    limits = [1 + number % 6 for number in range(20)]
    for texts, limit in zip(drawn(list(range(20)), limits=limits), limits, strict=True):
        for text in texts:
            assert text.finished == (text.tokens[-1] == EOS)
            assert EOS not in text.tokens[:-1]
            assert len(text.tokens) == len(text.log_probs)
            assert text.finished or len(text.tokens) == limit


def test_nan_is_an_error():
    with pytest.raises(NoNumbersError):
        choose(torch.tensor([[0.0, torch.nan]]), torch.tensor([0.5]), SampleConfig())


@pytest.mark.parametrize("bad", [{"count": 0}, {"temperature": 0.0}, {"top_p": 0.0}, {"top_p": 1.1}])
def test_bad_settings(bad):
    with pytest.raises(OptionError):
        SampleConfig(**bad)
