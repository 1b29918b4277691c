"""The confidence of an utterance from those of its tokens."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered.asr.confidence import KINDS, confidence

PROBS = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40)


@pytest.mark.parametrize("kind", KINDS)
def test_without_tokens_there_is_none(kind):
    assert confidence((), kind) == 0.0
    assert confidence([0.7], kind) == pytest.approx(0.7)


def test_the_means():
    assert confidence([0.9, 0.4], "mean") == pytest.approx(0.65)
    assert confidence([0.9, 0.4], "geometric") == pytest.approx(0.6)
    assert confidence([0.9, 0.4], "trimmed") == pytest.approx(0.6)  # of two neither is an outlier


def test_outliers_are_left_out_and_the_rest_is_clipped():
    assert confidence([0.9] * 9 + [0.05], "trimmed") == pytest.approx(0.9)
    assert confidence([0.9] * 9 + [0.05], "geometric") == pytest.approx((0.9**9 * 0.05) ** 0.1)
    assert confidence([1.5, 1e-9, 0.5], "trimmed") == pytest.approx((1 * 0.01 * 0.5) ** (1 / 3))
    # two standard deviations: of five equal ones and another, that one is sqrt(5) away
    assert confidence([0.8] * 5 + [0.2], "trimmed") == pytest.approx(0.8)
    assert confidence([0.8] * 4 + [0.2], "trimmed") == pytest.approx((0.8**4 * 0.2) ** 0.2)


@given(PROBS)
def test_they_are_probabilities_within_the_tokens(probs):
    found = {kind: confidence(probs, kind) for kind in KINDS}
    assert found["geometric"] <= found["mean"] + 1e-12
    for kind in ("mean", "geometric"):
        assert min(probs) - 1e-9 <= found[kind] <= max(probs) + 1e-9
    clipped = [min(max(prob, 0.01), 1.0) for prob in probs]
    assert min(clipped) - 1e-9 <= found["trimmed"] <= max(clipped) + 1e-9
    assert not any(map(math.isnan, found.values()))
