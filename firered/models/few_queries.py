"""Attention of a few queries over many keys, as in a step of decoding."""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.bfloat16 import cpu_has_bfloat16


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """(N, H, B, d_k) from queries (N, H, B, d_k) over keys and values (N, H, T, d_k), in the queries' type.

    Reading keys and values takes the time. On processors that multiply in bfloat16, two products over keys and values
    in bfloat16 take half that of the library's attention, which is made for many queries. The softmax is in float32.

    Args:
        q: queries of the beam's hypotheses.
        k: keys; they may be in bfloat16 where the queries are in float32.
        v: values, likewise.
        bias: to be added to the scores, (N, 1, 1 or B, T); None: nothing.
    """
    # The products would copy keys that are a part of something.
    two = k.device.type == "cpu" and k.dtype == torch.bfloat16 and k.is_contiguous() and v.is_contiguous()
    if not two or not _has_bfloat16():
        return F.scaled_dot_product_attention(q, k, v, bias)
    scores = torch.matmul(q.to(k.dtype), k.transpose(2, 3)).float().mul_(q.shape[-1] ** -0.5)
    if bias is not None:
        scores += bias
    return torch.matmul(scores.softmax(-1).to(v.dtype), v).to(q.dtype)


def cache_dtype(given: torch.dtype, device: torch.device, *, reduced: bool) -> torch.dtype:
    """The type in which keys and values are kept for `attend`.

    Args:
        given: that in which they are computed.
        device: where they are.
        reduced: the model is in int8, so that bfloat16 takes nothing more from it.
    """
    return torch.bfloat16 if reduced and device.type == "cpu" and _has_bfloat16() else given


@cache
def _has_bfloat16() -> bool:
    return cpu_has_bfloat16()
