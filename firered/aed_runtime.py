"""A loaded encoder-decoder with everything around it: normalisation, tokens, device and number format."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.checkpoint import CHECKPOINT, model_files, pick_device
from firered.errors import ModelError
from firered.feats import Cmvn
from firered.models.aed import Aed
from firered.numbers import cast
from firered.tokenizer import Tokenizer
from firered.utterance_job import Speech


@dataclass
class LoadedAed:
    """What recognition and alignment have in common."""

    model: Aed
    cmvn: Cmvn
    tokenizer: Tokenizer
    device: torch.device
    directory: Path

    @classmethod
    def load(cls, directory: Path, dtype: str, device: str) -> "LoadedAed":
        """The model of a published directory.

        Raises:
            ModelError: files are missing or do not fit together, or the number format is not to be had on the device.
        """
        checkpoint, cmvn, _ = model_files(directory, CHECKPOINT, "cmvn.ark", "dict.txt")
        place = pick_device(device)
        tokenizer = Tokenizer.from_dir(directory)
        model = Aed.load(checkpoint)
        if len(tokenizer) != model.config.odim:
            raise ModelError(f"{directory}: {len(tokenizer)} tokens in dict.txt, the model has {model.config.odim}")
        return cls(cast(model.prepare(), dtype, place), Cmvn.read(cmvn), tokenizer, place, directory)

    def need_ctc(self, purpose: str) -> None:
        """Raise ModelError where the model has no CTC head."""
        if not self.model.has_ctc:
            raise ModelError(
                f"{self.directory}: no {purpose} from this model, its checkpoint has no CTC head (the first "
                "generation's have none; FireRedASR2-AED has)"
            )

    def encode(self, batch: list[Speech]) -> tuple[Tensor, Tensor]:
        """Encoder output (N, T, d_model) and lengths (N,) of a padded batch."""
        feats = torch.nn.utils.rnn.pad_sequence([self.cmvn(one.feats) for one in batch], batch_first=True)
        lengths = torch.tensor([len(one.feats) for one in batch], device=self.device)
        return self.model.encoder(feats.to(self.device, self.model.dtype), lengths)
