"""Recognition with the LLM variant: the published cases, behaviour in company and under fire, command and recipe."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import noise
from tiny_llm import write_tiny_llm

from firered.align.aligner import Aligner
from firered.align.config import AlignConfig
from firered.asr.config import LlmConfig
from firered.asr.families.speech_llm import LlmAsr
from firered.audio.like import as_frames
from firered.errors import AudioError, ModelError
from firered.output.published import published
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of, windows
from firered.text.joining import join_texts

TOP = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
CASES = ["default", "script", "greedy", "maxlen4"]


def command(*args: object) -> subprocess.CompletedProcess:
    flags = ["--type", "llm", *map(str, args)]
    return subprocess.run([BIN / "firered-asr", *flags], capture_output=True, text=True)


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


def speech_of(path: Path, key: str = "") -> Speech:
    return Speech.of(as_frames(str(path), key))


@pytest.fixture(scope="module")
def tiny():
    from conftest import SHARED

    if not (SHARED / "goldens/tiny/FireRedASR2-LLM").is_dir():
        pytest.skip("the golden models are not beside the repository")
    return SHARED / "goldens/tiny"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model of random weights, which says something else about everything."""
    return write_tiny_llm(tmp_path_factory.mktemp("llm") / "FireRedASR2-LLM")


def golden_asr(tiny: Path, **options: object) -> LlmAsr:
    return LlmAsr.from_pretrained(tiny / "FireRedASR2-LLM", LlmConfig(dtype="float32", **options), "cpu")


def random_asr(model_dir: Path, **options: object) -> LlmAsr:
    return LlmAsr.from_pretrained(model_dir, LlmConfig(dtype="float32", **options), "cpu")


def random_speech(count: int, seed: int = 0) -> Speech:
    feats = 10 + 3 * torch.randn(count, 80, generator=torch.Generator().manual_seed(seed))
    return Speech(f"u{seed}", feats, count / 100 + 0.015)


# The published cases


def recorded(result):
    """What the output files are written from, rounded as there."""
    confidences = [round(prob, 3) for prob in result.token_confidence]
    return published(result), result.tokens, confidences, [published(hypothesis) for hypothesis in result.nbest]


@pytest.mark.parametrize("name", CASES)
def test_every_published_case_one_by_one_and_all_at_once(name, tiny):
    case = json.loads((tiny / "llm_expected.json").read_text())[name]
    options = {key: value for key, value in case["config"].items() if key != "batch_size"}
    asr = golden_asr(tiny, **options)
    speech = [speech_of(tiny / one["wav"], one["uttid"]) for one in case["results"]]
    assert len(speech) == 12
    alone = [asr.recognise([one])[0] for one in speech]
    assert [one.text for one in alone] == [one["text"] for one in case["results"]]
    together = asr.recognise(speech)
    for one, other in zip(together, alone, strict=True):
        assert (one.uttid, one.text, one.tokens) == (other.uttid, other.text, other.tokens)
        assert one.token_confidence == pytest.approx(other.token_confidence, abs=1e-3)
        assert [best.tokens for best in one.nbest] == [best.tokens for best in other.nbest]
        assert [best.score for best in one.nbest] == pytest.approx([best.score for best in other.nbest], abs=1e-3)


def test_the_cases_are_all_there(tiny):
    assert json.loads((tiny / "llm_expected.json").read_text()).keys() == set(CASES)


def test_bfloat16_says_the_same(tiny):
    case = json.loads((tiny / "llm_expected.json").read_text())["default"]
    config = LlmConfig(dtype="bfloat16", encoder_dtype="bfloat16")
    asr = LlmAsr.from_pretrained(tiny / "FireRedASR2-LLM", config, "cpu")
    results = asr.recognise([speech_of(tiny / one["wav"]) for one in case["results"]])
    differing = [one["text"] for one, got in zip(case["results"], results, strict=True) if got.text != one["text"]]
    assert len(differing) <= 1, differing


def test_confidence_and_n_best(tiny):
    asr = golden_asr(tiny, nbest=3, llm_length_penalty=1.0)
    result = asr(tiny / "wav/utt00.wav")
    assert result.text == result.nbest[0].text == "你好世界"
    assert "".join(result.tokens).startswith("你好世")
    assert len(result.tokens) == len(result.token_confidence)
    assert all(0 < prob <= 1 for prob in result.token_confidence)
    assert result.confidence == pytest.approx(np.mean(result.token_confidence)) == result.nbest[0].confidence
    scores = [one.score for one in result.nbest]
    assert scores == sorted(scores, reverse=True)
    for one in result.nbest:
        assert one.score == pytest.approx(one.scores["llm"] / one.length)
        assert one.length == len(one.tokens) + 1  # the end counts


