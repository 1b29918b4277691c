"""The loss of Best-RQ pre-training: the codes of what was hidden (Chiu et al., ICML 2022, arXiv 2202.01855)."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.best_rq import BestRq
from firered.models.frame_encoder import SUBSAMPLING
from firered.train.objectives.objective import BatchLoss, Objective

NOISE = 0.1  # deviation of what stands in the place of hidden frames, whose own is 1 on average
_DEV_SEED = 1  # of the noise in evaluation
_CODES = "codes of book "


class BestRqObjective(Objective[BestRq]):
    """Cross-entropy of the codes at the hidden places, the mean over the codebooks."""

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over hidden encoder frames."""
        feats, lengths, masked = (tensors[name] for name in ("feats", "lengths", "masked"))
        logits = self.model(self.hidden(feats, masked), lengths, masked).float()  # (M, books, codes)
        codes = self.model.codes(feats, lengths, masked)  # (M, books)
        books = codes.shape[1]
        loss = F.cross_entropy(logits.flatten(0, 1), codes.flatten(), reduction="sum") / books
        right = (logits.detach().argmax(-1) == codes).sum() / books
        used = [torch.bincount(own, minlength=logits.shape[-1]) for own in codes.t()]
        counts = {"right": right, "masked": masked.sum(), "frames": (lengths // SUBSAMPLING).sum()}
        return BatchLoss(loss, counts | {f"{_CODES}{book}": own for book, own in enumerate(used)})

    def hidden(self, feats: Tensor, masked: Tensor) -> Tensor:
        """Features (N, T, idim) with noise where `masked` (N, T // 4) says so; in evaluation always the same noise."""
        generator = None if self.training else torch.Generator().manual_seed(_DEV_SEED)
        noise = NOISE * torch.randn(feats.shape, generator=generator).to(feats)
        frames = masked.repeat_interleave(SUBSAMPLING, 1)  # (N, T or up to 3 less)
        frames = F.pad(frames, (0, feats.shape[1] - frames.shape[1]))
        return torch.where(frames[:, :, None], noise, feats)

    @property
    def width(self) -> int:
        """The encoder's width."""
        return self.model.config.d_model

    def trained(self) -> dict[str, Tensor]:
        """The model's trained tensors, and the quantiser, without which they are worth nothing."""
        state = self.model.state_dict(keep_vars=True)
        return super().trained() | {name: value for name, value in state.items() if name.startswith("quantiser.")}

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Accuracy, the share of frames that were hidden, and the use of the codes, the mean over the codebooks.

        These are the share of codes that came up at all, and the entropy of how often they did, in nats: the loss of a
        model that knows how often each code comes and hears nothing.
        """
        books = [_book(counts, f"{_CODES}{book} ") for book in range(self.model.config.codebooks)]
        shares = [book / max(book.sum(), 1.0) for book in books]
        entropy = [-float((share * np.log(share)).sum()) for share in shares]
        masked = counts.get("masked", 0.0)
        return {
            "accuracy": counts.get("right", 0.0) / (masked or 1.0),
            "masked": masked / (counts.get("frames", 0.0) or 1.0),
            "codes_used": float(np.mean([len(book) for book in books])) / self.model.config.codes,
            "code_entropy": float(np.mean(entropy)),
        }

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout."""
        return self.model.package(state)


def _book(counts: Mapping[str, float], name: str) -> np.ndarray:
    """How often each code of a codebook came up that did."""
    return np.array([value for key, value in counts.items() if key.startswith(name) and value], np.float64)
