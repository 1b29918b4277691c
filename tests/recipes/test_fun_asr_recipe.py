"""A recipe with Fun-ASR-Nano: it is told the set's language, and writes text as it is spoken and as it is written."""

import json
import subprocess

import pytest
import yaml
from support.corpora import EGS, lay_out
from support.paths import GOLDENS
from support.tiny_fun_asr import write_published_form

from firered.asr.families.fun_asr import FunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.data.datadir import read_table
from firered.runtime.context import Context

SET = "gigaspeech2-th"


def run(folder, *options):
    command = ["bash", EGS / "gigaspeech2/run.sh", "--corpus", folder / "gigaspeech2", "--sets", SET, *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fun_asr")
    lay_out("gigaspeech2", folder)
    # The tiny model has no end of its own: its texts go on to the limit.
    settings = yaml.safe_load((EGS.parent / "conf/asr_fun-asr.yaml").read_text()) | {"max_length": 12}
    (folder / "short.yaml").write_text(yaml.safe_dump(settings))
    model = write_published_form(folder / "Fun-ASR-Tiny", languages=["zh", "th"])
    process = run(folder, "--model", model, "--itn", "true", "--asr-config", folder / "short.yaml")
    assert process.returncode == 0, process.stderr
    return folder, process


def tables(results):
    """The texts and the confidences of tokens, as firered-asr writes them."""
    texts, confidences = read_table(results / "text"), read_table(results / "token_conf")
    return {key: (text, confidences[key]) for key, text in texts.items()}


def recognised(folder, language, *, itn):
    """The same by the model itself, which knows of no data directory."""
    asr = FunAsr.from_pretrained(folder / "Fun-ASR-Tiny", FunAsrConfig(max_length=12, itn=itn))
    wavs = read_table(folder / f"exp/gigaspeech2/{SET}/data/wav.scp")
    results = {key: asr(path, context=Context(language=language)) for key, path in wavs.items()}
    return {key: (result.text, as_written(result.token_confidence)) for key, result in results.items()}


def as_written(confidences):
    return " ".join(f"{value:.3f}" for value in confidences)


def test_both_rows_are_of_the_language_and_the_way_of_writing_that_they_are_to_be(done):
    folder, process = done
    assert "no language of their own" not in process.stderr
    spoken, written = (tables(folder / "exp/gigaspeech2" / SET / place) for place in ("asr", "itn/asr"))
    assert spoken == recognised(folder, "th", itn=False)
    assert written == recognised(folder, "th", itn=True)
    assert spoken not in (written, recognised(folder, None, itn=False))


def test_settings_are_the_published_ones_but_for_itn(done):
    folder, _ = done
    of_set = folder / "exp/gigaspeech2" / SET
    spoken, written = (yaml.safe_load((of_set / place / "config.yaml").read_text()) for place in ("asr", "itn/asr"))
    assert (spoken["itn"], spoken["beam_size"], written["itn"]) == (False, 1, True)
    assert spoken | {"itn": True} == written


def test_the_rows_stand_in_one_table_under_names_of_their_own(done):
    folder, _ = done
    page = (folder / "exp/gigaspeech2/RESULTS.md").read_text()
    assert "\n## Fun-ASR-Tiny\n" in page
    assert "\n## Fun-ASR-Tiny with ITN\n" in page
    scores = sorted((folder / "exp/gigaspeech2" / SET).rglob("score.json"))
    assert len(scores) == 4
    for score in scores:
        assert json.loads(score.read_text())["test_set"] == SET


def test_a_model_that_writes_in_one_way_is_refused_before_anything_is_decoded(tmp_path):
    lay_out("gigaspeech2", tmp_path)
    refused = run(tmp_path, "--models", GOLDENS / "tiny", "--itn", "true")
    assert refused.returncode != 0
    assert "--itn: models of the kind aed have no such option" in refused.stderr
    assert "stage 3" not in refused.stdout
