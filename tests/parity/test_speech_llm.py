"""The speech language model: published tensors."""

import json

import numpy as np
import pytest
import torch
from peft import PeftModel
from support.paths import GOLDENS

from firered.asr.families.speech_llm_loaded import llm_folder
from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.frontend import Cmvn
from firered.audio.load import read_blocks
from firered.models.speech_llm import SpeechLlm
from firered.runtime.speech import Speech
from firered.text.llm_tokenizer import LlmTokenizer


def load(directory, dtype=torch.float32):
    tokenizer = LlmTokenizer.from_dir(llm_folder(directory))
    return SpeechLlm.load(directory, llm_folder(directory), tokenizer.speech_id, dtype=dtype), tokenizer


@pytest.mark.parametrize("merged", [False, True])
def test_published_tensors(merged):
    tiny = GOLDENS / "tiny"
    golden = np.load(tiny / "llm_tensors.npz")
    model, tokenizer = load(tiny / "FireRedASR2-LLM")
    assert isinstance(model.llm, PeftModel)
    if merged:
        model.merge()
        assert not isinstance(model.llm, PeftModel)
    uttid = json.loads((tiny / "llm_expected.json").read_text())["default"]["results"][0]["uttid"]
    samples = read_blocks(str(tiny / f"wav/{uttid}.wav"), AudioConfig())
    feats = Cmvn.read(tiny / "FireRedASR2-LLM/cmvn.ark")(Speech.of(of_samples(uttid, samples)).feats)
    with torch.no_grad():
        speech = model.embed_speech(feats[None], torch.tensor([len(feats)]))
        ids = torch.tensor([tokenizer.prompt(len(speech))])
        embeds = model.embed(ids, speech)
        logits = model(feats[None], torch.tensor([len(feats)]), ids, torch.ones_like(ids).bool()).logits
    assert tokenizer.prompt(1) == golden["prompt_ids"][0].tolist()
    for got, name in ((speech[None], "speech_embeds"), (embeds, "inputs_embeds"), (logits, "logits")):
        assert got.shape == golden[name].shape
        assert np.abs(got.numpy() - golden[name]).max() < 1e-4, name
