"""A language model over a small vocabulary, and all of its sequences."""

import itertools

import torch

SOS, EOS = 0, 1


class Table:
    """A language over a small vocabulary: an utterance's table gives the next token's logits from the last two."""

    def __init__(self, logits: torch.Tensor, beams: int) -> None:
        self.logits, self.beams = logits, beams  # (N, V, V, V)
        self.before = torch.full((len(logits) * beams,), SOS)
        self.widths: list[int] = []

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        self.widths.append(len(tokens))
        utterance = torch.arange(len(self.logits)).repeat_interleave(self.beams)
        out = self.logits[utterance, self.before, tokens]
        self.before = tokens.clone()  # the search writes to the same memory later
        return out

    def reorder(self, index: torch.Tensor) -> None:
        self.before = self.before[index]

    def select(self, utterances: list[int]) -> None:
        self.before = self.before.view(-1, self.beams)[utterances].flatten()
        self.logits = self.logits[utterances]


def random_logits(seed: int, n: int = 1, vocabulary: int = 4) -> torch.Tensor:
    return 2 * torch.randn(n, *[vocabulary] * 3, generator=torch.Generator().manual_seed(seed))


def every_sequence(vocabulary: int, length: int) -> list[tuple[int, ...]]:
    """All that can come out of at most `length` steps: ended ones, and unfinished ones of full length."""
    letters = [t for t in range(vocabulary) if t != EOS]
    ended = [s for size in range(length) for s in itertools.product(letters, repeat=size)]
    return ended + list(itertools.product(letters, repeat=length))


def score_of(logits: torch.Tensor, tokens: tuple[int, ...], length: int) -> float:
    total, before, last = 0.0, SOS, SOS
    for token in [*tokens, EOS][: length if len(tokens) == length else None]:
        total += float(logits[before, last].log_softmax(0)[token])
        before, last = last, token
    return total
