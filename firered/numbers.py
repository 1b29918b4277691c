"""Number formats for inference: float32, bfloat16, float16, and dynamic int8 for the linear layers."""

import torch

from firered.errors import OptionError
from firered.models.aed import EncoderDecoder
from firered.models.int8 import quantize


def cast(model: EncoderDecoder, dtype: str, device: torch.device) -> EncoderDecoder:
    """The model in a number format on a device, ready for inference.

    Raises:
        OptionError: the format is not to be had there.
    """
    if dtype == "int8":
        if device.type != "cpu":
            raise OptionError(f"dtype: int8 is for the processor, not for {device}; use bfloat16 or float16 there")
        return quantize(model)
    if dtype == "float16" and device.type == "cpu":
        raise OptionError("dtype: float16 is for CUDA; use float32, bfloat16 or int8 on the processor")
    return model.to(device, getattr(torch, dtype))