# Behaviour


@pytest.mark.parametrize("beam", [1, 3])
def test_company_changes_nothing(beam, model_dir):
    """A short utterance between long ones is what it is alone: padding is not heard."""
    asr = random_asr(model_dir, beam_size=beam, nbest=beam, batch_seconds=600)
    speech = [random_speech(count, seed) for seed, count in enumerate((9, 731, 60, 333, 64))]
    together = asr.recognise(speech)
    assert len({one.text for one in together}) == 5
    for one, result in zip(speech, together, strict=True):
        (alone,) = asr.recognise([one])
        assert [(one.text, one.tokens) for one in alone.nbest] == [(one.text, one.tokens) for one in result.nbest]
        scores = [[best.score, *given.token_confidence] for given in (alone, result) for best in given.nbest[:1]]
        assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_no_more_tokens_than_speech_embeddings_or_as_many_as_allowed(model_dir):
    speech = random_speech(100)  # 25 encoder frames, 12 embeddings
    for options, expected in (({}, 12), ({"decode_max_len": 30}, 30), ({"decode_max_len": 1}, 1)):
        (result,) = random_asr(model_dir, beam_size=1, decode_min_len=40, **options).recognise([speech])
        assert len(result.tokens) == expected
    (free,) = random_asr(model_dir, beam_size=1, decode_max_len=30).recognise([speech])
    (penalised,) = random_asr(model_dir, beam_size=1, decode_max_len=30, repetition_penalty=9.0).recognise([speech])
    assert len(set(penalised.tokens)) / len(penalised.tokens) > len(set(free.tokens)) / len(free.tokens)


def test_temperature_makes_it_less_sure(model_dir):
    speech = [random_speech(100)]
    (sure,) = random_asr(model_dir, beam_size=1).recognise(speech)
    (unsure,) = random_asr(model_dir, beam_size=1, temperature=3.0).recognise(speech)
    assert unsure.tokens == sure.tokens
    assert unsure.confidence < sure.confidence


@pytest.mark.parametrize("count", [1, 4])
def test_too_short_to_hear_anything(count, model_dir):
    """Less than one speech embedding: named, and the others of its batch are not lost."""
    asr = random_asr(model_dir, decode_max_len=5)
    short, good = asr.recognise([random_speech(count), random_speech(200, 1)])
    assert isinstance(short, AudioError)
    assert "too short: the LLM variant needs 65 ms" in str(short)
    assert len(good.tokens) == 5
    (enough,) = asr.recognise([random_speech(5)])
    assert enough.text or enough.tokens


def test_long_audio_is_decoded_in_windows(model_dir, caplog):
    asr = random_asr(model_dir, window_seconds=7, decode_max_len=8, nbest=2)
    speech = random_speech(3000)
    (result,) = asr.recognise([speech])
    assert "u0: longer than 7 s, worked on in" in caplog.text
    parts = asr.recognise([part_of(speech, window) for window in windows(speech, 7, 4)])
    assert len(parts) >= 5
    assert result.text == join_texts(part.text for part in parts)
    assert list(result.tokens) == [token for part in parts for token in part.tokens]
    assert result.confidence == pytest.approx(np.mean(result.token_confidence))
    assert result.nbest == ()
    assert result.dur_s == speech.duration_s


def test_call_with_a_path_or_an_array(tiny):
    asr = golden_asr(tiny)
    path = tiny / "wav/utt08.wav"
    samples, _ = soundfile.read(path, dtype="int16")
    assert asr(path).text == "我在用 python 写代码"
    assert asr(samples, "x").tokens == asr(path).tokens
    with pytest.raises(AudioError):
        asr(np.zeros(16000, np.int16))


# Word times


@pytest.mark.parametrize("timestamps", ["pauses", "reference"])
def test_word_times_are_those_of_the_aligner(timestamps, tiny):
    model = tiny / "FireRedASR2-AED"
    asr = golden_asr(tiny, align_model=str(model), timestamps=timestamps)
    speech = [speech_of(tiny / f"wav/utt0{number}.wav") for number in (0, 8, 3)]
    results = asr.recognise(speech)
    assert [word.text for word in results[1].words] == ["我", "在", "用", "python", "写", "代", "码"]
    aligner = Aligner.from_pretrained(model, AlignConfig(timestamps=timestamps), "cpu")
    aligned = aligner.align(speech, [one.text for one in results])
    assert [one.words for one in results] == [one.words for one in aligned]
    assert results[0].ctc_text == "你世界"  # what this small head makes of it
    assert golden_asr(tiny)(tiny / "wav/utt00.wav").words is None


