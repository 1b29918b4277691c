"""Results that are equal but for the last bits of their figures."""

from dataclasses import asdict, is_dataclass

import numpy as np
import pytest


def assert_same(got, expected, abs_=2e-5, place="result"):
    """Assert that texts, tokens and structure are equal and floats differ by `abs_` at most, not rounded before.

    Rounded figures would not do: one that lies on the border of two is rounded either way.
    """
    if is_dataclass(got):
        assert type(got) is type(expected), place
        got, expected = asdict(got), asdict(expected)
    if isinstance(got, dict):
        assert got.keys() == expected.keys(), place
        for key in got:
            assert_same(got[key], expected[key], abs_, f"{place}.{key}")
    elif isinstance(got, list | tuple):
        assert len(got) == len(expected), place
        for number, (item, other) in enumerate(zip(got, expected, strict=True)):
            assert_same(item, other, abs_, f"{place}[{number}]")
    elif isinstance(got, np.ndarray | float):
        assert got == pytest.approx(expected, abs=abs_), place
    else:
        assert got == expected, place
