"""Whisper's language identification, through transformers: the first step of its decoder (its paper, section 2.3)."""

from typing import Any

import numpy as np
import torch

from firered.audio.framing import SAMPLE_RATE
from firered.errors import ModelError
from firered.models.checkpoint import pick_device
from firered.peers.codes import label_of
from firered.peers.directory import check_directory


class WhisperLid:
    """The likeliest language of the first 30 s of an utterance, and its probability among all that the model knows."""

    def __init__(self, extractor: Any, model: Any) -> None:  # noqa: ANN401 - classes of transformers
        self._extractor, self._model = extractor, model
        tokens = getattr(model.generation_config, "lang_to_id", None)
        if not tokens:
            raise ModelError("it is a model of one language: generation_config.json has no lang_to_id")
        self._codes = [token.strip("<|>") for token in tokens]
        self._ids = list(tokens.values())

    def __call__(self, samples: np.ndarray) -> tuple[str, float]:
        """Label and probability for samples (n,)."""
        heard = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        heard = heard.to(self._model.device, self._model.dtype)
        start = torch.tensor([[self._model.generation_config.decoder_start_token_id]], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(input_features=heard, decoder_input_ids=start, use_cache=False).logits[0, -1]
        probs = logits[self._ids].float().softmax(0)
        best = int(probs.argmax())
        return label_of(self._codes[best]), float(probs[best])


def load(model: str | None, device: str) -> WhisperLid:
    """The adapter; `model` is a directory of Whisper as transformers has it."""
    place = check_directory(model, ("config.json", "generation_config.json", "preprocessor_config.json"))
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

    extractor = WhisperFeatureExtractor.from_pretrained(place, local_files_only=True)
    network: Any = WhisperForConditionalGeneration.from_pretrained(place, local_files_only=True, dtype=torch.float32)
    return WhisperLid(extractor, network.to(pick_device(device)).eval())
