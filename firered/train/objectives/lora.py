"""Low-rank additions (LoRA) to the attention of an encoder-decoder, merged into its weights on saving."""

from pathlib import Path

from peft import LoraConfig, inject_adapter_in_model
from safetensors.torch import save_file
from torch import Tensor

from firered.models.aed import Aed
from firered.train.config import AedTaskConfig, SpecAugmentConfig
from firered.train.objectives.encoder_decoder import AedObjective

# self-attention of the encoder, self- and cross-attention of the decoder
_ATTENTION = r".*\.(mhsa|self_attn|cross_attn)\.(w_qs|w_ks|w_vs|fc)"


class LoraObjective(AedObjective):
    """Recognition whose weights stay: additions to the attention are trained, and the CTC head where its loss is."""

    def __init__(self, model: Aed, config: AedTaskConfig, specaugment: SpecAugmentConfig) -> None:
        super().__init__(model, config, specaugment)
        self.keep_adapter = config.keep_adapter
        self.lora = LoraConfig(
            r=config.lora_rank,
            lora_alpha=config.lora_alpha,
            lora_dropout=config.lora_dropout,
            target_modules=_ATTENTION,
        )
        model.requires_grad_(False)
        inject_adapter_in_model(self.lora, model)
        if model.ctc is not None and config.ctc_weight:
            model.ctc.requires_grad_(True)

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout, additions merged into the weights."""
        return super().package(merged(state, self.lora.lora_alpha / self.lora.r))

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """Write the additions too, where they are to be kept."""
        if self.keep_adapter:
            save_adapter(out / "adapter", self.lora, state)


def merged(state: dict[str, Tensor], scale: float) -> dict[str, Tensor]:
    """A state dict as the model's without additions: W + scale * B A, under the plain names."""
    out = {}
    for name, tensor in state.items():
        stem = name.removesuffix(".base_layer.weight")
        if stem != name:
            tensor = tensor + scale * (state[f"{stem}.lora_B.default.weight"] @ state[f"{stem}.lora_A.default.weight"])
        if ".lora_" not in name:
            out[name.replace(".base_layer.", ".")] = tensor
    return out


def save_adapter(folder: Path, config: LoraConfig, state: dict[str, Tensor]) -> None:
    """Write the additions alone, as peft's `PeftModel.from_pretrained` loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {
        f"base_model.model.{name.replace('.default.', '.')}": tensor.contiguous()
        for name, tensor in state.items()
        if ".lora_" in name
    }
    save_file(own, folder / "adapter_model.safetensors")
    config.save_pretrained(str(folder))
