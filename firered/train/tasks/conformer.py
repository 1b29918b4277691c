"""Sizes of the attention encoder-decoder, which recognition and language identification share."""

from argparse import Namespace
from dataclasses import asdict, dataclass, replace

from firered.models.aed import AedConfig
from firered.options import Options, option


@dataclass(frozen=True)
class ConformerConfig(Options):
    """Sizes of an encoder-decoder; 0 stands for what `size` has."""

    size: str = option("XS", "published size", choices=("XS", "S", "M", "L"))
    d_model: int = option(0, "width", low=0)
    n_head: int = option(0, "attention heads; 0: one for 64 dimensions", low=0)
    n_layers_enc: int = option(0, "layers of the encoder", low=0)
    n_layers_dec: int = option(0, "layers of the decoder", low=0)
    kernel_size: int = option(33, "frames of the encoder's convolutions", low=1)
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)
    label_smoothing: float = option(0.1, "share of probability spread over all tokens", low=0, high=0.9)


def sizes_of(config: ConformerConfig, odim: int, lid_odim: int | None = None) -> AedConfig:
    """The sizes that the options name: those of the published size, but for options that are given.

    Raises:
        ModelError: the sizes do not fit together.
    """
    names = ("d_model", "n_head", "n_layers_enc", "n_layers_dec")
    given = {name: getattr(config, name) for name in names if getattr(config, name)}
    if config.d_model and not config.n_head:
        given["n_head"] = max(1, config.d_model // 64)
    sizes = replace(
        AedConfig.of_size(config.size, odim),
        kernel_size=config.kernel_size,
        lid_odim=lid_odim,
        dropout_rate=config.dropout,
        residual_dropout=config.dropout,
    )
    return AedConfig.from_args(Namespace(**asdict(replace(sizes, **given))))