def test_what_cannot_be_aligned_still_has_words(tiny, model_dir):
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", device="cpu")
    speech = speech_of(tiny / "wav/utt00.wav")
    spread, none = aligner.word_times([speech, speech], ["你好" * 400, ""])
    assert len(spread.words) == 800
    assert spread.words[0].start_s == 0.0
    assert spread.words[-1].end_s == pytest.approx(speech.duration_s, abs=1e-3)
    assert none.words == []


def test_the_guard_hears_the_ctc_head(tiny):
    """utt05's golden text is not what was said: the other model's CTC head reads the English sentence."""
    asr = golden_asr(tiny, align_model=str(tiny / "FireRedASR2-AED"), guard="drop")
    right, wrong = asr(tiny / "wav/utt03.wav"), asr(tiny / "wav/utt05.wav")
    assert (right.text, right.flags) == ("语音识别系统可以把声音变成文字", ())
    assert (wrong.text, wrong.dropped, wrong.words) == ("", "八百标兵奔北坡", ())
    assert wrong.flags[0].startswith("disagreement: 100% differs from what the CTC head reads: the quick")


def test_what_decides_the_results(tiny, tmp_path):
    plain = golden_asr(tiny)
    names = {path.name for path in plain.sources}
    assert {"model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark", "model.safetensors", "config.json"} <= names
    timed = golden_asr(tiny, align_model=str(tiny / "FireRedASR2-AED"))
    assert {path for path in timed.sources if path not in plain.sources} == {
        tiny / "FireRedASR2-AED" / name for name in ("model.pth.tar", "cmvn.ark", "dict.txt")
    }
    with pytest.raises(ModelError, match="no FireRedASR2-AED model here"):
        golden_asr(tiny, align_model=str(tmp_path / "nowhere"))


# The command


