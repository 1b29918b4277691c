"""Encoder, adapter and language model as one: FireRedASR-LLM (FireRedASR paper, section 2.2).

Parameters carry the released names: `encoder.`, `encoder_projector.`, and PEFT's below `llm.`.
"""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from firered.errors import ModelError, OptionError
from firered.models.adapters import ADAPTERS, DOWNSAMPLE_RATE, LINEAR, Adapter, make_adapter, width_in
from firered.models.aed import AedConfig
from firered.models.causal_lm import LORA_RANK, load_llm, lora_shape, map_llm, with_lora
from firered.models.checkpoint import arg, config_from_args, load_checkpoint, load_network, load_weights, shown
from firered.models.dtype import fill_for
from firered.models.encoder_config import Encoder
from firered.models.llm_encoder_args import kind_of
from firered.models.llm_encoders import OtherEncoder, encoder_of, sizes_of
from firered.models.llm_reduced import reduce_llm
from firered.models.positions import table_names
from firered.text.files import first_line


def splice(embeds: Tensor, placeholder: Tensor, speech: Tensor) -> Tensor:
    """(N, S, d) text embeddings with speech in the places of the placeholder.

    Args:
        embeds: (N, S, d).
        placeholder: (N, S), True where speech belongs.
        speech: (M, d), all utterances' one after the other; as many as there are places.
    """
    if int(placeholder.sum()) != len(speech):
        raise ValueError(f"{len(speech)} speech embeddings for {int(placeholder.sum())} places")
    return embeds.masked_scatter(placeholder[..., None], speech.to(embeds))


def positions_of(mask: Tensor) -> Tensor:
    """(N, S) position of each token in its own sequence, however that is padded; `mask` is True on tokens."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)


SpeechEncoder = Encoder | OtherEncoder  # of recognition models, or those of other systems


class SpeechLlm(nn.Module):
    """The three parts; each may be on a device and in a number format of its own."""

    def __init__(
        self, encoder: SpeechEncoder, adapter: Adapter, llm: PreTrainedModel | PeftModel, speech_id: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.encoder_projector = adapter
        self.llm = llm
        self.speech_id = speech_id

    @classmethod
    def load(
        cls,
        directory: Path,
        llm_folder: Path,
        speech_id: int,
        *,
        dtype: torch.dtype = torch.float32,
        llm_device: torch.device | str = "cpu",
        encoder_dtype: str = "float32",
        reduced: str | None = None,
    ) -> "SpeechLlm":
        """The model of a published directory, LoRA unmerged; language model in `dtype`, the rest in `encoder_dtype`.

        Where `reduced` is int8 or int4, the language model's layers are so, on the processor, and LoRA is merged.

        The encoder's arguments are those of asr_encoder.pth.tar, its weights those of model.pth.tar where that has any.

        Raises:
            ModelError: something cannot be read, or the parts do not fit together.
        """
        checkpoint = directory / "model.pth.tar"
        # Opened a second time for LoRA, so that the encoder's part of the file need not stay in memory until then.
        encoder, adapter = load_encoder(directory / "asr_encoder.pth.tar", checkpoint, encoder_dtype)
        llm = map_llm(llm_folder) if reduced else load_llm(llm_folder, dtype, llm_device)
        if adapter.llm_dim != llm.config.hidden_size:
            raise ModelError(
                f"{checkpoint}: made for embeddings of {adapter.llm_dim} dimensions, "
                f"{llm_folder} has {llm.config.hidden_size}"
            )
        adapted = _load_lora(llm, checkpoint)
        return cls(encoder, adapter, reduce_llm(adapted, reduced, llm_folder) if reduced else adapted, speech_id)

    def forward(
        self, feats: Tensor, lengths: Tensor, ids: Tensor, mask: Tensor, labels: Tensor | None = None
    ) -> CausalLMOutputWithPast:
        """Logits (N, S, V) and, where labels are given, the loss over those that are not -100.

        Args:
            feats: (N, T, idim) normalised features.
            lengths: (N,) frames.
            ids: (N, S) tokens, the placeholder repeated to as many as there are speech embeddings.
            mask: (N, S), False on padding, on either side.
            labels: (N, S) the tokens again, -100 where they do not count.
        """
        embeds = self.embed(ids, self.embed_speech(feats, lengths))
        return self.llm(
            inputs_embeds=embeds, attention_mask=mask, position_ids=positions_of(mask), labels=labels, use_cache=False
        )

    def embed_speech(self, feats: Tensor, lengths: Tensor) -> Tensor:
        """Speech embeddings (M, d) of all utterances, one after the other, without padding."""
        speech, counts = self.encoder_projector(*self.encoder(feats, lengths))
        return speech[torch.arange(speech.shape[1], device=speech.device) < counts[:, None]]

    def embed(self, ids: Tensor, speech: Tensor) -> Tensor:
        """(N, S, d) embeddings of tokens, with speech in the places of the placeholder, which has no embedding."""
        placeholder = ids == self.speech_id
        return splice(self.llm.get_input_embeddings()(ids.masked_fill(placeholder, 0)), placeholder, speech)

    def merge(self) -> None:
        """Add LoRA's matrices to the weights they adapt, so that decoding no longer computes them apart."""
        if isinstance(self.llm, PeftModel):
            self.llm = self.llm.merge_and_unload()


