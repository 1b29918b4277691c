"""A language model generating: one pass over the prompt, then a token of every hypothesis at a time."""

import inspect
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedModel

from firered.models.speech_llm import positions_of
from firered.models.step_graph import StepGraph, graphs_help

_SHOWN = 256  # steps of one shape: places that are read are a multiple of this


class _KeyValueCache:
    """Keys and values of all layers, allocated once; transformers' attention appends to them and reads them all.

    Args:
        room: tokens there is memory for.
        make: that memory; zeros where places are read, without any weight, before they are written.

    Attributes:
        length: tokens held.
        slots: (B,) where new tokens go, and `shown` how many places are read, for steps of fixed shapes; None: new
            tokens go behind those that are held, and these are read.
    """

    def __init__(self, room: int, make: Callable[..., Tensor]) -> None:
        self.room, self.length, self._make = room, 0, make
        self.slots: Tensor | None = None
        self.shown = 0
        self.layers: dict[int, list[Tensor]] = {}  # [keys, values], (N, H, room, d_k) each, on the layer's device

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Append those of new tokens; all of the layer's that are read, (N, H, L, d_k) each."""
        if layer not in self.layers:
            shape = (*keys.shape[:2], self.room, keys.shape[3])
            self.layers[layer] = [self._make(shape, dtype=keys.dtype, device=keys.device) for _ in range(2)]
        end = self.shown if self.slots is not None else self.length + keys.shape[2]
        for held, new in zip(self.layers[layer], (keys, values), strict=True):
            if self.slots is not None:
                held.index_copy_(2, self.slots, new)
            else:
                held[:, :, self.length : end] = new
        held_keys, held_values = self.layers[layer]
        return held_keys[:, :, :end], held_values[:, :, :end]

    def select(self, rows: list[int]) -> None:
        """Keep these rows, in this order; row i is the old row i or comes from further on."""
        for keys_and_values in self.layers.values():
            keys_and_values[:] = [keep_rows(held, rows) for held in keys_and_values]


def keep_rows(held: Tensor, rows: list[int]) -> Tensor:
    """The tensor's first rows after those of `rows` were moved there; only what is in another place is copied."""
    for place, row in enumerate(rows):
        if row != place:
            held[place] = held[row]
    return held[: len(rows)]


class LlmPasses:
    """Passes of a language model with a cache of ours, which holds what the layers attend to."""

    def __init__(self, llm: PreTrainedModel, cache: object) -> None:
        self._llm, self._cache = llm, cache
        # Models whose layers may differ take masks by their kind; all have full attention here.
        self._by_layer = getattr(llm.config, "layer_types", None) is not None
        # transformers renames the argument: it drops the old name in 5.40, and older versions have no other.
        self._cache_argument = "cache" if "cache" in inspect.signature(llm.forward).parameters else "past_key_values"

    def prompt(self, embeds: Tensor, mask: Tensor) -> None:
        """Compute prompts (N, S, d), of which `mask` (N, S) is False on padding, to fill the cache."""
        # Padding sees itself: attention over nothing would be NaN.
        size = mask.shape[1]
        causal = torch.ones(size, size, dtype=torch.bool, device=mask.device).tril()
        diagonal = torch.eye(size, dtype=torch.bool, device=mask.device)
        self.run(embeds, causal & mask[:, None, None] | diagonal, positions_of(mask), logits_to_keep=1)

    def run(self, embeds: Tensor, seen: Tensor, positions: Tensor, logits_to_keep: int = 0) -> Tensor:
        """(N, R, V) logits after tokens.

        Args:
            embeds: (N, R, d) of the tokens.
            seen: (N, 1, R, L) which tokens of the cache, these included, each attends to.
            positions: (N, R).
            logits_to_keep: only of so many of the last tokens; 0: of all.
        """
        out = self._llm(
            inputs_embeds=embeds,
            attention_mask={"full_attention": seen} if self._by_layer else seen,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=logits_to_keep,
            **{self._cache_argument: self._cache},
        )
        return out.logits


class LlmSteps:
    """The steps of `firered.search.generate` over N utterances with B hypotheses each.

    The prompt is computed and held once an utterance. The tokens that its hypotheses generate lie behind it in one
    cache, B more each step, and stay there: re-ordering changes only which of them a hypothesis attends to. The
    prompt's last token is not in the cache: the search feeds it in first.

    Args:
        llm: the language model.
        embeds: (N, S, d) prompts with speech in them, padded on the left.
        mask: (N, S), False on padding.
        beams: hypotheses of an utterance.
        max_len: steps at most.
    """

    def __init__(self, llm: PreTrainedModel, embeds: Tensor, mask: Tensor, beams: int, max_len: int) -> None:
        self._llm, self._beams = llm, beams
        embeds, mask = embeds[:, :-1], mask[:, :-1]
        n, self._prompt = mask.shape
        self._positions = mask.sum(1, keepdim=True)  # (N, 1) of the next token
        one_device = len(set((getattr(llm, "hf_device_map", None) or {}).values())) <= 1
        self._graph = StepGraph() if one_device and graphs_help(mask.device, n * beams) else None
        self._cache = _KeyValueCache(
            self._prompt + beams * max_len, torch.empty if self._graph is None else torch.zeros
        )
        self._passes = LlmPasses(llm, self._cache)
        self._seen = torch.zeros(n, 1, beams, self._cache.room, dtype=torch.bool, device=mask.device)
        self._seen[..., : self._prompt] = mask[:, None, None]
        self._own = torch.eye(beams, dtype=torch.bool, device=mask.device)
        self._passes.prompt(embeds, mask)
        self._cache.length += self._prompt
        self._slots = torch.arange(self._prompt - beams, self._prompt, device=mask.device)
        self._cache.slots = self._slots if self._graph is not None else None

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V) logits after these tokens (N * B,)."""
        start, end = self._cache.length, self._cache.length + self._beams
        self._seen[..., start:end] = self._own
        logits = self._compute(tokens) if self._graph is None else self._in_fixed_shapes(self._graph, tokens)
        self._positions += 1
        self._cache.length = end
        return logits

    def _in_fixed_shapes(self, graph: StepGraph, tokens: Tensor) -> Tensor:
        cache = self._cache
        if cache.length + self._beams > cache.shown:
            graph.forget()
            cache.shown = min(cache.room, -(-(cache.length + self._beams) // _SHOWN) * _SHOWN)
        self._slots += self._beams
        return graph(self._compute, tokens)

    def _compute(self, tokens: Tensor) -> Tensor:
        embeds = self._llm.get_input_embeddings()(tokens.view(-1, self._beams))  # (N, B, d): no order among them
        positions = self._positions.expand(-1, self._beams)
        shown = self._cache.length + self._beams if self._graph is None else self._cache.shown
        return self._passes.run(embeds, self._seen[..., :shown], positions).flatten(0, 1)

    def reorder(self, index: Tensor) -> None:
        """Continue row i from what was row index[i], a row of the same utterance; index is (N * B,)."""
        if self._beams > 1:
            used = slice(self._prompt, self._cache.length)
            seen = self._seen[:, 0, :, used]
            self._seen[:, 0, :, used] = seen.flatten(0, 1)[index].view_as(seen)

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        if self._graph is not None:
            self._graph.forget()
        self._cache.select(utterances)
        self._seen, self._positions = self._seen[utterances], self._positions[utterances]
