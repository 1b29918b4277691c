"""Every module on a GPU gives what the published system gave, alone as in a batch; in reduced formats nearly so.

`FIRERED_DEVICE` names the device (cuda where there is one); `FIRERED_DEVICE=cpu` tries these tests without a GPU.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from support.paths import GOLDENS
from support.tiny_transformers import write_ctc, write_whisper

import firered
from firered import Asr, Lid, LlmAsr, Mvad, Punc, StreamVad, Vad
from firered.asr.aed_config import AsrConfig
from firered.asr.families.fun_asr import FunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.llm_config import LlmConfig
from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.like import as_frames
from firered.audio.load import read_blocks
from firered.lid.config import LidConfig
from firered.models import step_graph
from firered.punc.config import PuncConfig
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


def need(dtype: str) -> None:
    if DEVICE == "cpu" and dtype == "float16":
        pytest.skip("float16 is for CUDA")


def differing(family: str, dtype: str, results: list, goldens: list[dict]) -> int:
    """How many texts are not the golden ones; gpu.sh puts what this prints into its table."""
    count = sum(result.text != golden["text"] for result, golden in zip(results, goldens, strict=True))
    print(f"differing: {family} in {dtype}: {count} of {len(goldens)}")
    return count


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


# Of 18 utterances, 6 of them in noise. A model of random weights or one that talks nonsense would differ in more.
@pytest.mark.parametrize(("dtype", "most"), [("float16", 1), ("bfloat16", 2)])
def test_aed_in_half_precision_differs_in_few_utterances(dtype, most):
    need(dtype)
    goldens = expected_of("aed")["default_b1"]["results"]
    asr = Asr.from_pretrained(TINY / "FireRedASR2-AED", AsrConfig(dtype=dtype), DEVICE)
    results = asr.recognise([speech_of(TINY / golden["wav"]) for golden in goldens])
    assert differing("aed", dtype, results, goldens) <= most


@pytest.mark.parametrize(("dtype", "encoder"), [("bfloat16", "float32"), ("bfloat16", "float16")])
def test_llm_in_half_precision_differs_in_few_utterances(dtype, encoder):
    need(encoder)
    goldens = expected_of("llm")["default"]["results"]
    config = LlmConfig(dtype=dtype, encoder_dtype=encoder)
    asr = LlmAsr.from_pretrained(TINY / "FireRedASR2-LLM", config, DEVICE)
    results = asr.recognise([speech_of(TINY / golden["wav"]) for golden in goldens])
    assert differing("llm", f"{dtype}, encoder {encoder}", results, goldens) <= len(goldens) // 4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_fun_asr(dtype, shared):
    need(dtype)
    goldens = json.loads(shared("goldens/FunASRNano/funasr_expected.json").read_text())["results"]["default"]
    config = FunAsrConfig(dtype=dtype, encoder_dtype=dtype, max_length=64, split_truncated=False)
    asr = FunAsr.from_pretrained(shared("goldens/FunASRNano/Fun-ASR-Nano-2512"), config, DEVICE)
    speech = [Speech.of(as_frames(str(TINY / golden["wav"]), front_end=asr.front_end)) for golden in goldens]
    for in_one_batch in (False, True):
        results = batched(speech, asr.recognise, in_one_batch)
        most = 0 if dtype == "float32" else len(goldens) // 4
        assert differing("fun_asr", dtype, results, goldens) <= most


@pytest.mark.parametrize("write", [write_whisper, write_ctc])
def test_recognisers_of_transformers_write_what_they_do_on_a_processor(write, tmp_path):
    directory = write(tmp_path / "model")
    draw = np.random.default_rng(0)
    audio = [draw.normal(0, 2000, round(16000 * seconds)).astype(np.int16) for seconds in (1.3, 4.0, 9.99)]
    texts = [
        [result.text for result in firered.load(directory, device=device, dtype="float32").batch(audio)]
        for device in (DEVICE, "cpu")
    ]
    assert texts[0] == texts[1]
    assert any(texts[1])


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
    punc = Punc.from_pretrained(TINY / "FireRedPunc", PuncConfig(published=True), DEVICE)
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


@pytest.mark.parametrize("beam", [1, 3])
def test_steps_as_cuda_graphs_write_the_same_text(beam, monkeypatch):
    texts = []
    for setting in ("1", "0"):
        monkeypatch.setenv("FIRERED_CUDA_GRAPHS", setting)
        for kind, part, config in (
            (Asr, "FireRedASR2-AED", AsrConfig(beam_size=beam)),
            (LlmAsr, "FireRedASR2-LLM", LlmConfig(dtype="float32", beam_size=beam)),
        ):
            asr = kind.from_pretrained(BUNDLED / "models" / part, config, DEVICE)
            speech = [speech_of(path) for path in sorted((BUNDLED / "test/wav").glob("*"))[:5]]
            texts.append([result.text for result in asr.recognise(speech)])
    assert texts[:2] == texts[2:]
    assert all(all(found) for found in texts)
    assert step_graph.failure() == ""
