"""What the losses of models of speech share: SpecAugment, chunks, and the encoder-decoder family's published layout."""

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from firered.models.aed import EncoderDecoder
from firered.models.chunks import Chunk
from firered.models.frame_encoder import SUBSAMPLING
from firered.train.data.config import SpecAugmentConfig
from firered.train.objectives.objective import Objective
from firered.train.objectives.regularise import spec_augment

SpeechModel = TypeVar("SpeechModel", bound=nn.Module)
ConformerModel = TypeVar("ConformerModel", bound=EncoderDecoder)


class SpeechObjective(Objective[SpeechModel]):
    """A model of filterbank features, with SpecAugment in training."""

    def __init__(self, model: SpeechModel, dropout: float, specaugment: SpecAugmentConfig) -> None:
        super().__init__(model, dropout)
        self.specaugment = specaugment

    def features(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """(N, T, 80) the batch's features, masked by SpecAugment in training."""
        if not self.training or self.strength == 0:
            return tensors["feats"]
        return spec_augment(tensors["feats"], tensors["lengths"], self.specaugment, self.strength)


class ConformerObjective(SpeechObjective[ConformerModel]):
    """A model of the encoder-decoder family.

    One that streams is trained on chunks that are drawn for each batch, and evaluated on whole utterances.
    """

    def chunk(self, tensors: Mapping[str, Tensor]) -> Chunk | None:
        """What frames of the batch see of the others; None: all of them."""
        plan = self.model.config.chunk_plan
        return plan.draw(-(-tensors["feats"].shape[1] // SUBSAMPLING)) if plan is not None and self.training else None

    @property
    def width(self) -> int:
        """The encoder's width."""
        return self.model.config.d_model

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout, position tables included."""
        published = self.model.checkpoint()
        tensors = published["model_state_dict"]
        assert isinstance(tensors, dict)
        tables = {name: tensors[name] for name in self.model.position_tables()}
        return {"args": published["args"], "model_state_dict": {**state, **tables}}
