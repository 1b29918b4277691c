"""Sizes of encoders, and of the encoder-decoder, which recognition and language identification share."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firered.errors import OptionError
from firered.models.aed import SIZES, AedConfig
from firered.models.encoder_config import CONFORMER, QWEN3
from firered.models.llm_layers import LlmShape
from firered.options import Options, option

_HEAD_DIM = 64  # of published models
_QWEN3_NEW = {"enc_rope_theta": 1e6, "enc_norm_eps": 1e-6}  # of new layers of Qwen3, as published
_QWEN3_FFN = 3  # times the width, as in Qwen3-0.6B


@dataclass(frozen=True)
class EncoderOptions(Options):
    """Sizes of an encoder; 0 stands for what `size` has."""

    size: str = option("XS", "published size", choices=("XS", "S", "M", "L"))
    d_model: int = option(0, "width", low=0)
    n_head: int = option(0, "attention heads; 0: one for 64 dimensions", low=0)
    n_layers_enc: int = option(0, "layers of the encoder", low=0)
    kernel_size: int = option(33, "frames of the convolutions of a Conformer", low=1)
    encoder_type: str = option(
        CONFORMER, "kind of the encoder: the published one, or layers of Qwen3 in which every frame sees all",
        choices=(CONFORMER, QWEN3),
    )  # fmt: skip
    n_kv_head: int = option(0, "qwen3: heads of keys and values; 0: n_head", low=0)
    ffn_dim: int = option(0, "qwen3: width of the feed-forward part; 0: three times d_model", low=0)
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder_type == CONFORMER and (self.n_kv_head or self.ffn_dim):
            raise OptionError(f"n_kv_head, ffn_dim: these are sizes of an encoder of the kind {QWEN3} (encoder_type)")


@dataclass(frozen=True)
class ConformerConfig(EncoderOptions):
    """Sizes of an encoder-decoder; 0 stands for what `size` has."""

    n_layers_dec: int = option(0, "layers of the decoder", low=0)
    label_smoothing: float = option(0.1, "share of probability spread over all tokens", low=0, high=0.9)


def llm_option() -> Any:  # noqa: ANN401 - stands where the field's own type is declared
    """The option that names a language model for the encoder's layers."""
    return option(
        None,
        "folder of a Qwen3 language model whose first n_layers_enc layers (0: all) the encoder begins with; kind and "
        "sizes are those of these",
    )


def encoder_args(config: EncoderOptions, llm: str | None = None) -> dict[str, Any]:
    """The fields of `EncoderConfig` that the options name: those of the published size, but for options that are given.

    Args:
        config: the options.
        llm: folder of the language model whose layers the encoder is to have.

    Raises:
        OptionError: sizes are given that are the language model's own.
        ModelError: the folder is none of a Qwen3.
    """
    rates = {"dropout_rate": config.dropout, "residual_dropout": config.dropout, "kernel_size": config.kernel_size}
    if llm:
        if given := [name for name in ("d_model", "n_kv_head", "ffn_dim") if getattr(config, name)]:
            raise OptionError(f"{', '.join(given)}: an encoder with layers of {llm} has the sizes of these")
        sizes = LlmShape.of_folder(Path(llm)).encoder_args(config.n_layers_enc)
        return rates | sizes | {"n_head": config.n_head or _heads(sizes["d_model"])}
    width, layers = SIZES[config.size]
    width = config.d_model or width
    heads = config.n_head or _heads(width)
    found: dict[str, Any] = {"d_model": width, "n_head": heads, "n_layers_enc": config.n_layers_enc or layers}
    if config.encoder_type == QWEN3:
        found |= {"encoder_type": QWEN3, "enc_heads": heads, "enc_kv_heads": config.n_kv_head or heads, **_QWEN3_NEW}
        found |= {"enc_head_dim": width // heads, "enc_ffn_dim": config.ffn_dim or _QWEN3_FFN * width}
    return rates | found


def _heads(width: int) -> int:
    return max(1, width // _HEAD_DIM)


def sizes_of(
    config: ConformerConfig, odim: int, lid_odim: int | None = None, encoder: dict[str, Any] | None = None
) -> AedConfig:
    """The sizes that the options name: those of the published size, but for options that are given.

    Args:
        config: the options.
        odim: tokens.
        lid_odim: labels of language identification.
        encoder: the fields of the encoder; by default `encoder_args` of the options.

    Raises:
        ModelError: the sizes do not fit together.
    """
    layers = config.n_layers_dec or SIZES[config.size][1]
    own = {"odim": odim, "n_layers_dec": layers, "lid_odim": lid_odim}
    return AedConfig.from_args(Namespace(**own, **(encoder or encoder_args(config))))
