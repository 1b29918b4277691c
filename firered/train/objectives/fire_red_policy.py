"""FireRedASR-LLM as a policy."""

import json
import shutil
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from firered.data.atomic import replacing
from firered.errors import writing
from firered.hub.catalogue import CHECKPOINT
from firered.models.frame_encoder import SUBSAMPLING
from firered.models.speech_llm import SpeechLlm
from firered.text.llm_tokenizer import LlmTokenizer
from firered.train.objectives.policies import Policy, Prompts

_NAME = "speech_llm."
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"


class FireRedPolicy(Policy):
    """FireRedASR-LLM (FireRedASR paper, section 2.2).

    Args:
        model: with LoRA, or where all of the language model is trained without.
        tokenizer: of its language model.
        source: folder of the language model.
        folder: name of the folder that a language model trained as a whole is written to.
        lora: see Policy.
    """

    file = CHECKPOINT

    def __init__(self, model: SpeechLlm, tokenizer: LlmTokenizer, source: Path, folder: str, *, lora: bool) -> None:
        super().__init__(tokenizer, lora=lora)
        self.speech_llm, self._chat, self._source, self._folder = model, tokenizer, source, folder

    @property
    def llm(self) -> PreTrainedModel | PeftModel:
        """The language model."""
        return self.speech_llm.llm

    def prompts(self, tensors: Mapping[str, Tensor]) -> Prompts:
        """Prompts with speech in them, of `feats` (N, T, 80) and `lengths` (N,)."""
        speech = self.speech_llm.embed_speech(tensors["feats"], tensors["lengths"])
        rate = self.speech_llm.encoder_projector.downsample_rate
        ids = [torch.tensor(self._chat.prompt(-(-n // SUBSAMPLING) // rate)) for n in tensors["lengths"].tolist()]
        padded = pad_sequence(ids, batch_first=True, padding_value=self._chat.pad_id, padding_side="left")
        mask = pad_sequence([torch.ones_like(own) for own in ids], batch_first=True, padding_side="left").bool()
        padded, mask = padded.to(speech.device), mask.to(speech.device)
        return Prompts(self.speech_llm.embed(padded, speech), mask, padded[:, -1])

    def exported(self) -> dict[str, Tensor]:
        """Encoder, adapter and LoRA, and the language model where it was trained."""
        frozen = f"{_NAME}llm."
        return {
            name: value
            for name, value in self.state_dict().items()
            if not name.startswith(frozen) or not self.lora or ".lora_" in name
        }

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout; the language model's own weights are in its folder."""
        own = {name.removeprefix(_NAME): value for name, value in state.items()}
        own = {name: value for name, value in own.items() if not name.startswith("llm.") or ".lora_" in name}
        args = Namespace(
            encoder_path="",
            llm_dir="",
            freeze_encoder=True,
            freeze_llm=not self.lora,
            use_lora=any(".lora_" in name for name in own),
            encoder_downsample_rate=self.speech_llm.encoder_projector.downsample_rate,
        )
        return {"args": args, "model_state_dict": own}

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """Write the folder of a language model that was trained as a whole."""
        if self.lora:
            return
        start, folder = f"{_NAME}llm.", out / self._folder
        weights = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in self._source.iterdir():
                if path.is_file() and path.suffix != ".safetensors" and path.name != _INDEX:
                    shutil.copyfile(path, folder / path.name)
            values = json.loads((self._source / "config.json").read_text(encoding="utf-8"))
            values |= {name: "float32" for name in ("dtype", "torch_dtype") if name in values}
            (folder / "config.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
            with replacing(folder / _WEIGHTS, only_writer=True) as unfinished:
                # Each a copy: two names of one tensor, as tied embeddings have them, are not taken.
                save_file({name: value.clone() for name, value in weights.items()}, unfinished, {"format": "pt"})