@dataclass(frozen=True)
class _AdapterArgs:
    """What of the arguments of model.pth.tar is asked for, under its released name."""

    encoder_downsample_rate: int = arg(DOWNSAMPLE_RATE, low=1, high=64)
    # Published models do not have these.
    adapter: str = arg(LINEAR)
    adapter_layers: int = arg(2, low=1, layers=True)
    adapter_width: int = arg(2048, low=1)


def load_encoder(encoder_path: Path, checkpoint: Path, dtype: str = "float32") -> tuple[SpeechEncoder, Adapter]:
    """Encoder and adapter in a number format, in evaluation mode; int8 is for a Conformer's blocks alone.

    Raises:
        ModelError: something is missing, damaged, or of another model.
        OptionError: int8 is asked for of an encoder of another kind.
    """
    args, state = load_checkpoint(checkpoint)
    encoder_args, encoder_state = load_checkpoint(encoder_path)
    own = config_from_args(_AdapterArgs, args, "a speech-LLM", source=checkpoint)
    weights = {**_part(encoder_state, "encoder."), **_part(state, "encoder.")}
    adapter_weights = _part(state, "encoder_projector.")
    width = width_in(adapter_weights)
    if width is None:
        raise ModelError(f"{checkpoint}: weights of another model (no encoder_projector)")
    if own.adapter not in ADAPTERS:
        raise ModelError(f"{checkpoint}: an adapter of the kind {shown(own.adapter)}; known: {', '.join(ADAPTERS)}")
    encoder = _encoder(encoder_args, encoder_path, weights, checkpoint, dtype)
    fill = fill_for("float32" if dtype == "int8" else dtype, checkpoint)
    rate = own.encoder_downsample_rate
    sizes = own.adapter, encoder.width, width, rate, own.adapter_layers, own.adapter_width
    adapter = load_network(lambda: make_adapter(*sizes), own, adapter_weights, checkpoint, fill=fill)
    return encoder, adapter


def _encoder(args: Namespace, source: Path, weights: dict[str, Tensor], checkpoint: Path, dtype: str) -> SpeechEncoder:
    """The encoder of these arguments, which `source` has."""
    if kind_of(args) is None:
        config = AedConfig.from_args(args, source)
        fill = fill_for(dtype, checkpoint, ("layer_stack",))
        return load_network(config.encoder, config, weights, checkpoint, table_names, fill=fill)
    if dtype == "int8":
        raise OptionError("encoder_dtype: int8 is for the Conformer of the published models")
    sizes = sizes_of(args, source)
    return load_network(lambda: encoder_of(args, source), sizes, weights, checkpoint, fill=fill_for(dtype, checkpoint))


def _load_lora(llm: PreTrainedModel, checkpoint: Path) -> PreTrainedModel | PeftModel:
    """The language model with the checkpoint's LoRA, or as it is where the checkpoint has none."""
    state = _part(load_checkpoint(checkpoint)[1], "llm.")
    found = lora_shape(state)
    if found is not None and not 0 < found[0] <= max(llm.config.hidden_size, LORA_RANK):
        raise ModelError(f"{checkpoint}: LoRA of rank {found[0]}, the language model is {llm.config.hidden_size} wide")
    try:
        adapted = llm if found is None else with_lora(llm, *found).eval()
    except ValueError as error:  # its layers are not the language model's
        raise ModelError(f"{checkpoint}: its LoRA fits no language model ({first_line(error)})") from error
    base = tuple(name for name in adapted.state_dict() if ".lora_" not in name)
    load_weights(adapted, state, checkpoint, may_lack=base)
    return adapted


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by what follows it."""
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
