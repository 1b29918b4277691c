"""Recipes with --decode: rows of utterances as a whole, of a streaming pass and of live finals, side by side."""

import json
import os
import shutil
import subprocess

import pytest
import soundfile
import yaml
from support.corpora import EGS, lay_out
from support.paths import GOLDENS
from support.streaming import write_streaming
from support.tables import under
from support.tiny_fun_asr import write_published_form

from firered.asr.families import FAMILIES
from firered.asr.families.fun_asr import FunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.data.datadir import read_table
from firered.runtime.context import Context

BIN = f"{EGS.parent}/.venv/bin:{os.environ['PATH']}"
SET = "gigaspeech2-vi"
BESIDE = "## Offline, streaming pass and live final"


def run(folder, recipe, *options):
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    command = ["bash", EGS / recipe / "run.sh", "--corpus", folder / recipe, *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder)


def spoken(folder):
    """The corpus of egs/gigaspeech2 with a sentence of egs/mini for each of its recordings."""
    lay_out("gigaspeech2", folder)
    samples, rate = soundfile.read(EGS / "mini/test/wav/f3-zh-00003.flac", dtype="int16")
    for path in (folder / "gigaspeech2").rglob("*.wav"):
        soundfile.write(path, samples, rate)
    return folder


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """All three passes of a model that streams."""
    folder = spoken(tmp_path_factory.mktemp("streaming"))
    model = write_streaming(folder / "chunked")
    models = ("--models", EGS / "mini/models", "--model", model)  # those with their streaming VAD
    options = (*models, "--sets", SET, "--decode", "all", "--chunk-seconds", "0.32")
    process = run(folder, "gigaspeech2", *options)
    assert process.returncode == 0, process.stderr
    return folder / "exp/gigaspeech2", process


def texts(folder, name="text"):
    return read_table(folder / name, empty_value_ok=True)


def test_rows_stand_side_by_side_with_what_kind_of_errors_they_have(done):
    exp, _ = done
    page = (exp / "RESULTS.md").read_text(encoding="utf-8")
    for name in ("chunked", "chunked streaming", "chunked live final"):
        assert f"\n## {name}\n" in page
    rows = [row for row in under(page, BESIDE) if row["Normaliser"] == "firered"]
    assert [row["Pass"] for row in rows] == ["offline", "streaming", "live final"]
    assert {(row["Test set"], row["System"]) for row in rows} == {(SET, "chunked")}
    for row, folder in zip(rows, ("", "streaming", "live"), strict=True):
        score = json.loads((exp / SET / folder / "score/firered/score.json").read_text())
        counts = [str(score[name]) for name in ("substitutions", "deletions", "insertions", "tokens")]
        assert [row[name] for name in ("Sub.", "Del.", "Ins.", "of")] == counts
        assert (score["utterances"], score["missing"]) == (1, 0)


def test_the_streaming_pass_is_in_the_chunks_that_were_asked_for(done):
    exp, _ = done
    folder = exp / f"{SET}/streaming/asr"
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    assert (settings["streaming"], settings["mode"], settings["chunk_seconds"]) == (True, "ctc_prefix", 0.32)
    assert all(texts(folder).values())
    assert texts(folder) == texts(folder, "text_streaming")  # nothing is decoded again
    lines = [json.loads(line) for line in (folder / "live.jsonl").read_text().splitlines()]
    assert {line["reco"] for line in lines} == set(texts(folder))


def test_live_finals_are_of_the_settings_of_whole_utterances(done):
    exp, _ = done
    settings = yaml.safe_load((exp / f"{SET}/live/asr/config.yaml").read_text())
    published = yaml.safe_load((EGS.parent / "conf/asr_aed.yaml").read_text())
    assert {name: settings["asr"][name] for name in published} == published
    assert settings["live"]["chunk_s"] == 0.32
    assert texts(exp / f"{SET}/live/asr").keys() == texts(exp / f"{SET}/asr").keys()


def test_fun_asr_is_decoded_anew_with_every_step(tmp_path):
    spoken(tmp_path)
    model = write_published_form(tmp_path / "Fun-ASR-Tiny", languages=["zh", "vi"])
    settings = yaml.safe_load((EGS.parent / "conf/asr_fun-asr_streaming.yaml").read_text()) | {"max_length": 6}
    (tmp_path / "short.yaml").write_text(yaml.safe_dump(settings))
    options = ("--decode", "streaming", "--streaming-config", tmp_path / "short.yaml", "--chunk-seconds", "0.96")
    process = run(tmp_path, "gigaspeech2", "--model", model, "--sets", SET, "--stop-stage", "3", *options)
    assert process.returncode == 0, process.stderr
    exp = tmp_path / "exp/gigaspeech2" / SET
    asr = FunAsr.from_pretrained(model, FunAsrConfig(max_length=6, itn=False, streaming=True, chunk_seconds=0.96))
    wavs = read_table(exp / "data/wav.scp").items()
    found = {key: asr(path, context=Context(language="vi")).text for key, path in wavs}
    assert texts(exp / "streaming/asr") == found
    assert not (exp / "asr").exists()


@pytest.mark.parametrize(
    ("recipe", "options", "reason"),
    [
        ("aishell", ("--decode", "quick"), "--decode: 'quick' is not made of offline, streaming, live"),
        ("aishell", ("--chunk-seconds", "0.32"), "--chunk-seconds: has no effect without --decode streaming or live"),
        ("aishell", ("--decode", "both", "--hyp", "x", "--system", "y"), "results from elsewhere, have no other pass"),
        ("fleurs_lid", ("--decode", "both"), "this recipe recognises no text"),
        (
            "aishell",
            ("--decode", "both", "--models", EGS / "mini/models", "--stage", "3"),
            "FireRedASR2-AED: this model was made for whole utterances",
        ),
        (
            "aishell",
            ("--decode", "streaming", "--model", GOLDENS / "tiny/FireRedASR2-LLM", "--stage", "3"),
            "FireRedASR2-LLM: models of the kind llm have no streaming pass",
        ),
    ],
)
def test_what_has_no_such_pass_is_refused_before_anything_is_decoded(tmp_path, recipe, options, reason):
    (tmp_path / f"exp/{recipe}").mkdir(parents=True)
    (tmp_path / f"exp/{recipe}/sets").write_text("aishell1\n")
    refused = run(tmp_path, recipe, *options)
    assert refused.returncode == 1
    assert reason in refused.stderr
    assert "stage 3" not in refused.stdout


def test_every_kind_that_streams_has_settings_for_it():
    streaming = {name for name, family in FAMILIES.items() if "streaming" in family.config.names()}
    assert streaming == {"aed", "fun-asr"}
    for name in streaming:
        settings = yaml.safe_load((EGS.parent / f"conf/asr_{name}_streaming.yaml").read_text())
        assert FAMILIES[name].config.of(settings).streaming
    offline = yaml.safe_load((EGS.parent / "conf/asr_fun-asr.yaml").read_text())
    streamed = yaml.safe_load((EGS.parent / "conf/asr_fun-asr_streaming.yaml").read_text())
    assert streamed == offline | {"streaming": True}
