"""Products in 8 bits: equal to whole numbers multiplied exactly, on every kernel, and each row by itself."""

import os
import subprocess
import sys

import pytest
import torch

from firered.models import int8_products
from firered.models.int8 import Int8Weight
from firered.models.int8_products import FewRows, ManyRows, product_of
from firered.models.processor import cpu_flags
from firered.models.rows import Rows

HAS_VNNI = not cpu_flags().isdisjoint({"avx512_vnni", "avx_vnni"})
needs_vnni = pytest.mark.skipif(not HAS_VNNI, reason="this processor has no VNNI")


def exact(rows: torch.Tensor, weight: Rows, bias: torch.Tensor | None, steps: int = 127) -> torch.Tensor:
    """The product in double precision of what is quantised."""
    scales = rows.abs().amax(1, keepdim=True).clamp(min=1e-20) / steps
    values = (rows / scales).round().clamp(-steps - 1, steps).double()
    y = values @ weight.values.double().T * weight.scales * scales.double()
    return y if bias is None else y + bias


def layer(inputs: int = 96, outputs: int = 160) -> tuple[Rows, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return Rows.of(torch.randn(outputs, inputs, generator=generator)), torch.randn(outputs, generator=generator)


def given(count: int, inputs: int = 96) -> torch.Tensor:
    """Rows of very different size, one of zeros."""
    rows = torch.randn(count, inputs, generator=torch.Generator().manual_seed(1))
    rows *= torch.logspace(-6, 6, count)[:, None]
    if count > 1:
        rows[count // 2] = 0
    return rows


@needs_vnni
@pytest.mark.parametrize("kernel", [FewRows, ManyRows])
@pytest.mark.parametrize("count", [1, 3, 40, 512, 513, 1100])
@pytest.mark.parametrize("with_bias", [True, False])
def test_the_product_is_that_of_the_whole_numbers(kernel, count, with_bias):
    weight, bias = layer()
    rows, bias = given(count), bias if with_bias else None
    y, oracle = kernel(weight, bias)(rows), exact(rows, weight, bias)
    # A number that lies in the middle of two whole ones may be rounded to either: one step of one input.
    step = rows.abs().amax(1, keepdim=True) / 127 * weight.scales * 127
    assert (y - oracle).abs().le(1.01 * step + 1e-5 * oracle.abs() + 1e-6).all()
    assert float((y - oracle).norm() / oracle.norm()) < 1e-3


@needs_vnni
@pytest.mark.parametrize("kernel", [FewRows, ManyRows])
def test_no_row_depends_on_the_others(kernel):
    product, rows = kernel(*layer()), given(1100)
    whole = product(rows)
    for first, size in ((0, 1), (7, 3), (500, 40), (511, 589)):
        assert torch.equal(product(rows[first : first + size]), whole[first : first + size])


@needs_vnni
def test_the_largest_numbers_do_not_overflow():
    weight = Rows.of(torch.ones(64, 4096))
    for kernel in (FewRows, ManyRows):
        assert torch.allclose(kernel(weight, None)(torch.ones(5, 4096)), torch.full((5, 64), 4096.0))


def test_without_vnni_activations_have_seven_bits(monkeypatch):
    monkeypatch.setattr(int8_products, "cpu_flags", lambda: frozenset({"avx2", "fma"}))
    weight, bias = layer()
    product = product_of(weight, bias, many_rows=True)
    assert isinstance(product, FewRows)
    rows = given(40)
    y, oracle = product(rows), exact(rows, weight, bias, steps=63)
    assert float((y - oracle).norm() / oracle.norm()) < 2e-3
    # In 16 bits, sums of two products overflow from 32,768 on: 2 * 255 * 127 would, 2 * 127 * 127 does not.
    assert 2 * (2 * 63 + 1) * 127 < 2**15
    ones = product_of(Rows.of(torch.ones(64, 4096)), None, many_rows=True)
    assert torch.allclose(ones(torch.ones(5, 4096)), torch.full((5, 64), 4096.0), rtol=1e-4)


LIMITED = """
import torch
from firered.models import int8_products
from firered.models.rows import Rows
assert torch.backends.cpu.get_cpu_capability() == "AVX2"
int8_products.cpu_flags = lambda: frozenset({"avx2", "fma"})
torch.manual_seed(0)
weight, rows = torch.randn(160, 96), torch.randn(600, 96)
product = int8_products.product_of(Rows.of(weight), None, many_rows=True)
exact = rows @ weight.T
assert (product(rows) - exact).norm() / exact.norm() < 0.03
assert torch.equal(product(rows)[5:9], product(rows[5:9]))
"""


@pytest.mark.skipif("avx2" not in cpu_flags(), reason="a processor with AVX2 is needed")
def test_it_is_right_on_a_processor_with_no_more_than_avx2():
    limits = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    subprocess.run([sys.executable, "-c", LIMITED], check=True, env=os.environ | limits)


@needs_vnni
def test_encoders_get_the_kernel_for_many_rows():
    weight, bias = layer()
    assert isinstance(Int8Weight(weight, bias, many_rows=True)._product, ManyRows)
    assert isinstance(Int8Weight(weight, bias)._product, FewRows)
