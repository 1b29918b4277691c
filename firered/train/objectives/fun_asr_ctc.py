"""Fun-ASR-Nano's CTC head on an encoder that stays: the fifth stage (FunAudio-ASR report, section 4.2).

With the encoder trained, too, it gives a new encoder its start before the stages.
"""

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from firered.search.ctc import ctc_greedy
from firered.train.objectives.fun_asr import FunAsrObjective
from firered.train.objectives.objective import BatchLoss, Led


class FunAsrCtcObjective(FunAsrObjective):
    """CTC loss of tokens of the head's own tokenizer; see `FunAsrObjective`."""

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over utterances."""
        log_probs, counts = self._log_probs(tensors)
        loss = F.ctc_loss(
            log_probs.transpose(0, 1),
            tensors["tokens"],
            counts,
            tensors["token_lengths"],
            blank=self.config.blank,
            reduction="sum",
        )
        return BatchLoss(loss, {})

    def decode(self, tensors: Mapping[str, Tensor], by: str, led: Led) -> list[list[int]]:
        """What the head reads, greedily; see `Objective.decode`."""
        found = ctc_greedy(*self._log_probs(tensors), self.config.blank)
        return [list(own.tokens) for own in found]

    @property
    def width(self) -> int:
        """The encoder's width."""
        return self.config.encoder.output_size

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """The loss says it all."""
        return {}

    def _log_probs(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(N, L, V) of the head, and rows of each utterance (N,)."""
        encoder = self.model.encoder
        assert encoder.ctc_decoder is not None
        assert encoder.ctc is not None
        encoded, counts = self.encoded(tensors)
        return encoder.ctc(encoder.ctc_decoder(encoded, counts)[0]).float().log_softmax(-1), counts
