"""The sizes of an encoder of speech under their released names, and which kind it is."""

from argparse import Namespace
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, TypeVar

from firered.errors import ModelError
from firered.models.checkpoint import arg, at, config_from_args
from firered.models.conformer import ConformerEncoder
from firered.models.qwen3_encoder import Qwen3Encoder, Qwen3Sizes

CONFORMER, QWEN3 = "conformer", "qwen3"
Encoder = ConformerEncoder | Qwen3Encoder
Config = TypeVar("Config", bound="EncoderConfig")


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes and rates; fields that the published models do not have are None there.

    `encoder_type` is None for a Conformer. For an encoder with the layers of Qwen3 it is `qwen3`, and the fields that
    begin with `enc_` have the sizes of `Qwen3Sizes`; `n_head` and `kernel_size` are then not the encoder's.
    """

    model: ClassVar[str] = "an encoder"  # for messages

    d_model: int = arg(low=1)
    n_head: int = arg(low=1)
    n_layers_enc: int = arg(low=1, layers=True)
    idim: int = arg(80, low=7)
    residual_dropout: float = arg(0.1, low=0, high=1)
    dropout_rate: float = arg(0.1, low=0, high=1)
    kernel_size: int = arg(33, low=1)
    pe_maxlen: int = arg(5000, low=1, high=100_000)
    causal: bool = arg(False)
    encoder_type: str | None = arg(None)
    enc_heads: int | None = arg(None, low=1)
    enc_kv_heads: int | None = arg(None, low=1)
    enc_head_dim: int | None = arg(None, low=2)
    enc_ffn_dim: int | None = arg(None, low=1)
    enc_rope_theta: float | None = arg(None, low=1)
    enc_norm_eps: float | None = arg(None, low=0, high=1)

    @classmethod
    def from_args(cls: type[Config], args: Namespace, source: Path | None = None) -> Config:
        """Config of a checkpoint's `args`; fields this code does not know are ignored.

        Raises:
            ModelError: sizes are missing, wrong, or do not fit together.
        """
        config = config_from_args(cls, args, cls.model, source=source)
        if fault := config.fault():
            raise ModelError(f"{at(source)}{cls.model.partition(' ')[2]} {fault}")
        return config

    def args(self) -> Namespace:
        """The `args` of a checkpoint; what a model does not have is left out, as in the published ones."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Namespace(**{name: value for name, value in values.items() if value is not None and value is not False})

    def fault(self) -> str:
        """In what the sizes do not fit together; empty where they do."""
        if self.d_model % (2 * self.n_head) or self.kernel_size % 2 == 0:
            return (
                f"with d_model={self.d_model}, n_head={self.n_head}, kernel_size={self.kernel_size}: an even number of "
                "dimensions a head and an odd kernel are needed"
            )
        if self.encoder_type is None:
            return ""
        if self.encoder_type != QWEN3:
            return f"whose encoder is of the type {self.encoder_type[:60]!r}; known: {QWEN3}, or none for a Conformer"
        if missing := [name for name in _QWEN3 if getattr(self, name) is None]:
            return f"whose encoder has layers of Qwen3, without {', '.join(missing)}"
        sizes = self.qwen3_sizes
        if sizes.heads % sizes.kv_heads or sizes.head_dim % 2:
            return (
                f"with {sizes.heads} heads of {sizes.head_dim} dimensions in its encoder and {sizes.kv_heads} of keys: "
                "a multiple of these and an even number of dimensions are needed"
            )
        return "with layers of Qwen3 that are causal: they see whole utterances" if self.causal else ""

    @property
    def qwen3_sizes(self) -> Qwen3Sizes:
        """The sizes of layers of Qwen3, which have to be given."""
        return Qwen3Sizes(*(getattr(self, name) for name in _QWEN3))

    def encoder(self) -> Encoder:
        """A new encoder."""
        if self.encoder_type == QWEN3:
            return Qwen3Encoder(
                idim=self.idim,
                d_model=self.d_model,
                n_layers=self.n_layers_enc,
                sizes=self.qwen3_sizes,
                residual_dropout=self.residual_dropout,
                dropout_rate=self.dropout_rate,
            )
        return ConformerEncoder(
            idim=self.idim,
            d_model=self.d_model,
            n_layers=self.n_layers_enc,
            n_head=self.n_head,
            kernel_size=self.kernel_size,
            residual_dropout=self.residual_dropout,
            dropout_rate=self.dropout_rate,
            causal=self.causal,
        )


# In the order of the fields of Qwen3Sizes.
_QWEN3 = ("enc_heads", "enc_kv_heads", "enc_head_dim", "enc_ffn_dim", "enc_rope_theta", "enc_norm_eps")
