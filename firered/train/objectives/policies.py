"""A speech-LLM as a policy: what it is asked, what it writes, and how likely each token is to it.

Encoder and adapter stay as they are; the language model is trained, by LoRA or all of it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.func import functional_call
from transformers import PreTrainedModel

from firered.models.llm_stepper import LlmSteps
from firered.models.speech_llm import positions_of
from firered.text.llm_tokenizer import ChatTokenizer


class Prompts(NamedTuple):
    """Embeddings (N, S, d) padded on the left, mask (N, S) False on padding, and the last token of each (N,)."""

    embeds: Tensor
    mask: Tensor
    last: Tensor


class Scored(NamedTuple):
    """Log-probability of each token (M, T), and the entropy in nats of what it was chosen from (M, T)."""

    log_probs: Tensor
    entropy: Tensor


class Policy(nn.Module, ABC):
    """Encoder, adapter and language model.

    Args:
        tokenizer: of the language model.
        lora: train LoRA alone, which the language model has; False: all of its weights.
    """

    file: str  # name of its checkpoint in the published layout

    def __init__(self, tokenizer: ChatTokenizer, *, lora: bool) -> None:
        super().__init__()
        self.tokenizer, self.lora = tokenizer, lora

    @property
    @abstractmethod
    def llm(self) -> PreTrainedModel | PeftModel:
        """The language model."""

    @abstractmethod
    def prompts(self, tensors: Mapping[str, Tensor]) -> Prompts:
        """What the language model is given for a batch of the policy's corpus."""

    @abstractmethod
    def exported(self) -> dict[str, Tensor]:
        """The tensors that `package` takes, by their names in the state dict."""

    @abstractmethod
    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The content of `file`."""

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """Write what else changes with the weights."""

    def set_trained(self) -> None:
        """Let what is trained require gradients, and nothing else."""
        self.requires_grad_(False)
        for name, parameter in self.llm.named_parameters():
            parameter.requires_grad_(not self.lora or ".lora_" in name)

    def frozen_copy(self) -> dict[str, Tensor]:
        """What is trained, as it is now, by its names in the language model: the reference of the KL."""
        named = self.llm.named_parameters()
        return {name: parameter.detach().clone() for name, parameter in named if parameter.requires_grad}

    def steps(self, prompts: Prompts, beams: int, longest: int) -> LlmSteps:
        """The language model, about to write so many texts for each prompt, of so many tokens at most."""
        llm = self.llm.get_base_model() if isinstance(self.llm, PeftModel) else self.llm
        return LlmSteps(cast("PreTrainedModel", llm), prompts.embeds, prompts.mask, beams, longest)

    def scores(
        self,
        prompts: Prompts,
        group: Tensor,
        tokens: Tensor,
        mask: Tensor,
        temperature: float,
        weights: Mapping[str, Tensor] | None = None,
    ) -> Scored:
        """How likely texts are after their prompts.

        Args:
            prompts: of the utterances.
            group: (M,) which of them each text is of.
            tokens: (M, T) padded on the right.
            mask: (M, T) False on padding.
            temperature: logits are divided by it, as they were when the texts were drawn.
            weights: instead of those of the language model, by name.
        """
        embed = self.llm.get_input_embeddings()
        seen = torch.cat([prompts.mask[group], mask], 1)[:, :-1]  # nothing follows the last token
        arguments = {
            "inputs_embeds": torch.cat([prompts.embeds[group], embed(tokens).to(prompts.embeds)], 1)[:, :-1],
            "attention_mask": seen,
            "position_ids": positions_of(seen),
            "use_cache": False,
            "logits_to_keep": tokens.shape[1],
        }
        out = functional_call(self.llm, dict(weights), kwargs=arguments) if weights else self.llm(**arguments)
        log_probs = (out.logits.float() / temperature).log_softmax(-1)
        with torch.no_grad():
            entropy = -(log_probs.exp() * log_probs).nan_to_num(0.0).sum(-1)
        return Scored(log_probs.gather(-1, tokens[..., None]).squeeze(-1), entropy)
