"""The search of recognisers whose text a language model writes: `LlmSearch`."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from firered.asr.biasing import Biasing
from firered.asr.drafting import Draft, Drafting, Read
from firered.hotwords.lists import Phrase
from firered.models.llm_stepper import LlmSteps
from firered.models.llm_tree import LlmTree
from firered.search.beams import Hypothesis
from firered.search.config import GenerateConfig
from firered.search.generate import search
from firered.search.scorers import Scorer, Stepper
from firered.text.llm_tokenizer import ChatTokenizer


class LlmSearch:
    """What a language model writes after its prompts, by greedy or beam search, with drafts or without.

    Args:
        llm: the language model.
        tokenizer: its own.
        config: how to search.
        biasing: the use of hotwords.
        drafting: the use of drafts.
    """

    def __init__(
        self,
        llm: PreTrainedModel,
        tokenizer: ChatTokenizer,
        config: GenerateConfig,
        biasing: Biasing,
        drafting: Drafting,
    ) -> None:
        self._llm, self._tokenizer, self._config = llm, tokenizer, config
        self._biasing, self._drafting = biasing, drafting

    def __call__(
        self,
        embeds: Tensor,
        mask: Tensor,
        last: Tensor,
        limits: list[int],
        phrases: Sequence[tuple[Phrase, ...]],
        drafts: Callable[[], Sequence[Read]],
        given: Sequence[str] = (),
    ) -> list[list[Hypothesis]]:
        """The hypotheses of each utterance, best first.

        Args:
            embeds: (N, S, d) prompts with speech in them, padded on the left.
            mask: (N, S), False on padding.
            last: (N,) the prompts' last tokens.
            limits: tokens of each utterance at most.
            phrases: the entries that each is searched with.
            drafts: what a CTC head reads in each; called only where it is of use.
            given: what else the text of each may be; empty: nobody knows.
        """
        config, eos = self._config, self._tokenizer.eos_id
        room = torch.tensor(limits, device=embeds.device)

        def prompts(rows: list[int]) -> tuple[Tensor, Tensor]:
            return (embeds, mask) if len(rows) == len(embeds) else (embeds[rows], mask[rows])

        def steps(rows: list[int]) -> Stepper:
            longest = max(limits[row] for row in rows)
            return LlmSteps(self._llm, *prompts(rows), config.beam_size, longest)

        def searched(model: Stepper, rows: list[int], *kept: Scorer) -> list[list[Hypothesis]]:
            scorers = [*self._biasing.scorers([phrases[row] for row in rows], config.beam_size), *kept]
            return search(model, room[rows], config, first=last[rows], eos=eos, scorers=scorers)

        return self._drafting.search(
            lambda rows: LlmTree(self._llm, *prompts(rows)),
            steps,
            lambda: [read.draft(self._tokenizer.ids_of(read.text)) for read in drafts()],
            searched,
            given=[Draft(self._tokenizer.ids_of(text)) if text else None for text in given],
            beams=config.beam_size,
            limits=limits,
            first=last.tolist(),
            eos=eos,
        )