def test_command_on_a_data_directory(tiny, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wav.scp").write_text(f"long {tiny}/wav/long.wav\n")
    (tmp_path / "data/segments").write_bytes((tiny / "long.segments").read_bytes())
    flags = ["--model", tiny, "--dtype", "float32", "--align-model", tiny, "--nbest", 2]
    done = command(tmp_path / "data", tmp_path / "a", *flags)
    assert done.returncode == 0, done.stderr
    text, tokens = table(tmp_path / "a/text"), table(tmp_path / "a/token")
    assert len(text) == 12
    assert list(text) == sorted(text)
    assert text["long_utt00"] == "你好世界"
    token_conf, confidences = table(tmp_path / "a/token_conf"), table(tmp_path / "a/utt2conf")
    for key in text:
        probs = [float(prob) for prob in token_conf[key].split()]
        assert len(probs) == len(tokens[key].split())
        assert float(confidences[key]) == pytest.approx(np.mean(probs), abs=2e-3)
    results = [json.loads(line) for line in (tmp_path / "a/asr.jsonl").read_text().splitlines()]
    assert [one["uttid"] for one in results] == sorted(text)
    assert all(set(one) == {"uttid", "text", "confidence", "dur_s", "timestamp"} for one in results)
    ctm = [line.split() for line in (tmp_path / "a/ctm").read_text().splitlines()]
    starts = [float(fields[2]) for fields in ctm]
    assert starts == sorted(starts)  # on the recording's axis
    assert starts[-1] > 55
    nbest = [json.loads(line) for line in (tmp_path / "a/nbest.jsonl").read_text().splitlines()]
    assert [one["nbest"][0]["text"] for one in nbest] == [text[one["uttid"]] for one in nbest]
    assert (tmp_path / "a/failed").read_text() == ""
    assert not (tmp_path / "a/flags").exists()
    config = tmp_path / "a/config.yaml"
    again = command(tmp_path / "data", tmp_path / "b", "--model", tiny, "--config", config)
    assert again.returncode == 0, again.stderr
    for name in ("text", "token", "utt2conf", "asr.jsonl", "ctm", "nbest.jsonl"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text(), name


def test_bad_utterances_harm_nobody(tiny, tmp_path):
    wav = tmp_path / "wav"
    wav.mkdir()
    lines = {"a": f"{tiny}/wav/utt00.wav", "z": f"{tiny}/wav/utt09.wav"}
    soundfile.write(wav / "short.wav", noise(200), 16000)
    soundfile.write(wav / "brief.wav", noise(900), 16000)  # four frames
    soundfile.write(wav / "silence.wav", np.zeros(16000, np.int16), 16000)
    soundfile.write(wav / "oneminute.wav", noise(16000 * 61, 0.01), 16000)
    for name in ("short", "brief", "silence", "oneminute", "missing"):
        lines[name] = f"{wav}/{name}.wav"
    (tmp_path / "wav.scp").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    done = command(tmp_path / "wav.scp", tmp_path / "out", "--model", tiny, "--decode-max-len", 20)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    text = table(tmp_path / "out/text")
    assert text.keys() == {"a", "z", "oneminute"}
    assert (text["a"], text["z"]) == ("你好世界", "please turn on the light")
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == {"short", "brief", "silence", "missing"}
    assert "too short" in failed["brief"]
    assert "longer than 30 s" in done.stderr


def test_killed_and_run_again(tiny, tmp_path):
    scp = [f"{path.stem} {path}\n" for path in sorted((tiny / "wav").glob("utt*.wav"))]
    wait = f"zz test -e {tmp_path}/go || sleep 60; cat {tiny}/wav/utt00.wav |\n"  # of unknown length, so it comes last
    (tmp_path / "wav.scp").write_text("".join(scp) + wait)
    flags = ["--model", tiny, "--batch-seconds", "12"]
    process = subprocess.Popen(
        [BIN / "firered-asr", "--type", "llm", tmp_path / "wav.scp", tmp_path / "out", *flags],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal, deadline = tmp_path / "out/.journal.jsonl", time.monotonic() + 100
    while time.monotonic() < deadline and not (journal.exists() and journal.read_text().count("\n") > 5):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out/text").exists()
    (tmp_path / "go").touch()
    again = command(tmp_path / "wav.scp", tmp_path / "out", *flags)
    assert again.returncode == 0, again.stderr
    assert "of an earlier run" in again.stderr
    assert command(tmp_path / "wav.scp", tmp_path / "fresh", *flags).returncode == 0
    for name in ("text", "token", "utt2conf", "asr.jsonl", "failed", "wav.scp"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["--type", "llm", "--softmax-smoothing", "1"], 2, "No such option"),
        (["--type=llm", "--eos-penalty", "1"], 2, "No such option"),
        (["--type", "aed", "--repetition-penalty", "3"], 2, "No such option"),
        (["--type", "ctc"], 1, "type: 'ctc' is not aed or llm"),
        (["--type", "llm", "--dtype", "float16"], 1, "float16 overflows in the language model"),
        (["--type", "llm", "--nbest", "4"], 1, "nbest: 4 hypotheses asked of a beam of 3"),
    ],
)
def test_each_kind_has_its_own_options(arguments, status, reason, tmp_path):
    done = subprocess.run([BIN / "firered-asr", *arguments, "in", tmp_path / "out"], capture_output=True, text=True)
    assert done.returncode == status
    assert reason in done.stderr


def test_help_of_this_kind_shows_its_options():
    done = subprocess.run([BIN / "firered-asr", "--help", "--type", "llm"], capture_output=True, text=True)
    assert done.returncode == 0
    for field in fields(LlmConfig):
        assert f"--{field.name.replace('_', '-')} <" in done.stdout
    assert "softmax" not in done.stdout


def test_named_settings_are_the_published_examples():
    from firered.options import read_yaml

    values = read_yaml(TOP / "conf/asr_llm.yaml")
    assert values.keys() <= LlmConfig.names()
    config = LlmConfig.of(values)
    assert (config.beam_size, config.repetition_penalty, config.llm_length_penalty) == (3, 3.0, 1.0)


def test_recipe(shared, tmp_path):
    """Stages 3 and 4 on segments that are there; the words' times come from the AED model."""
    if not (TOP / ".venv/bin/firered-asr").exists():
        pytest.skip("run.sh works in .venv, which is not set up here")
    tiny = shared("goldens/tiny")
    vad = tmp_path / "exp/vad"
    vad.mkdir(parents=True)
    (vad / "wav.scp").write_text(f"long {tiny}/wav/long.wav\n")
    (vad / "segments").write_bytes((tiny / "long.segments").read_bytes())
    keys = [line.split()[0] for line in (vad / "segments").read_text().splitlines()]
    (vad / "utt2spk").write_text("".join(f"{key} {key}\n" for key in keys))
    flags = ["--asr-type", "llm", "--asr-config", TOP / "conf/asr_llm.yaml", "--models", tiny, "--nj", "2"]
    stages = ["--exp", tmp_path / "exp", "--stage", "3", "--stop-stage", "4"]
    done = subprocess.run(["bash", TOP / "run.sh", *flags, *stages], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stage 3: recognition (llm)" in done.stdout
    text = table(tmp_path / "exp/asr/text")
    assert list(text) == keys
    assert "type llm" in " ".join(path.read_text() for path in (tmp_path / "exp/asr/log").glob("*.log"))
    ctm = [line.split() for line in (tmp_path / "exp/align/ctm").read_text().splitlines()]
    assert "".join(fields[4] for fields in ctm) == "".join(text[key].replace(" ", "") for key in keys)
    assert (tmp_path / "exp/align/failed").read_text() == ""
