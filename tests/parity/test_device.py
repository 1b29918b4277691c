"""Every module on a GPU gives what the published system gave, alone as in a batch.

`FIRERED_DEVICE` names the device (cuda where there is one); `FIRERED_DEVICE=cpu` tries these tests without a GPU.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from support.paths import GOLDENS

from firered import Asr, Lid, LlmAsr, Mvad, Punc, StreamVad, Vad
from firered.asr.config import AsrConfig, LlmConfig
from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.load import read_blocks
from firered.lid.config import LidConfig
from firered.runtime.speech import Speech

TINY = GOLDENS / "tiny"
BUNDLED = Path(__file__).parents[2] / "egs/mini"
DEVICE = os.environ.get("FIRERED_DEVICE") or ("cuda" if torch.cuda.is_available() else "")

# Not the mark `gpu`, which skips without a CUDA device: these can be tried without one.
pytestmark = pytest.mark.skipif(not DEVICE, reason="no CUDA device; FIRERED_DEVICE=cpu tries these tests without one")


def speech_of(path: Path, key: str = "") -> Speech:
    return Speech.of(of_samples(key or path.stem, read_blocks(str(path), AudioConfig())))


def expected_of(name: str) -> dict:
    return json.loads((TINY / f"{name}_expected.json").read_text())


def batched(speech: list[Speech], process, in_one_batch: bool) -> list:
    return process(speech) if in_one_batch else [process([utterance])[0] for utterance in speech]


@pytest.mark.parametrize("in_one_batch", [False, True])
@pytest.mark.parametrize("name", ["greedy", "default_b1", "beam5_eos2", "maxlen5", "elm03"])
def test_aed(name, in_one_batch):
    options = dict(expected_of("aed")[name]["config"])
    stamps = options.pop("return_timestamp", False)
    del options["batch_size"]
    if options.pop("use_elm"):
        options["elm_dir"] = str(TINY / "ELM")
    config = AsrConfig(timestamps="reference" if stamps else "none", **options)
    asr = Asr.from_pretrained(TINY / "FireRedASR2-AED", config, DEVICE)
    goldens = expected_of("aed")[name]["results"]
    results = batched([speech_of(TINY / golden["wav"]) for golden in goldens], asr.recognise, in_one_batch)
    assert [result.text for result in results] == [golden["text"] for golden in goldens]
    for result, golden in zip(results, goldens, strict=True):
        assert result.confidence == pytest.approx(golden["confidence"], abs=2e-3), golden["uttid"]
        if stamps:
            assert [[word.text, word.start_s, word.end_s] for word in result.words] == golden["timestamp"]


@pytest.mark.parametrize(("dtype", "most"), [("float16", 1), ("bfloat16", 2)])  # of 18 utterances, 6 of them in noise
def test_aed_in_half_precision_differs_in_few_utterances(dtype, most):
    if DEVICE == "cpu" and dtype == "float16":
        pytest.skip("float16 is for CUDA")
    goldens = expected_of("aed")["default_b1"]["results"]
    asr = Asr.from_pretrained(TINY / "FireRedASR2-AED", AsrConfig(dtype=dtype), DEVICE)
    results = asr.recognise([speech_of(TINY / golden["wav"]) for golden in goldens])
    differing = sum(result.text != golden["text"] for result, golden in zip(results, goldens, strict=True))
    assert differing <= most


@pytest.mark.parametrize("in_one_batch", [False, True])
@pytest.mark.parametrize("name", ["default", "script", "greedy", "maxlen4"])
def test_llm(name, in_one_batch):
    case = expected_of("llm")[name]
    options = {key: value for key, value in case["config"].items() if key != "batch_size"}
    asr = LlmAsr.from_pretrained(TINY / "FireRedASR2-LLM", LlmConfig(dtype="float32", **options), DEVICE)
    speech = [speech_of(TINY / golden["wav"]) for golden in case["results"]]
    results = batched(speech, asr.recognise, in_one_batch)
    assert [result.text for result in results] == [golden["text"] for golden in case["results"]]


@pytest.mark.parametrize("in_one_batch", [False, True])
def test_lid(in_one_batch):
    goldens = expected_of("lid")["b1"]
    lid = Lid.from_pretrained(TINY / "FireRedLID", LidConfig(), DEVICE)
    speech = [speech_of(TINY / "wav" / Path(golden["wav"]).name) for golden in goldens]
    results = batched(speech, lid.identify, in_one_batch)
    assert [result.lang for result in results] == [golden["lang"] for golden in goldens]
    for result, golden in zip(results, goldens, strict=True):
        assert result.confidence == pytest.approx(golden["confidence"], abs=2e-3), golden["uttid"]


def test_punctuation():
    goldens = expected_of("punc")["process_max-1"]["results"]
    punc = Punc.from_pretrained(TINY / "FireRedPunc", device=DEVICE)
    results = punc.punctuate([golden["origin_text"] for golden in goldens])
    assert [result.punc_text for result in results] == [golden["punc_text"] for golden in goldens]


@pytest.mark.parametrize(
    ("kind", "part"), [(Vad, "FireRedVAD/VAD"), (StreamVad, "FireRedVAD/Stream-VAD"), (Mvad, "FireRedVAD/AED")]
)
def test_voice_detectors_give_the_processors_posteriors(kind, part):
    """On the bundled models and recordings, which the processor's own parity tests hold to the published system."""
    on_device = kind.from_pretrained(BUNDLED / "models" / part, device=DEVICE)
    on_processor = kind.from_pretrained(BUNDLED / "models" / part, device="cpu")
    recordings = sorted((BUNDLED / "test/wav").glob("*"))[:5]
    assert len(recordings) == 5
    for recording in recordings:
        result, expected = on_device(str(recording)), on_processor(str(recording))
        assert np.abs(result.probs - expected.probs).max() < 1e-3
        if kind is not Mvad:
            assert result.timestamps == expected.timestamps
