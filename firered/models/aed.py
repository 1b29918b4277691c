"""The attention encoder-decoder models: speech recognition, with its CTC head, and language identification."""

from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor, nn

from firered.errors import ModelError
from firered.hub.catalogue import QUANTISED
from firered.models.checkpoint import arg, at, load_checkpoint, load_network
from firered.models.chunks import ALL, Chunk, ChunkPlan
from firered.models.decoder_cache import DecoderCache
from firered.models.decoder_tree import DecoderTree
from firered.models.encoder_config import EncoderConfig
from firered.models.frames import linear_on_grid
from firered.models.fused import prepare
from firered.models.positions import PositionTable
from firered.models.stored import Stored
from firered.models.transformer import TransformerDecoder

# d_model, layers of encoder and of decoder; heads are of 64 dimensions (FireRedASR paper, table 1)
SIZES = {"XS": (512, 12), "S": (768, 16), "M": (1024, 16), "L": (1280, 16)}

CTC_LEAD_S = 0.06  # of the published models; see AedConfig

Model = TypeVar("Model", bound="EncoderDecoder")


@dataclass(frozen=True, kw_only=True)
class AedConfig(EncoderConfig):
    """Sizes, rates and ids under their released names; `lid_odim` is the number of labels in language identification.

    `ctc_lead_s` is how many seconds before the frames that its CTC head gives to a word the word is spoken. Where in a
    word a head puts its frames is an accident of training; a checkpoint that does not state the lead is taken to have
    that of the published models.

    A model that streams is `causal`: its encoder's convolutions see no frame after their own. `chunk_sizes` and
    `left_chunks` are the chunks that its training has drawn, as `ChunkPlan` takes them.
    """

    model: ClassVar[str] = "an AED"

    odim: int = arg(low=5)
    n_layers_dec: int = arg(low=0, layers=True)  # 0: no decoder, CTC alone
    # The dictionary has these tokens in fixed places.
    sos_id: int = arg(3, low=3, high=3)
    eos_id: int = arg(4, low=4, high=4)
    pad_id: int = arg(2, low=2, high=2)
    lid_odim: int | None = arg(None, low=5)
    ctc_lead_s: float = arg(CTC_LEAD_S, low=-10, high=10)
    chunk_sizes: str | None = arg(None)
    left_chunks: str | None = arg(None)

    @classmethod
    def from_args(cls, args: Namespace, source: Path | None = None) -> "AedConfig":
        """Config of a checkpoint's `args`; fields this code does not know are ignored.

        Raises:
            ModelError: sizes are missing, wrong, or do not fit together.
        """
        config = super().from_args(args, source)
        try:
            plan = config.chunk_plan
        except ValueError as error:
            raise ModelError(f"{at(source)}the chunks of an AED: {error}") from error
        if plan is not None and plan.has_chunks and not config.causal:
            raise ModelError(f"{at(source)}AED with chunks of {plan.sizes} frames whose convolutions are not causal")
        return config

    @classmethod
    def of_size(cls, size: str, odim: int) -> "AedConfig":
        """One of the published sizes, XS, S, M or L, for a vocabulary.

        Raises:
            ModelError: there is no such size.
        """
        if size not in SIZES:
            raise ModelError(f"AED size {size!r}: known are {', '.join(SIZES)}")
        d_model, layers = SIZES[size]
        return cls(odim=odim, d_model=d_model, n_head=d_model // 64, n_layers_enc=layers, n_layers_dec=layers)

    @property
    def chunk_plan(self) -> ChunkPlan | None:
        """The chunks that its training draws; None: it sees whole utterances."""
        return None if self.chunk_sizes is None else ChunkPlan(self.chunk_sizes, self.left_chunks or ALL)

    @property
    def streams(self) -> bool:
        """Whether it was made for speech that comes in chunks."""
        plan = self.chunk_plan
        return self.causal and plan is not None and plan.has_chunks

    def decoder(self, odim: int) -> TransformerDecoder:
        """A new decoder over `odim` tokens."""
        return TransformerDecoder(
            odim=odim,
            d_model=self.d_model,
            n_layers=self.n_layers_dec,
            n_head=self.n_head,
            residual_dropout=self.residual_dropout,
            dropout_rate=self.dropout_rate,
            pad_id=self.pad_id,
        )


class EncoderDecoder(nn.Module, ABC):
    """What recognition and language identification share: the encoder, loading and saving, and decoding in steps."""

    decoder_name: str  # of the decoder's parameters in checkpoints

    def __init__(self, config: AedConfig, odim: int) -> None:
        super().__init__()
        self.config = config
        self.odim = odim
        self.encoder = config.encoder()
        if config.n_layers_dec:
            self.add_module(self.decoder_name, config.decoder(odim))

    @classmethod
    @abstractmethod
    def for_state(cls: type[Model], config: AedConfig, state: dict[str, Tensor]) -> Model:
        """A new model with the parts for which a checkpoint's state dict has weights."""

    @classmethod
    def load(cls: type[Model], path: Path, fill: Callable[[nn.Module, Any, Path], None] | None = None) -> Model:
        """The model of a published checkpoint, in evaluation mode on the CPU; see also `prepare`.

        Args:
            path: of the checkpoint.
            fill: see `load_network`; by default its weights are in float32.

        Raises:
            ModelError: it cannot be read or is of another kind.
        """
        args, state = load_checkpoint(path)
        config = AedConfig.from_args(args, path)
        if not state:
            raise ModelError(f"{path}: no weights; {QUANTISED} beside it is missing, or can only be used, not trained")
        return load_network(lambda: cls.for_state(config, state), config, state, path, cls.position_tables, fill=fill)

    @classmethod
    def load_stored(cls: type[Model], path: Path, stored: Stored) -> Model:
        """The model of a directory that firered-quantize has written, in evaluation mode on the CPU.

        Args:
            path: of its checkpoint, which says what the model is.
            stored: its weights.

        Raises:
            ModelError: they cannot be read or are of another model.
        """
        config = AedConfig.from_args(load_checkpoint(path)[0], path)
        return stored.network(lambda: cls.for_state(config, stored.tensors), config, cls.quantised_parts())

    def prepare(self: Model) -> Model:
        """The model itself, made ready for inference; `train()` undoes it."""
        return prepare(self)

    def position_tables(self) -> dict[str, PositionTable]:
        """The modules that compute what checkpoints store as tensors, by the names of those tensors."""
        tables = {name: module for name, module in self.named_modules() if isinstance(module, PositionTable)}
        return {f"{name}.pe": module for name, module in tables.items()}

    def checkpoint(self) -> dict[str, object]:
        """A checkpoint in the published layout, position tables included, to be written with `torch.save`."""
        tables = {name: table.released(self.config.pe_maxlen)[None] for name, table in self.position_tables().items()}
        return {"args": self.config.args(), "model_state_dict": {**self.state_dict(), **tables}}

    def forward(
        self, feats: Tensor, lengths: Tensor, tokens: Tensor, chunk: Chunk | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N, U, odim) of the tokens after (N, U), encoder output (N, T', d_model) and lengths (N,)."""
        encoder_out, encoder_lengths = self.encoder(feats, lengths, chunk=chunk)
        return self._decoder(tokens, encoder_out, encoder_lengths), encoder_out, encoder_lengths

    @classmethod
    def quantised_parts(cls) -> tuple[str, str]:
        """Names of the parts that int8 is for; the first layer and the CTC head, small and sensitive, stay float."""
        return "encoder.layer_stack", cls.decoder_name

    def logits(self, tokens: Tensor, encoder_out: Tensor, encoder_lengths: Tensor) -> Tensor:
        """(N * B, U, odim) logits of the tokens after each of (N * B, U): see TransformerDecoder.forward."""
        return self._decoder(tokens, encoder_out, encoder_lengths)

    @property
    def dtype(self) -> torch.dtype:
        """The number format that features have to be in."""
        return self.encoder.input_preprocessor.out.weight.dtype

    def start(self, encoder_out: Tensor, encoder_lengths: Tensor, beams: int, max_len: int) -> DecoderCache:
        """The cache with which beam search decodes: see TransformerDecoder.start."""
        return self._decoder.start(encoder_out, encoder_lengths, beams, max_len)

    def start_tree(self, encoder_out: Tensor, encoder_lengths: Tensor) -> DecoderTree:
        """What computes many prefixes in one pass: see DecoderTree."""
        return DecoderTree(self._decoder, encoder_out, encoder_lengths)

    @property
    def _decoder(self) -> TransformerDecoder:
        return cast(TransformerDecoder, self.get_submodule(self.decoder_name))


class Ctc(nn.Module):
    """One linear layer from encoder frames to the vocabulary, with blank."""

    def __init__(self, d_model: int, odim: int) -> None:
        super().__init__()
        self.ctc_lo = nn.Linear(d_model, odim)

    def forward(self, encoder_out: Tensor) -> Tensor:
        """(N, T, odim) logits."""
        return linear_on_grid(self.ctc_lo, encoder_out)


class Aed(EncoderDecoder):
    """Speech recognition. Checkpoints of the first generation have no CTC head: `has_ctc` is then False."""

    decoder_name = "decoder"

    def __init__(self, config: AedConfig, *, ctc: bool = True) -> None:
        super().__init__(config, config.odim)
        self.ctc = Ctc(config.d_model, config.odim) if ctc else None
        if not (self.has_decoder or ctc):
            raise ModelError("an AED without a decoder (n_layers_dec 0) and without a CTC head writes no text")

    @classmethod
    def for_state(cls, config: AedConfig, state: dict[str, Tensor]) -> "Aed":
        """A new model, with a CTC head if the state dict has one."""
        return cls(config, ctc=any(name.startswith("ctc.") for name in state))

    @property
    def has_ctc(self) -> bool:
        """Whether there is a CTC head, and so time stamps."""
        return self.ctc is not None

    @property
    def has_decoder(self) -> bool:
        """Whether there is a decoder; a model that was trained with CTC alone has none."""
        return self.config.n_layers_dec > 0

    def ctc_log_probs(self, encoder_out: Tensor) -> Tensor:
        """(N, T, odim) float32 log posteriors of the CTC head.

        Raises:
            ModelError: this model has none.
        """
        if self.ctc is None:
            raise ModelError("this model has no CTC head (a checkpoint of the first generation?)")
        return self.ctc(encoder_out).float().log_softmax(-1)


class Lid(EncoderDecoder):
    """Language identification: the same network over language labels."""

    decoder_name = "lid_decoder"

    def __init__(self, config: AedConfig) -> None:
        if config.lid_odim is None:
            raise ModelError("these are not the arguments of a language identification model: lid_odim not given")
        if not config.n_layers_dec:
            raise ModelError("a language identification model needs layers of a decoder, n_layers_dec is 0")
        super().__init__(config, config.lid_odim)

    @classmethod
    def for_state(cls, config: AedConfig, state: dict[str, Tensor]) -> "Lid":
        """A new model."""
        return cls(config)
