"""Language models with their layers in 8 or 4 bits, made of mapped files a layer at a time, LoRA merged on the way."""

from pathlib import Path
from typing import cast

import torch
from peft import PeftModel
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from transformers import PreTrainedModel

from firered.models.checkpoint import need_numbers
from firered.models.filling import take_over
from firered.models.int4 import Int4Linear, fits_int4
from firered.models.int8 import Int8Linear, Int8Weight
from firered.models.mapped import give_back

REDUCED = ("int8", "int4")


@torch.inference_mode()
def reduce_llm(llm: PreTrainedModel | PeftModel, dtype: str, path: Path) -> PreTrainedModel:
    """The language model with its linear layers in 8 or 4 bits, all else as float32; LoRA is part of the weights.

    The output layer is in 8 bits in both: its errors go straight into the text. The embeddings stay in the file, of
    which the rows that are used are read.

    Args:
        llm: with weights that may be mapped from files.
        dtype: int8 or int4.
        path: of its weights, for messages.

    Raises:
        ModelError: some weights are no numbers.
    """
    base = cast(PreTrainedModel, llm.get_base_model() if isinstance(llm, PeftModel) else llm)
    output = base.get_output_embeddings()
    for name in reversed(_linear_layers(base)):  # the output layer, the largest, while little else is in memory
        layer = cast(nn.Linear | LoraLinear, base.get_submodule(name))
        base.set_submodule(name, _reduced(name, layer, dtype, path, last=layer is output))
    embeddings = cast(nn.Embedding, base.get_input_embeddings())
    need_numbers({"embed_tokens.weight": embeddings.weight}, path)
    give_back(embeddings.weight.data)
    for module in base.modules():
        if module is not embeddings and not list(module.children()):
            take_over(module, path, torch.float32)
    base.set_input_embeddings(_Embeddings(embeddings.weight))
    return base.eval()


class _Embeddings(nn.Module):
    """Rows of a table in the file's number format, as float32."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        """(..., d) float32 of token ids."""
        return nn.functional.embedding(ids, self.weight).float()


def _linear_layers(module: nn.Module, prefix: str = "") -> list[str]:
    """The names of the linear layers in a module; one with LoRA is one layer, whatever it has inside."""
    if isinstance(module, nn.Linear | LoraLinear):
        return [prefix]
    children = module.named_children()
    return [found for name, child in children for found in _linear_layers(child, f"{prefix}.{name}".lstrip("."))]


def _reduced(name: str, layer: nn.Linear | LoraLinear, dtype: str, path: Path, *, last: bool) -> nn.Module:
    base = cast(nn.Linear, layer.get_base_layer() if isinstance(layer, LoraLinear) else layer)
    weight = base.weight.detach()
    need_numbers({f"{name}.weight": weight}, path)
    if isinstance(layer, LoraLinear):
        for adapter in layer.active_adapters:
            weight = layer.get_delta_weight(adapter).float().add_(weight)  # in place: a layer may take 0.3 GB
    fits = dtype == "int4" and not last and fits_int4(*weight.shape)
    made = Int4Linear(weight, base.bias) if fits else Int8Linear(Int8Weight(weight, base.bias))
    give_back(base.weight.data)
    return made
