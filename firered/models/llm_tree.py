"""A language model over many continuations of its prompts in one pass: `LlmTree`."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from firered.models.llm_stepper import LlmPasses, keep_rows
from firered.models.prefix_slots import NewRows, PrefixSlots, with_room


class _TreeCache:
    """Keys and values of all layers: the prompt's, and behind them a slot for each continuation."""

    def __init__(self, prompt: int) -> None:
        self.prompt, self.used = prompt, 0  # tokens, slots that hold a continuation
        self.new: NewRows | None = None  # what the pass at hand computes; None: the prompt
        self.layers: dict[int, list[Tensor]] = {}  # [keys, values], (N, H, room, d_k) each, on the layer's device

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Take up those of new tokens, (N, H, R, d_k) each; all of the layer's."""
        if self.new is None:
            self.layers[layer] = [keys, values]
            return keys, values
        held = self.layers[layer]
        owners, places, slots = (part.to(keys.device) for part in (self.new.owners, self.new.places, self.new.slots))
        end = self.prompt + self.used
        for number, fresh in enumerate((keys, values)):
            held[number] = with_room(held[number], end, end + self.used)
            held[number][owners, :, self.prompt + slots] = fresh[owners, :, places]
        return held[0][:, :, :end], held[1][:, :, :end]

    def select(self, rows: list[int]) -> None:
        """Keep these rows, in this order; row i is the old row i or comes from further on."""
        for held in self.layers.values():
            held[:] = [keep_rows(part, rows) for part in held]


class LlmTree:
    """A `firered.search.drafts.PrefixModel` of a language model and N prompts.

    The prompt's last token is not in the cache: it is what every prefix begins with.

    Args:
        llm: the language model.
        embeds: (N, S, d) prompts with speech in them, padded on the left.
        mask: (N, S), False on padding.
    """

    def __init__(self, llm: PreTrainedModel, embeds: Tensor, mask: Tensor) -> None:
        self._llm, self._mask = llm, mask[:, :-1]
        self._cache = _TreeCache(self._mask.shape[1])
        self._passes = LlmPasses(llm, self._cache)
        self._passes.prompt(embeds[:, :-1], self._mask)
        self._slots = PrefixSlots(len(mask), mask.device)

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return int(self._llm.config.vocab_size)

    def extend(self, tokens: Sequence[Sequence[int]], parents: Sequence[Sequence[int]]) -> Tensor:
        """(M, V) logits after new prefixes; see `PrefixModel.extend`."""
        new = self._slots.add(tokens, parents)
        self._cache.new, self._cache.used = new, self._slots.used
        n, size, _ = new.seen.shape
        ids = new.tokens.new_zeros(n, size)
        ids[new.owners, new.places] = new.tokens
        positions = self._mask.sum(1)[:, None].expand(n, size).clone()
        positions[new.owners, new.places] += new.depths
        seen = torch.cat([self._mask[:, None].expand(-1, size, -1), new.seen], 2)[:, None]  # (N, 1, R, S)
        return new.gather(self._passes.run(self._llm.get_input_embeddings()(ids), seen, positions))

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order, which must not move any further back."""
        self._cache.select(utterances)
        self._slots.select(utterances)
        self._mask = self._mask[utterances]
