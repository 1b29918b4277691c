"""Number formats for inference: float32, bfloat16, float16, and dynamic int8 for the linear layers."""

from pathlib import Path

import torch

from firered.errors import OptionError
from firered.models.aed import EncoderDecoder
from firered.models.bfloat16 import cpu_has_bfloat16
from firered.models.filling import Fill, in_float, in_int8
from firered.models.fused import Network
from firered.models.quantise import Layers, quantise


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
    quantise(model, Layers(Path("weights")), model.quantised_parts())
    return model


def fill_for(dtype: str, path: Path, parts: tuple[str, ...] = ("",)) -> Fill | None:
    """What fills a network in a number format as it is loaded; None: in float32, as `load_network` does by itself.

    Args:
        dtype: its name.
        path: of the checkpoint.
        parts: of the network whose linear layers int8 is for.
    """
    if dtype == "float32":
        return None
    return in_int8(Layers(path), parts) if dtype == "int8" else in_float(getattr(torch, dtype))


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
