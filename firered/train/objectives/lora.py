"""LoRA on the attention of an encoder-decoder, merged into its weights on saving."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peft import LoraConfig, inject_adapter_in_model
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from firered.data.atomic import replacing
from firered.errors import FireRedError, OptionError, writing
from firered.models.aed import Aed
from firered.train.data.config import SpecAugmentConfig
from firered.train.objectives.encoder_decoder import AedObjective

# self-attention of the encoder, of either kind, self- and cross-attention of the decoder
_ATTENTION = r".*\.(mhsa|self_attn|cross_attn)\.(w_qs|w_ks|w_vs|fc|q_proj|k_proj|v_proj|o_proj)"


class LoraObjective(AedObjective):
    """Recognition with frozen weights: LoRA is trained, and the CTC head where `ctc_weight` is above 0.

    Args:
        model: what LoRA is added to.
        specaugment: see AedObjective.
        rank: of the low-rank matrices.
        alpha: LoRA is scaled by alpha / rank.
        lora_dropout: dropout of its input.
        keep_adapter: write LoRA in peft's format beside the merged model too.
        more: see AedObjective.
    """

    def __init__(
        self,
        model: Aed,
        specaugment: SpecAugmentConfig,
        *,
        rank: int,
        alpha: float,
        lora_dropout: float,
        keep_adapter: bool,
        **more: Any,  # noqa: ANN401 - passed on
    ) -> None:
        super().__init__(model, specaugment, **more)
        self.keep_adapter, self.scale = keep_adapter, alpha / rank
        self.lora = LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # declared as int, used as a factor
            lora_dropout=lora_dropout,
            target_modules=_ATTENTION,
        )
        model.requires_grad_(False)
        inject_adapter_in_model(self.lora, model)
        if model.ctc is not None and self.ctc_weight:
            model.ctc.requires_grad_(True)

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout, LoRA merged into the weights."""
        return super().package(merged(state, self.scale))

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """Write LoRA too, where it is to be kept."""
        if self.keep_adapter:
            save_adapter(out / "adapter", self.lora, state)


def merged(state: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """The state dict of the model without LoRA: W + scale * B A, under the plain names."""
    out = {}
    for name, tensor in state.items():
        stem = name.removesuffix(".base_layer.weight")
        if stem != name:
            tensor = tensor + scale * (state[f"{stem}.lora_B.default.weight"] @ state[f"{stem}.lora_A.default.weight"])
        if ".lora_" not in name:
            out[name.replace(".base_layer.", ".")] = tensor
    return out


def save_adapter(folder: Path, config: LoraConfig, state: dict[str, Tensor]) -> None:
    """Write LoRA alone, as peft's `PeftModel.from_pretrained` loads it."""
    own = {
        f"base_model.model.{name.replace('.default.', '.')}": tensor.contiguous()
        for name, tensor in state.items()
        if ".lora_" in name
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(folder))
        try:
            with replacing(folder / "adapter_model.safetensors", only_writer=True) as unfinished:
                save_file(own, unfinished)
        except SafetensorError as error:  # what the writer makes of a full disk
            raise FireRedError(f"{folder}: cannot be written: {error}") from error


def targets_in(llm: nn.Module, names: Sequence[str]) -> Sequence[str]:
    """The names, each of which is that of linear layers of the language model.

    Raises:
        OptionError: one is not.
    """
    known = sorted({name.rpartition(".")[2] for name, part in llm.named_modules() if isinstance(part, nn.Linear)})
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise OptionError(f"model.lora_targets: {' '.join(unknown) or 'none given'}: known are {', '.join(known)}")
    return names
