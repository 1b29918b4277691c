"""Recognition and alignment by the AED model: the published cases, and the same in every batch and format."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.paths import GOLDENS

from firered.align.aligner import Aligner
from firered.align.config import AlignConfig
from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.load import read_blocks
from firered.errors import AudioError, ModelError
from firered.output.published import published
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of, windows
from firered.text.joining import join_texts


def speech_of(path: Path, key: str = "") -> Speech:
    return Speech.of(of_samples(key or path.stem, read_blocks(str(path), AudioConfig())))


@pytest.fixture(scope="module")
def tiny():
    return GOLDENS / "tiny"


def recogniser(tiny: Path, **options: object) -> Asr:
    return Asr.from_pretrained(tiny / "FireRedASR2-AED", AsrConfig(**options), "cpu")


FOX = "the quick brown fox jumps over the lazy dog"
CASES = ["greedy", "default_b1", "default_b6", "beam5_eos2", "maxlen5", "elm03", "eos0.1", "eos10", "eos30", "elm_neg"]


@pytest.mark.parametrize("name", CASES)
def test_every_published_case(name, tiny):
    cases = {
        **json.loads((tiny / "aed_expected.json").read_text()),
        **json.loads((tiny / "aed_extra_expected.json").read_text()),
    }
    options = dict(cases[name]["config"])
    batch, stamps = options.pop("batch_size"), options.pop("return_timestamp", False)
    if options.pop("use_elm"):
        options["elm_dir"] = str(tiny / "ELM")
    asr = recogniser(tiny, timestamps="reference" if stamps else "none", **options)
    expected = cases[name]["results"]
    speech = [speech_of(tiny / case["wav"], case["uttid"]) for case in expected]
    groups = [speech] if batch > 1 else [[utterance] for utterance in speech]
    got = [published(result) for group in groups for result in asr.recognise(group)]
    assert len(got) == 18
    for fields, golden in zip(got, expected, strict=True):
        assert fields["uttid"] == golden["uttid"]
        assert fields["text"] == golden["text"], golden["uttid"]
        assert fields["confidence"] == pytest.approx(golden["confidence"], abs=2e-3), golden["uttid"]
        assert fields["dur_s"] == golden["dur_s"]
        assert fields.get("timestamp") == golden.get("timestamp"), golden["uttid"]


def test_published_n_best(tiny):
    golden = json.loads((tiny / "aed_expected.json").read_text())["nbest4"]
    asr = recogniser(tiny, beam_size=4, nbest=4)
    results = asr.recognise([speech_of(tiny / f"wav/{name}.wav") for name in golden["utts"]])
    for result, hypotheses in zip(results, golden["hyps"], strict=True):
        ids = [asr.loaded.tokenizer.ids_of(hypothesis.tokens) for hypothesis in result.nbest]
        assert ids == [hypothesis["yseq"] for hypothesis in hypotheses]
        for hypothesis, expected in zip(result.nbest, hypotheses, strict=True):
            assert hypothesis.confidence == pytest.approx(expected["confidence"], abs=2e-3)
        scores = [hypothesis.score for hypothesis in result.nbest]
        assert scores == sorted(scores, reverse=True)
        for hypothesis in result.nbest:
            assert hypothesis.score == pytest.approx(sum(hypothesis.scores.values()) / hypothesis.length, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_results_are_batch_invariant(dtype, tiny):
    asr = recogniser(tiny, timestamps="pauses", dtype=dtype)
    speech = [speech_of(path) for path in sorted((tiny / "wav").glob("utt0*.wav"))]
    batched = asr.recognise(speech)
    for utterance, result in zip(speech, batched, strict=True):
        (single,) = asr.recognise([utterance])
        assert published(single) == published(result)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_other_number_formats_give_nearly_the_same_text(dtype, tiny):
    speech = [speech_of(path) for path in sorted((tiny / "wav").glob("utt*.wav"))]
    exact = [result.text for result in recogniser(tiny).recognise(speech)]
    other = [result.text for result in recogniser(tiny, dtype=dtype).recognise(speech)]
    differing = [utterance.key for utterance, a, b in zip(speech, exact, other, strict=True) if a != b]
    assert all(key.endswith("n") for key in differing)  # in noise, where the best two are level
    assert len(differing) <= 1


def test_number_formats_that_are_not_to_be_had(tiny):
    with pytest.raises(Exception, match="float16 is for CUDA"):
        recogniser(tiny, dtype="float16")


def test_geometric_confidence(tiny):
    (mean,) = recogniser(tiny).recognise([speech_of(tiny / "wav/utt01.wav")])
    (geometric,) = recogniser(tiny, confidence="geometric").recognise([speech_of(tiny / "wav/utt01.wav")])
    assert mean.confidence == pytest.approx(np.mean(mean.token_confidence))
    assert geometric.confidence == pytest.approx(np.exp(np.mean(np.log(mean.token_confidence))))
    assert geometric.confidence < mean.confidence


def test_call_with_a_path_or_an_array(tiny):
    asr = recogniser(tiny)
    path = tiny / "wav/utt05.wav"
    samples, _ = soundfile.read(path, dtype="int16")
    assert asr(path).text == FOX
    assert asr(samples, "x").text == asr(path).text
    with pytest.raises(AudioError):
        asr(np.zeros(16000, np.int16))


def first_generation(tiny: Path, out: Path) -> Path:
    """The golden model without its CTC head, as the first generation was published."""
    with torch.serialization.safe_globals([__import__("argparse").Namespace]):
        package = torch.load(tiny / "FireRedASR2-AED/model.pth.tar", weights_only=True)
    state = package["model_state_dict"]
    package["model_state_dict"] = {name: value for name, value in state.items() if not name.startswith("ctc.")}
    out.mkdir()
    torch.save(package, out / "model.pth.tar")
    for name in ("cmvn.ark", "dict.txt", "train_bpe1000.model"):
        (out / name).write_bytes((tiny / "FireRedASR2-AED" / name).read_bytes())
    return out


def test_long_audio_is_decoded_in_windows(tiny, caplog):
    asr = recogniser(tiny, timestamps="pauses", window_seconds=7, decode_max_len=30)
    speech = speech_of(tiny / "wav/long.wav")
    (result,) = asr.recognise([speech])
    assert "processed in" in caplog.text
    times = [time for word in result.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[-1] > 55
    assert times[-1] <= 62.443
    found = windows(speech, 7, 4)
    parts = asr.recognise([part_of(speech, window) for window in found])
    assert result.text == join_texts(part.text for part in parts)
    assert list(result.tokens) == [token for part in parts for token in part.tokens]
    assert result.confidence == pytest.approx(np.mean(result.token_confidence))
    expected = [
        (word.text, round(start / 100 + word.start_s, 3), round(start / 100 + word.end_s, 3))
        for part, (start, _) in zip(parts, found, strict=True)
        for word in part.words
    ]
    assert [(word.text, word.start_s, word.end_s) for word in result.words] == expected


def test_twenty_minutes_do_not_crash(tiny):
    samples = np.tile(soundfile.read(tiny / "wav/long.wav", dtype="int16")[0], 20)
    result = recogniser(tiny, timestamps="pauses", decode_max_len=40)(samples)
    assert result.dur_s == pytest.approx(20 * 62.443, abs=0.01)
    assert result.words[-1].end_s > 1000


def test_a_wrong_text_aligns_worse(tiny):
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", AlignConfig(), "cpu")
    speech = speech_of(tiny / "wav/utt00.wav")
    right, wrong = aligner.align([speech, speech], ["你好世界", "请把音量"])
    assert right.alignment.mean_log_prob > wrong.alignment.mean_log_prob


def test_alignment_times_agree_with_those_of_recognition(tiny):
    asr = recogniser(tiny, timestamps="reference")
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", AlignConfig(timestamps="reference"), "cpu")
    speech = speech_of(tiny / "wav/utt05.wav")
    (recognised,) = asr.recognise([speech])
    (aligned,) = aligner.align([speech], [recognised.text])
    assert aligned.words == recognised.words


def test_a_dict_of_another_model_is_refused(tiny, tmp_path):
    model = first_generation(tiny, tmp_path / "m")
    lines = (model / "dict.txt").read_text().splitlines()
    (model / "dict.txt").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(ModelError, match=r"129 tokens in dict\.txt, the model has 130"):
        Asr.from_pretrained(model)


def test_a_model_with_a_lead_of_its_own(tiny):
    speech = speech_of(tiny / "wav/utt00.wav")
    asr = recogniser(tiny, timestamps="pauses")
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", AlignConfig(timestamps="pauses"), "cpu")
    (before,) = asr.recognise([speech])
    for model in (asr.loaded.model, aligner.loaded.model):
        model.config = replace(model.config, ctc_lead_s=0.03)
    (after,) = asr.recognise([speech])
    assert after.words[1].start_s - before.words[1].start_s == pytest.approx(0.03)
    assert aligner.align([speech], [after.text])[0].words == after.words
