"""Number formats for inference: float32, bfloat16, float16, and dynamic int8 for the linear layers."""

import torch
from torch import nn

from firered.errors import OptionError
from firered.models.aed import EncoderDecoder
from firered.models.bfloat16 import cpu_has_bfloat16
from firered.models.fused import FusedAttention, Network
from firered.models.int8 import Int8Linear, Int8Weight, joined_parts

# Layers of transformers that are given the same, in the order in which they are called.
_GIVEN_THE_SAME = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


def cast(model: Network, dtype: str, device: torch.device) -> Network:
    """A prepared model in a number format on a device, for inference only.

    Raises:
        OptionError: the device does not compute in this format.
    """
    check_dtype(dtype, device)
    if dtype != "int8":
        return model.to(device, getattr(torch, dtype))
    if not isinstance(model, EncoderDecoder):
        raise OptionError("dtype: int8 is for models of encoder and decoder")
    _quantise(model)
    return model


def check_dtype(dtype: str, device: torch.device) -> None:
    """Raise OptionError where a device does not compute in a number format."""
    if dtype == "int8" and device.type != "cpu":
        raise OptionError(f"dtype: int8 is for the processor, not for {device}; use bfloat16 or float16 there")
    if dtype == "float16" and device.type == "cpu":
        raise OptionError("dtype: float16 is for CUDA; use float32, bfloat16 or int8 on the processor")


def llm_dtype(name: str, device: torch.device) -> torch.dtype:
    """The number format of a language model; `auto` is bfloat16, or float32 where that is emulated.

    So is float16, in which language models overflow.
    """
    if name not in ("auto", "float16"):
        return getattr(torch, name)
    native = torch.cuda.is_bf16_supported(including_emulation=False) if device.type == "cuda" else cpu_has_bfloat16()
    return torch.bfloat16 if native else torch.float32


@torch.inference_mode()
def _quantise(model: EncoderDecoder) -> None:
    """Convert encoder and decoder to int8; the first layer and the CTC head, small and sensitive, stay float."""
    for module in model.modules():
        if isinstance(module, FusedAttention):
            module.set_fused((Int8Weight(*module.fuse()), None))
    for stack in (model.encoder.layer_stack, model.get_submodule(model.decoder_name)):
        quantise_layers(stack)


@torch.inference_mode()
def quantise_layers(module: nn.Module) -> None:
    """Convert the linear layers in a module, and convolutions over one frame, to int8."""
    for parent in list(module.modules()):
        _join(parent)
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv1d) and layer.groups == 1):
                setattr(parent, name, Int8Linear(layer))


def _join(parent: nn.Module) -> None:
    """Convert layers of a module that are given the same together."""
    for names in _GIVEN_THE_SAME:
        layers = [getattr(parent, name, None) for name in names]
        found = [layer for layer in layers if isinstance(layer, nn.Linear)]
        if len(found) == len(names) and len({layer.bias is None for layer in found}) == 1:
            for name, part in zip(names, joined_parts(found), strict=True):
                setattr(parent, name, part)
