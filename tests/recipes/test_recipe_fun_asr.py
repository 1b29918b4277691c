"""run.sh with Fun-ASR-Nano: languages of stage 2, its own punctuation or FireRedPunc's, with and without word times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.paths import GOLDENS
from support.tiny_fun_asr import write_published_form

from firered.asr.families import FAMILIES

TOP = Path(__file__).resolve().parents[2]
TINY = GOLDENS / "tiny"
LANGUAGES = ("zh mandarin", "en", "th", "zh yue", "ja")


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def data_dir(folder: Path) -> list[str]:
    """Segments of a recording; their ids."""
    folder.mkdir(parents=True)
    (folder / "wav.scp").write_text(f"long {TINY}/wav/long.wav\n")
    segments = (TINY / "long.segments").read_text().splitlines()[:5]
    keys = [line.split()[0] for line in segments]
    (folder / "segments").write_text("".join(f"{line}\n" for line in segments))
    for name in ("utt2spk", "spk2utt"):
        (folder / name).write_text("".join(f"{key} {key}\n" for key in keys))
    return keys


def recipe(models: Path, exp: Path, first: int, **settings: object) -> str:
    if not (TOP / ".venv/bin/firered-asr").exists():
        pytest.skip("run.sh works in .venv, which is not set up here")
    config = exp / "asr.yaml"
    config.write_text(yaml.safe_dump({"dtype": "float32", "max_length": 12, "split_truncated": False, **settings}))
    flags = ["--asr-type", "fun-asr", "--asr-config", config, "--models", models, "--exp", exp]
    stages = ["--stage", str(first), "--stop-stage", "5"]
    done = subprocess.run(["bash", TOP / "run.sh", *flags, *stages], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_help_names_all_kinds_of_recognisers():
    shown = subprocess.run(["bash", TOP / "run.sh", "--help"], capture_output=True, text=True).stdout
    (line,) = (line for line in shown.splitlines() if "--asr-type" in line)
    assert set(line.split()[1].split("|")) == set(FAMILIES)
    shown = subprocess.run(["bash", TOP / "egs/aishell/run.sh", "--help"], capture_output=True, text=True).stdout
    (line,) = (line for line in shown.splitlines() if "--asr-type" in line)
    assert set(line.split()[1].split("|")) == set(FAMILIES)


@pytest.mark.slow
def test_stages_with_its_own_punctuation_and_times(tmp_path):
    models, exp = tmp_path / "models", tmp_path / "exp"
    write_published_form(models / "Fun-ASR-Nano-2512")
    keys = data_dir(exp / "vad")
    (exp / "lid").mkdir()
    (exp / "lid/utt2lang").write_text("".join(f"{key} {lang}\n" for key, lang in zip(keys, LANGUAGES, strict=True)))
    said = recipe(models, exp, 3)
    assert "stage 3: recognition (fun-asr)" in said
    assert "FireRedPunc is not used" in said
    results = {line["uttid"]: line for line in lines(exp / "asr/asr.jsonl")}
    assert list(results) == keys
    log = "".join(path.read_text() for path in (exp / "asr/log").glob("*.log"))
    assert "utt2lang: 1 utterances get no language of their own" in log
    assert "th is not known" in log
    timed = {line["uttid"]: line["timestamp"] for line in lines(exp / "align/align.jsonl")}
    assert [[word[0] for word in timed[key]] for key in keys] == [
        [word[0] for word in results[key]["timestamp"]] for key in keys
    ]
    assert table(exp / "punc/text") == table(exp / "asr/text")
    sentences = {line["uttid"]: line["sentences"] for line in lines(exp / "punc/sentences.jsonl")}
    assert list(sentences) == keys
    assert set(table(exp / "asr/flags")) == set(keys)  # random weights know no end
    assert all((exp / name / "failed").read_text() == "" for name in ("asr", "align", "punc"))


@pytest.mark.nightly
def test_stages_without_times_and_itn_are_punctuated_by_firered_punc(tmp_path):
    """The checkpoint has no CTC head: stage 4 says which file has one, and stage 5 does without times."""
    models, exp = tmp_path / "models", tmp_path / "exp"
    write_published_form(models / "Fun-ASR-Nano-2512", ctc=False)
    (models / "FireRedPunc").symlink_to(TINY / "FireRedPunc")
    keys = data_dir(exp / "asr")
    (exp / "asr/text").write_text("".join(f"{key} 你好世界\n" for key in keys))
    (exp / "asr/config.yaml").write_text("itn: false\n")
    for old in ("align/ctm", "punc/sentences.jsonl"):  # of an earlier run
        (exp / old).parent.mkdir()
        (exp / old).touch()
    said = recipe(models, exp, 4)
    assert "no word times: " in said
    assert "2,127,426,538 bytes" in said
    assert "FireRedPunc is not used" not in said
    assert not (exp / "align/ctm").exists()
    assert not (exp / "punc/sentences.jsonl").exists()
    assert list(table(exp / "punc/text")) == keys
    assert (exp / "punc/config.yaml").read_text().startswith(f"# firered-punc --model {models}/FireRedPunc")


def asked(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, TOP / "utils/recogniser.py", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_kind_without_a_ctc_head_has_none_where_there_is_no_other_model(tmp_path):
    """The stage is left out, with the reason; beside FireRedASR2-AED there are times."""
    assert asked("times", TINY, "llm") == ""
    (tmp_path / "FireRedASR2-LLM").symlink_to(TINY / "FireRedASR2-LLM")
    reason = asked("times", tmp_path, "llm")
    assert f"{tmp_path}: no FireRedASR2-AED model here" in reason
    assert len(reason.splitlines()) == 1
