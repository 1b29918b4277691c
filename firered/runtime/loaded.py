"""A loaded encoder-decoder with everything around it: normalisation, tokens, device and number format."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic

import torch
from torch import Tensor

from firered.audio.frontend import Cmvn
from firered.errors import ModelError, NoNumbersError
from firered.hub.catalogue import CHECKPOINT, QUANTISED
from firered.models.aed import Aed, Model
from firered.models.checkpoint import model_files, pick_device
from firered.models.chunks import Chunk
from firered.models.dtype import check_dtype, fill_for
from firered.models.frame_encoder import SUBSAMPLING
from firered.models.fused import prepare
from firered.models.stored import Stored
from firered.runtime.speech import Speech
from firered.text.tokenizer import Tokenizer

AED_FILES = (CHECKPOINT, "cmvn.ark", "dict.txt")  # what every directory holds; recognition has SentencePiece's too


log = logging.getLogger(__name__)


@dataclass
class Loaded(Generic[Model]):
    """What recognition, alignment and language identification have in common."""

    model: Model
    cmvn: Cmvn
    tokenizer: Tokenizer
    device: torch.device
    directory: Path
    subsampling: ClassVar[int] = SUBSAMPLING  # feature frames to an encoder frame

    @classmethod
    def load(cls, kind: type[Model], directory: Path, dtype: str, device: str) -> "Loaded[Model]":
        """The model of a published directory.

        Raises:
            ModelError: files are missing or do not fit together, or the number format is not available on the device.
        """
        checkpoint, cmvn, _ = model_files(directory, *AED_FILES)
        place = pick_device(device)
        tokenizer = Tokenizer.from_dir(directory)
        stored = Stored.of(directory)
        if stored is not None:
            stored.need(dtype)
            dtype = stored.dtype
            log.info("%s: weights in %s", directory, dtype)
        check_dtype(dtype, place)
        if stored is None:
            model = kind.load(checkpoint, fill_for(dtype, checkpoint, kind.quantised_parts()))
        else:
            model = kind.load_stored(checkpoint, stored)
        if len(tokenizer) != model.odim:
            raise ModelError(f"{directory}: {len(tokenizer)} tokens in dict.txt, the model has {model.odim}")
        statistics = Cmvn.read(cmvn, model.config.idim)
        prepare(model).to(place)
        return cls(model, statistics, tokenizer, place, directory)

    @property
    def sources(self) -> list[Path]:
        """The files that decide the model's results."""
        stored = [QUANTISED] if (self.directory / QUANTISED).exists() else []
        return model_files(self.directory, *AED_FILES, *stored)

    def encode(
        self, batch: list[Speech], layers: int | None = None, chunk: Chunk | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encoder output (N, T, d_model), or that of its first so many layers, and lengths (N,) of a padded batch.

        With chunks, frames see no others than these.

        Raises:
            NoNumbersError: an utterance has NaN in it.
        """
        feats = torch.nn.utils.rnn.pad_sequence([self.cmvn(speech.feats) for speech in batch], batch_first=True)
        lengths = torch.tensor([len(speech.feats) for speech in batch], device=self.device)
        return numbers(*self.model.encoder(feats.to(self.device, self.model.dtype), lengths, layers, chunk))


def numbers(encoded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The rows (N, T, D) and lengths (N,) themselves.

    Raises:
        NoNumbersError: there is NaN within an utterance's length.
    """
    sums = encoded.sum(-1, dtype=torch.float32)  # (N, T)
    within = torch.arange(sums.shape[1], device=sums.device) < lengths[:, None]
    if bool((sums.isnan() & within).any()):
        raise NoNumbersError
    return encoded, lengths


def need_ctc(loaded: Loaded[Aed], purpose: str) -> None:
    """Raise ModelError where the model has no CTC head."""
    if not loaded.model.has_ctc:
        raise ModelError(
            f"{loaded.directory}: no {purpose} from this model, its checkpoint has no CTC head (the first "
            "generation's have none; FireRedASR2-AED has)"
        )
