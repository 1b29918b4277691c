"""The LSTM language model that beam search can add to the recognition model's scores (FireRedASR2S, external LM)."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from firered.errors import ModelError
from firered.models.checkpoint import arg, at, config_from_args, load_checkpoint, load_network
from firered.models.embedding import Embedding


@dataclass(frozen=True)
class LstmLmConfig:
    """Sizes and ids under their released names."""

    idim: int = arg(low=5)
    odim: int = arg(low=5)
    embedding_dim: int = arg(low=1)
    hidden_size: int = arg(low=1)
    num_layers: int = arg(low=1, layers=True)
    dropout: float = arg(0.0, low=0, high=1)
    tie_weights: bool = arg(True)
    # The dictionary has these tokens in fixed places.
    padding_idx: int = arg(2, low=2, high=2)
    sos_id: int = arg(3, low=3, high=3)
    eos_id: int = arg(4, low=4, high=4)

    @classmethod
    def from_args(cls, args: Namespace, source: Path | None = None) -> "LstmLmConfig":
        """Config of a checkpoint's `args`; fields this code does not know are ignored.

        Raises:
            ModelError: sizes are missing or wrong, or tied weights are of different shapes.
        """
        config = config_from_args(cls, args, "an LSTM LM", source=source)
        if config.tie_weights and (config.idim, config.embedding_dim) != (config.odim, config.hidden_size):
            raise ModelError(
                f"{at(source)}LSTM LM: output {config.odim}x{config.hidden_size} cannot be tied to the embedding "
                f"{config.idim}x{config.embedding_dim}"
            )
        return config


class LstmLm(nn.Module):
    """Embedding, LSTM, projection to the vocabulary."""

    def __init__(self, config: LstmLmConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = Embedding(config.idim, config.embedding_dim, padding_idx=config.padding_idx)
        self.lstm = nn.LSTM(
            config.embedding_dim, config.hidden_size, config.num_layers, batch_first=True, dropout=config.dropout
        )
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(config.hidden_size, config.odim)
        if config.tie_weights:
            self.fc.weight = self.embedding.weight

    @classmethod
    def load(cls, path: Path) -> "LstmLm":
        """The model of a checkpoint, in evaluation mode on the CPU.

        Raises:
            ModelError: it cannot be read or is of another kind.
        """
        args, state = load_checkpoint(path)
        config = LstmLmConfig.from_args(args, path)
        return load_network(lambda: cls(config), config, state, path)

    def _apply(self: "LstmLm", fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "LstmLm":
        super()._apply(fn, recurse)
        if self.config.tie_weights:
            self.fc.weight = self.embedding.weight  # what gives a network its memory makes two of them
        return self

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, U, odim) logits of the tokens after each of (N, U), which begin with sos."""
        return self.step(tokens, None)[0]

    def step(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits (N, U, odim) and state after some more tokens (N, U); the state is None before the first."""
        x, state = self.lstm(self.dropout(self.embedding(tokens)), state)
        return self.fc(self.dropout(x)), state

    def start(self, beams: int) -> "LmCache":
        """The state with which beam search begins, before the first token."""
        return LmCache(self, beams)


class LmCache:
    """State of an LM over N utterances with B hypotheses each; row n * B + b is hypothesis b of utterance n."""

    def __init__(self, lm: LstmLm, beams: int) -> None:
        self.lm, self.beams = lm, beams
        self._state: tuple[Tensor, Tensor] | None = None  # each (layers, N * B, hidden)

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, odim) logits of the next tokens, given each hypothesis' last (N * B,)."""
        logits, self._state = self.lm.step(tokens[:, None], self._state)
        return logits.squeeze(1)

    def reorder(self, index: Tensor) -> None:
        """Continue row i from what was row index[i]."""
        if self._state is not None:
            self._state = (self._state[0][:, index], self._state[1][:, index])

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        rows = [utt * self.beams + beam for utt in utterances for beam in range(self.beams)]
        self.reorder(torch.tensor(rows, dtype=torch.long, device=self.lm.fc.weight.device))
