"""Fun-ASR-Nano as it is published: the names of its tensors, and a config.yaml of given sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Qwen3ForCausalLM

from firered.models.fun_asr import (
    AdaptorSizes,
    FunAsrEncoder,
    SanmSizes,
    released_adaptor_name,
    released_encoder_name,
)


class FunAsrNet(nn.Module):
    """Encoder, adaptor and CTC head as one, and the language model: what is trained, and what `published` names."""

    def __init__(self, encoder: FunAsrEncoder, llm: Qwen3ForCausalLM) -> None:
        super().__init__()
        self.encoder, self.llm = encoder, llm


def released_name(name: str, sizes: SanmSizes) -> tuple[str, int | None]:
    """The published name of one of the tensors of `FunAsrNet`, and which third of that tensor it is (None: all).

    Args:
        name: in its state dict.
        sizes: of the encoder.
    """
    part, _, rest = name.partition(".")
    if part == "llm":
        return name, None
    part, _, rest = rest.partition(".")
    if part == "encoder":
        released, third = released_encoder_name(rest, sizes)
        return f"audio_encoder.{released}", third
    if part == "ctc":
        return f"ctc.ctc_lo.{rest}", None
    return f"{ {'adaptor': 'audio_adaptor'}.get(part, part) }.{released_adaptor_name(rest)[0]}", None


def published(
    state: Mapping[str, Tensor], sizes: SanmSizes, dtypes: Mapping[str, torch.dtype] | None = None
) -> dict[str, Tensor]:
    """The tensors of a state dict of `FunAsrNet` under their published names.

    Args:
        state: without LoRA.
        sizes: of the encoder.
        dtypes: number formats, by published name, of tensors that are to be in others than they are.
    """
    thirds: dict[str, dict[int, Tensor]] = {}
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        released, third = released_name(name, sizes)
        if third is None:
            found[released] = value
        else:
            thirds.setdefault(released, {})[third] = value
            found.setdefault(released, value)  # its place in the order
    for released, parts in thirds.items():
        found[released] = torch.cat([parts[third] for third in range(3)])
    return {name: value.to((dtypes or {}).get(name, value.dtype)) for name, value in found.items()}


def config_values(
    encoder: SanmSizes, adaptor: AdaptorSizes, llm: str, *, languages: Sequence[str] = ()
) -> dict[str, Any]:
    """What a config.yaml says of a model of these sizes without a CTC head.

    Args:
        encoder: sizes.
        adaptor: sizes.
        llm: name of the folder of the language model's config and tokenizer.
        languages: codes of those that a prompt may name.
    """
    return {
        "model": "FunASRNano",
        "audio_encoder": "SenseVoiceEncoderSmall",
        "audio_encoder_conf": asdict(encoder),
        "llm": "Qwen3",
        "llm_conf": {"hub": "hf", "init_param_path": llm, "use_lora": False},
        "audio_adaptor": "Transformer",
        "audio_adaptor_conf": _sizes(adaptor),
        "frontend": "WavFrontend",
        "frontend_conf": {
            "fs": 16000,
            "window": "hamming",
            "n_mels": 80,
            "frame_length": 25,
            "frame_shift": 10,
            "lfr_m": 7,
            "lfr_n": 6,
            "cmvn_file": None,
            "dither": 0.0,
        },
        "dataset": "FunASR",
        "dataset_conf": {"ctc_tokenizer": "SenseVoiceTokenizer"},
        "tokenizer": "HuggingfaceTokenizer",
        **({"languages": list(languages)} if languages else {}),
    }


def ctc_values(sizes: AdaptorSizes, words: int) -> dict[str, Any]:
    """What a config.yaml says of a CTC head of these sizes."""
    return {"ctc_decoder": "Transformer", "ctc_decoder_conf": _sizes(sizes), "ctc_vocab_size": words}


def _sizes(sizes: AdaptorSizes) -> dict[str, Any]:
    return {name: value for name, value in asdict(sizes).items() if name != "eps"}
