"""Recognition with the LLM variant: the published cases, batches, failures and resume, command and recipe."""

import json
import signal
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import Done, command, killed_at
from support.paths import GOLDENS
from support.signals import noise

from firered.asr.llm_config import LlmConfig

BIN = Path(sys.executable).parent


def recognise(*arguments: object) -> Done:
    return command("asr", "--type", "llm", *arguments)


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


@pytest.fixture(scope="module")
def tiny():
    return GOLDENS / "tiny"


# The published cases


# Behaviour


# Word times


# The command


def test_command_on_a_data_directory(tiny, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wav.scp").write_text(f"long {tiny}/wav/long.wav\n")
    (tmp_path / "data/segments").write_bytes((tiny / "long.segments").read_bytes())
    flags = ["--model", tiny, "--dtype", "float32", "--align-model", tiny, "--nbest", 2]
    done = recognise(tmp_path / "data", tmp_path / "a", *flags)
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
    assert [result["uttid"] for result in results] == sorted(text)
    fields = {"uttid", "text", "confidence", "dur_s", "timestamp", "token_timestamp", "ctc_text"}
    assert all(set(result) == fields for result in results)
    for result in results:
        assert [token for token, _, _ in result["token_timestamp"]] == tokens[result["uttid"]].split()
        times = [time for _, *span in result["token_timestamp"] for time in span]
        assert times == sorted(times)
    ctm = [line.split() for line in (tmp_path / "a/ctm").read_text().splitlines()]
    starts = [float(fields[2]) for fields in ctm]
    assert starts == sorted(starts)  # on the recording's axis
    assert starts[-1] > 55
    nbest = [json.loads(line) for line in (tmp_path / "a/nbest.jsonl").read_text().splitlines()]
    assert [line["nbest"][0]["text"] for line in nbest] == [text[line["uttid"]] for line in nbest]
    assert (tmp_path / "a/failed").read_text() == ""
    assert not (tmp_path / "a/flags").exists()
    config = tmp_path / "a/config.yaml"
    again = recognise(tmp_path / "data", tmp_path / "b", "--model", tiny, "--config", config)
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
    done = recognise(tmp_path / "wav.scp", tmp_path / "out", "--model", tiny, "--decode-max-len", 20)
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
    (tmp_path / "wav.scp").write_text("".join(scp))
    flags = ["--model", tiny, "--batch-seconds", "12"]
    journal = tmp_path / "out/.journal.jsonl"
    died = killed_at(journal, 7, "firered-asr", "--type", "llm", tmp_path / "wav.scp", tmp_path / "out", *flags)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (tmp_path / "out/text").exists()
    again = recognise(tmp_path / "wav.scp", tmp_path / "out", *flags)
    assert again.returncode == 0, again.stderr
    assert "of an earlier run" in again.stderr
    assert recognise(tmp_path / "wav.scp", tmp_path / "fresh", *flags).returncode == 0
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
        (["--type", "llm", "--nbest", "4"], 1, "nbest: 4 hypotheses requested of a beam of 3"),
    ],
)
def test_each_kind_has_its_own_options(arguments, status, reason, tmp_path):
    done = command("asr", *arguments, "in", tmp_path / "out")
    assert done.returncode == status
    assert reason in done.stderr


def test_help_of_this_kind_shows_its_options():
    done = command("asr", "--help", "--type", "llm")
    assert done.returncode == 0
    for field in fields(LlmConfig):
        assert f"--{field.name.replace('_', '-')} " in done.stdout
    assert "softmax" not in done.stdout
