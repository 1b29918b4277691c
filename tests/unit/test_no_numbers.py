"""A model that gives NaN, such as one with weights too large: every result is an error, and none is made up."""

import shutil

import numpy as np
import pytest
import torch
from support.paths import GOLDENS
from support.table_model import EOS, SOS, Table
from support.tiny_llm import write_tiny_llm
from support.tiny_punc import punc_of, write_tiny

import firered
from firered.errors import ModelError, NoNumbersError
from firered.search.beam import beam_search
from firered.search.config import BeamConfig, GenerateConfig
from firered.search.generate import search

SPEECH = (np.random.default_rng(0).normal(0, 1000, 9600).astype(np.int16), 16000)
TOO_LARGE = 3e38  # finite, but no product of it is


def overflow(network):
    with torch.no_grad():
        for number, weight in enumerate(network.parameters()):
            weight.fill_(TOO_LARGE * (-1) ** number)


@pytest.mark.parametrize("name", ["VAD", "Stream-VAD", "AED"])
def test_detectors(tiny_vad_models, name):
    module = firered.load(tiny_vad_models / "FireRedVAD" / name)
    module.classifier.model.out.weight.data.fill_(float("nan"))
    assert [type(outcome) for outcome in module.batch([SPEECH, SPEECH])] == [NoNumbersError, NoNumbersError]
    if name == "Stream-VAD":
        with pytest.raises(NoNumbersError):
            module.stream().accept(SPEECH[0])


@pytest.mark.parametrize("name", ["FireRedLID", "FireRedASR2-AED"])
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_recognition_and_language(name, part):
    module = firered.load(GOLDENS / "tiny" / name)
    model = module.loaded.model
    overflow(model.encoder if part == "encoder" else model.get_submodule(model.decoder_name))
    assert [type(outcome) for outcome in module.batch([SPEECH, SPEECH])] == [NoNumbersError, NoNumbersError]


def test_the_language_model_variant(tmp_path):
    module = firered.load(write_tiny_llm(tmp_path / "llm"), dtype="float32")
    overflow(module.loaded.model.llm)
    assert [type(outcome) for outcome in module.batch([SPEECH])] == [NoNumbersError]


def test_punctuation(tmp_path):
    module = punc_of(write_tiny(tmp_path / "m"))
    overflow(module.model)
    assert [type(outcome) for outcome in module.batch(["hello world", "ok"])] == [NoNumbersError, NoNumbersError]


def test_both_searches():
    logits = torch.full((1, 4, 4, 4), float("nan"))
    for size in (1, 3):
        with pytest.raises(NoNumbersError):
            beam_search(Table(logits, size), torch.tensor([3]), BeamConfig(beam_size=size), sos=SOS, eos=EOS)
        with pytest.raises(NoNumbersError):
            search(Table(logits, size), torch.tensor([3]), GenerateConfig(beam_size=size), first=SOS, eos=EOS)


def test_a_language_model_of_another_vocabulary(tmp_path):
    shutil.copytree(GOLDENS / "tiny/ELM", tmp_path / "lm")
    with torch.serialization.safe_globals([__import__("argparse").Namespace]):
        content = torch.load(tmp_path / "lm/model.pth.tar", weights_only=True)
    content["args"].idim = content["args"].odim = content["args"].odim - 1
    content["model_state_dict"] = {
        name: value[:-1].clone() if name.startswith(("embedding", "fc")) else value
        for name, value in content["model_state_dict"].items()
    }
    torch.save(content, tmp_path / "lm/model.pth.tar")
    with pytest.raises(ModelError, match=r"lm: a language model of \d+ tokens, the recogniser has \d+"):
        firered.load(GOLDENS / "tiny/FireRedASR2-AED", elm_dir=str(tmp_path / "lm"), elm_weight=0.1)
