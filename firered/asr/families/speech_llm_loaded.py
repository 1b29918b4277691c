"""A loaded LLM variant with everything around it: normalisation, tokenizer, devices and number formats."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast as cast_type

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from firered.asr.llm_config import LlmConfig
from firered.audio.frontend import Cmvn, FrontEnd
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import CHECKPOINT, ENCODER
from firered.models.adapters import Adapter
from firered.models.bfloat16 import cpu_has_bfloat16, widen
from firered.models.checkpoint import model_files, pick_device
from firered.models.dtype import check_dtype, llm_dtype
from firered.models.fused import prepare
from firered.models.llm_reduced import REDUCED
from firered.models.safetensors_file import weight_files
from firered.models.speech_llm import SpeechEncoder, SpeechLlm, load_encoder
from firered.runtime.loaded import numbers
from firered.runtime.speech import Speech
from firered.text.llm_tokenizer import LlmTokenizer

_FILES = (CHECKPOINT, ENCODER, "cmvn.ark")
_LLM = "Qwen2-7B-Instruct"


@dataclass
class LoadedEncoder:
    """Encoder and adapter of a published directory, ready for inference."""

    encoder: SpeechEncoder
    adapter: Adapter
    cmvn: Cmvn
    device: torch.device
    directory: Path

    @classmethod
    def load(cls, directory: Path, config: LlmConfig, device: str) -> "LoadedEncoder":
        """What a directory with model.pth.tar, asr_encoder.pth.tar and cmvn.ark holds, without a language model.

        Raises:
            ModelError: files are missing or do not fit together, or there is no such device.
            OptionError: the number format is not available there.
        """
        checkpoint, encoder_path, cmvn = model_files(directory, *_FILES)
        place = pick_device(device)
        check_dtype(config.encoder_dtype, place)
        parts = load_encoder(encoder_path, checkpoint, config.encoder_dtype)
        return cls.of(*parts, cmvn, place)

    @classmethod
    def of(cls, encoder: SpeechEncoder, adapter: Adapter, cmvn: Path, device: torch.device) -> "LoadedEncoder":
        """Encoder and adapter on a device; `cmvn` lies in the directory of their checkpoint."""
        prepare(encoder).to(device)
        statistics = Cmvn.read(cmvn, encoder.front_end.bins)
        return cls(encoder, adapter.to(device).eval(), statistics, device, cmvn.parent)

    @property
    def front_end(self) -> FrontEnd:
        """The features that it takes."""
        return self.encoder.front_end

    @property
    def subsampling(self) -> int:
        """Feature frames to an encoder frame."""
        return self.encoder.subsampling

    @property
    def sources(self) -> list[Path]:
        """The files that it was loaded from."""
        return model_files(self.directory, *_FILES)

    @property
    def adapter_rate(self) -> int:
        """Encoder frames to a speech embedding."""
        return self.adapter.downsample_rate

    def positions(self, frames: int) -> int:
        """Speech embeddings of so many feature frames: whole ones, of 80 ms in the published models."""
        return -(-frames // self.subsampling) // self.adapter_rate

    def min_frames(self) -> int:
        """Feature frames that give one speech embedding."""
        return self.subsampling * (self.adapter_rate - 1) + 1

    def encode(self, batch: list[Speech], layers: int | None, adapter: bool) -> tuple[Tensor, Tensor]:
        """Output (N, T, D) of the encoder, of its first so many layers, or of the adapter, and lengths (N,)."""
        encoded = self.encoder(*self.padded(batch), layers)
        return numbers(*(self.adapter(*encoded) if adapter else encoded))

    def padded(self, batch: list[Speech]) -> tuple[Tensor, Tensor]:
        """Normalised features (N, T, bins) and their lengths (N,)."""
        feats = pad_sequence([self.cmvn(speech.feats) for speech in batch], batch_first=True)
        lengths = torch.tensor([len(speech.feats) for speech in batch], device=self.device)
        return feats.to(self.device, self.adapter.dtype), lengths


@dataclass
class LoadedLlm:
    """The model of a published directory, ready for inference: LoRA is merged."""

    model: SpeechLlm
    encoder: LoadedEncoder  # the model's encoder and adapter
    tokenizer: LlmTokenizer
    directory: Path

    @classmethod
    def load(cls, directory: Path, config: LlmConfig, device: str) -> "LoadedLlm":
        """The model of a directory with model.pth.tar, asr_encoder.pth.tar, cmvn.ark and a Qwen2 folder.

        Raises:
            ModelError: files are missing or do not fit together, or there is no such device.
            OptionError: the number format is not available there.
        """
        cmvn = model_files(directory, *_FILES)[-1]
        folder = llm_folder(directory)
        place = pick_device(device)
        llm_place = pick_device(config.llm_device or device)
        spread = "auto" if config.llm_device == "auto" else llm_place
        tokenizer = LlmTokenizer.from_dir(folder)
        reduced = config.dtype if config.dtype in REDUCED else None
        if reduced and (llm_place.type != "cpu" or spread == "auto"):
            raise OptionError(f"dtype: {reduced} is for the processor; take bfloat16 on {llm_place}")
        dtype = torch.float32 if reduced else llm_dtype(config.dtype, llm_place)
        check_dtype(config.encoder_dtype, place)
        model = SpeechLlm.load(
            directory,
            folder,
            tokenizer.speech_id,
            dtype=dtype,
            llm_device=spread,
            encoder_dtype=config.encoder_dtype,
            reduced=reduced,
        )
        tokenizer.check_size(model.llm.config.vocab_size)
        model.merge()
        if dtype == torch.bfloat16 and llm_place.type == "cpu" and not cpu_has_bfloat16():
            widen(model.llm)
        model.eval()
        encoder = LoadedEncoder.of(model.encoder, model.encoder_projector, cmvn, place)
        return cls(model, encoder, tokenizer, directory)

    @property
    def device(self) -> torch.device:
        """Of encoder and adapter."""
        return self.encoder.device

    @property
    def llm(self) -> PreTrainedModel:
        """The language model, of which LoRA is a part once it is merged."""
        return cast_type("PreTrainedModel", self.model.llm)

    @torch.inference_mode()
    def prompts(self, batch: list[Speech]) -> tuple[Tensor, Tensor]:
        """What the language model is given: embeddings (N, S, d), padded on the left, and mask (N, S)."""
        speech = self.model.embed_speech(*self.encoder.padded(batch))
        counts = [self.encoder.positions(len(utterance.feats)) for utterance in batch]
        prompts = [torch.tensor(self.tokenizer.prompt(count)) for count in counts]
        ids = pad_sequence(prompts, batch_first=True, padding_value=self.tokenizer.pad_id, padding_side="left")
        mask = pad_sequence(
            [torch.ones_like(prompt) for prompt in prompts], batch_first=True, padding_side="left"
        ).bool()
        place = self.model.llm.device
        ids, mask = ids.to(place), mask.to(place)
        return self.model.embed(ids, speech), mask


def model_paths(directory: Path) -> list[Path]:
    """All files that decide what a model directory recognises.

    Raises:
        ModelError: some are missing or damaged.
    """
    folder = llm_folder(directory)
    others = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".txt")]
    return [*model_files(directory, *_FILES), *others, *weight_files(folder)]


def llm_folder(directory: Path) -> Path:
    """The language model's folder inside a model directory: the released name, or the only one with a config.json.

    Raises:
        ModelError: there is none, or there are several.
    """
    if (directory / _LLM).is_dir():
        return directory / _LLM
    found = sorted(path.parent for path in directory.glob("*/config.json"))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise ModelError(f"{directory}: one folder of a language model is needed, such as {_LLM}; there is {names}")
    return found[0]
