"""Recognition and alignment: the published cases, batches, failures and resume."""

import json
import signal
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
from support.commands import command, killed_at
from support.paths import GOLDENS

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.errors import ModelError
from firered.runs.ctm import utterance_words

BIN = Path(sys.executable).parent


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


@pytest.fixture(scope="module")
def tiny():
    return GOLDENS / "tiny"


FOX = "the quick brown fox jumps over the lazy dog"


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


def test_first_generation_transcribes_and_refuses_time_stamps(tiny, tmp_path):
    model = first_generation(tiny, tmp_path / "FireRedASR-AED-L")
    assert Asr.from_pretrained(model)(tiny / "wav/utt07.wav").text == "speech recognition is fun"
    with pytest.raises(ModelError, match=r"no time stamps from this model.*no CTC head"):
        Asr.from_pretrained(model, AsrConfig(timestamps="pauses"))
    done = command("align", tiny / "wav/utt07.wav", tiny / "text", tmp_path / "out", "--model", model)
    assert done.returncode == 1
    assert "no CTC head" in done.stderr


def test_command_on_a_data_directory(tiny, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wav.scp").write_text(f"long {tiny}/wav/long.wav\n")
    (tmp_path / "data/segments").write_bytes((tiny / "long.segments").read_bytes())
    flags = ["--model", tiny / "FireRedASR2-AED", "--timestamps", "pauses", "--nbest", 2]
    done = command("asr", tmp_path / "data", tmp_path / "a", *flags)
    assert done.returncode == 0, done.stderr
    text, tokens = table(tmp_path / "a/text"), table(tmp_path / "a/token")
    assert len(text) == 12
    assert list(text) == sorted(text)
    assert text["long_utt05"] == FOX
    assert tokens["long_utt00"].split() == list(text["long_utt00"])
    token_conf = table(tmp_path / "a/token_conf")
    assert all(len(token_conf[key].split()) == len(tokens[key].split()) for key in tokens)
    assert np.mean([float(p) for p in token_conf["long_utt00"].split()]) == pytest.approx(
        float(table(tmp_path / "a/utt2conf")["long_utt00"]), abs=2e-3
    )
    confidences = table(tmp_path / "a/utt2conf")
    results = [json.loads(line) for line in (tmp_path / "a/asr.jsonl").read_text().splitlines()]
    assert [result["uttid"] for result in results] == sorted(text)
    assert all(f"{result['confidence']:.3f}" == confidences[result["uttid"]] for result in results)
    fields = {"uttid", "text", "confidence", "dur_s", "timestamp", "token_timestamp"}
    assert all(set(result) == fields for result in results)
    for result in results:
        assert [token for token, _, _ in result["token_timestamp"]] == tokens[result["uttid"]].split()
        assert "".join(word for word, _, _ in result["timestamp"]) == result["text"].replace(" ", "")
        edges = {time for _, *times in result["token_timestamp"] for time in times}
        assert {time for _, *times in result["timestamp"] for time in times} <= edges
    ctm = [line.split() for line in (tmp_path / "a/ctm").read_text().splitlines()]
    assert all(fields[:2] == ["long", "1"] and len(fields) == 5 for fields in ctm)
    starts = [float(fields[2]) for fields in ctm]
    assert starts == sorted(starts)  # on the recording's axis
    assert starts[-1] > 55
    nbest = [json.loads(line) for line in (tmp_path / "a/nbest.jsonl").read_text().splitlines()]
    assert [line["nbest"][0]["text"] for line in nbest] == [text[line["uttid"]] for line in nbest]
    assert (tmp_path / "a/failed").read_text() == ""
    assert (tmp_path / "a/segments").exists()
    # from stored features: the same
    assert command("fbank", tmp_path / "data", tmp_path / "f").returncode == 0
    assert command("asr", tmp_path / "f", tmp_path / "b", *flags).returncode == 0
    for name in ("text", "token", "utt2conf", "asr.jsonl", "ctm", "nbest.jsonl"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text(), name


def test_bad_utterances_harm_nobody(tiny, tmp_path):
    wav = tmp_path / "wav"
    wav.mkdir()
    good = {"a": "utt00", "z": "utt05"}
    lines = {key: f"{tiny}/wav/{name}.wav" for key, name in good.items()}
    noise = (np.random.default_rng(0).standard_normal(16000 * 185) * 300).astype(np.int16)
    broken = np.full(16000, 0.1, np.float32)
    broken[100] = np.nan
    soundfile.write(wav / "short.wav", noise[:200], 16000)
    soundfile.write(wav / "silence.wav", np.zeros(16000, np.int16), 16000)
    soundfile.write(wav / "nan.wav", broken, 16000, subtype="FLOAT")
    soundfile.write(wav / "threeminutes.wav", noise, 16000)
    for name in ("short", "silence", "nan", "threeminutes", "missing"):
        lines[name] = f"{wav}/{name}.wav"
    (tmp_path / "wav.scp").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    done = command(
        "asr", tmp_path / "wav.scp", tmp_path / "out", "--model", tiny / "FireRedASR2-AED", "--decode-max-len", 60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    text = table(tmp_path / "out/text")
    assert text.keys() == {"a", "z", "threeminutes"}
    assert (text["a"], text["z"]) == ("你好世界", FOX)
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == {"short", "silence", "nan", "missing"}
    assert "too short" in failed["short"]
    assert "longer than 60 s" in done.stderr


def test_killed_and_run_again(tiny, tmp_path):
    scp = [f"{path.stem} {path}\n" for path in sorted((tiny / "wav").glob("utt*.wav"))]
    (tmp_path / "wav.scp").write_text("".join(scp))
    flags = ["--model", tiny / "FireRedASR2-AED", "--timestamps", "reference", "--batch-seconds", "12"]
    journal = tmp_path / "out/.journal.jsonl"
    died = killed_at(journal, 7, "firered-asr", tmp_path / "wav.scp", tmp_path / "out", *flags)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (tmp_path / "out/text").exists()
    again = command("asr", tmp_path / "wav.scp", tmp_path / "out", *flags)
    assert again.returncode == 0, again.stderr
    assert "of an earlier run" in again.stderr
    assert command("asr", tmp_path / "wav.scp", tmp_path / "fresh", *flags).returncode == 0
    for name in ("text", "token", "utt2conf", "asr.jsonl", "ctm", "failed", "wav.scp"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes(), name


# Spelt with what the dictionary lacks.
ODD = "<unk> [noise] 2014 joe@test.org caf\u00e9 cafe\u0301 don\u2019t\u00a0cook-dinner 你好 ＯＫ привет 👍 —"


def test_alignment_of_given_text(tiny, tmp_path):
    (tmp_path / "text").write_text(
        "utt00 你好世界\nutt05 The quick, brown fox jumps over the lazy dog.\nutt07 \nutt01 "
        + "好" * 400
        + f"\nextra 你\nutt03 {ODD}\n"
    )
    scp = "".join(f"{name} {tiny}/wav/{name}.wav\n" for name in ("utt00", "utt01", "utt02", "utt03", "utt05", "utt07"))
    (tmp_path / "wav.scp").write_text(scp)
    done = command(
        "align", tmp_path / "wav.scp", tmp_path / "text", tmp_path / "out", "--model", tiny / "FireRedASR2-AED"
    )
    assert done.returncode == 1
    ctm = [line.split() for line in (tmp_path / "out/ctm").read_text().splitlines()]
    words = {key: [fields[4] for fields in ctm if fields[0] == key] for key in ("utt00", "utt03", "utt05")}
    assert words == {
        "utt00": list("你好世界"),
        "utt03": ODD.replace("\u00a0", " ").replace("你好", "你 好").split(),
        "utt05": ["The", "quick,", "brown", "fox", "jumps", "over", "the", "lazy", "dog."],
    }
    assert all(len(fields) == 5 and float(fields[3]) > 0 for fields in ctm)
    read = utterance_words(tmp_path / "out/ctm", table(tmp_path / "out/text"), None, [])
    assert (read.reasons, {key: [word.text for word in found] for key, found in read.words.items()}) == ({}, words)
    aligned = [json.loads(line) for line in (tmp_path / "out/align.jsonl").read_text().splitlines()]
    assert [(result["uttid"], "".join(word[0] for word in result["timestamp"])) for result in aligned] == [
        (key, "".join(words[key])) for key in words
    ]
    labels = kaldiio.load_scp(str(tmp_path / "out/ali.scp"))
    assert sorted(labels) == ["utt00", "utt03", "utt05"]
    assert labels["utt00"].dtype == np.int32
    assert len(labels["utt00"]) == -(-275 // 4)
    scores = {key: float(value) for key, value in table(tmp_path / "out/utt2score").items()}
    assert all(score <= 0 for score in scores.values())
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == {"utt01", "utt02", "utt07", "extra"}
    assert "no tokens" in failed["utt07"]
    assert "has no line for this utterance" in failed["utt02"]
    assert "no utterance of this id" in failed["extra"]


def test_missing_model_says_how_to_get_it(tmp_path):
    done = command("asr", tmp_path, tmp_path / "out", "--model", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "hf download FireRedTeam/FireRedASR2-AED" in done.stderr
