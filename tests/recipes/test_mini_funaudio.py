"""egs/mini_funaudio: shares of the labels, the section on Best-RQ, and the whole recipe on tones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.signals import noise, sine, write_wav

from firered.data.datadir import read_table, write_table
from firered.errors import DataError

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "egs/mini_funaudio/local"))  # the recipe's scripts are no package

import best_rq_results  # noqa: E402
import labels  # noqa: E402
import small_qwen3  # noqa: E402


def test_a_smaller_share_of_the_labels_is_part_of_a_larger_one(tmp_path):
    keys = [f"u{number:03d}" for number in range(200)]
    few, many = (labels.chosen(keys, percent, 1) for percent in (1, 10))
    assert (len(few), len(many), len(labels.chosen(keys, 0.1, 1))) == (2, 20, 1)
    assert set(few) < set(many)
    assert labels.chosen(keys, 10, 2) != many
    write_table(tmp_path / "data/text", dict.fromkeys(keys, "a"))
    write_table(tmp_path / "data/wav.scp", {key: f"{key}.wav" for key in keys})
    labels.main(tmp_path / "data", tmp_path / "some", 10, 1)
    assert sorted(read_table(tmp_path / "some/text")) == sorted(read_table(tmp_path / "some/wav.scp")) == many


def test_texts_become_characters_and_ends():
    tokens, vocabulary = small_qwen3.tokens_of(["aab", "a"])
    assert (tokens, vocabulary) == ([2, 2, 3, 1, 2, 1], 4)


def write_pretraining(folder, losses):
    folder.mkdir(parents=True)
    common = {"kind": "dev", "epoch": 0, "masked": 0.498, "code_entropy": 3.21, "codes_used": 0.4, "accuracy": 0.123}
    lines = [{"kind": "train", "step": 5, "epoch": 0, "loss": 9.0}]
    lines += [{"step": 10 * number, "loss": loss, **common} for number, loss in enumerate(losses, 1)]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "config.yaml").write_text("model:\n  codes: 64\n  code_dim: 16\n")


def write_score(exp, name, rate, metric="WER%"):
    folder = exp / "best_rq/score" / name
    folder.mkdir(parents=True)
    figure = {"value": rate, "interval": [rate - 5, rate + 5]}
    (folder / "score.json").write_text(json.dumps({"metrics": {metric: figure}, "utterances": 300}))


@pytest.fixture
def exp(tmp_path):
    write_pretraining(tmp_path / "best_rq/fsdd/1/random", [4.0, 3.0])
    write_pretraining(tmp_path / "best_rq/fsdd/1/llm", [3.9, 2.8])
    for share, rate in ((1, 70.0), (10, 30.0)):
        write_score(tmp_path, f"fsdd_1_{share}_none", rate)
        write_score(tmp_path, f"fsdd_1_{share}_llm", rate / 2)
    (tmp_path / "seconds").write_text("llm 9 5 1\nrq_fsdd_1_llm 100 59 1\naed_fsdd_1_1_none 70 60 0\nfbank 1 1 0\n")
    return tmp_path


def test_the_section_has_losses_by_step_and_rates_by_labels(exp):
    page = "\n".join(best_rq_results.section(exp))
    assert "49.8% of its frames are hidden, where 40% of the codes come up." in page
    assert "costs 4.16, knowing how often each comes 3.21" in page
    assert "| Encoder | Seed | 10 | 20 | Accuracy, % |" in page
    assert "| Best-RQ from random weights | 1 | 4.00 | 3.00 | 12.3 |" in page
    assert "Error rates of 300 test utterances, in percent, and their 95% intervals" in page
    assert "| The encoder begins with | 1% | 10% |" in page
    assert "| nothing | **70.0** [65.0, 75.0] | **30.0** [25.0, 35.0] |" in page
    assert "| Best-RQ from layers of a language model | **35.0** [30.0, 40.0] | **15.0** [10.0, 20.0] |" in page
    assert "language model 0.1, Best-RQ 1.0, recognition 1.0; all steps 2.1." in page


def test_several_seeds_are_a_mean_and_a_deviation(exp):
    for share in (1, 10):
        write_score(exp, f"fsdd_2_{share}_none", 72.0)
    page = "\n".join(best_rq_results.section(exp))
    assert "| nothing | **71.0** ± 1.4 | **51.0** ± 29.7 |" in page
    assert "| Best-RQ from layers of a language model | **35.0** (one seed) | **15.0** (one seed) |" in page


def test_a_score_of_another_kind_is_refused(exp):
    write_score(exp, "fsdd_3_1_none", 1.0, metric="F1%")
    with pytest.raises(DataError, match=r"fsdd_3_1_none/score.json: no error rate in it"):
        list(best_rq_results.section(exp))


@pytest.mark.nightly
def test_everything_is_trained_decoded_and_scored(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    for pitch, speaker in ((200, "ann"), (120, "bob")):
        for digit in range(10):
            for index in range(9):
                tone = sine(0.4, rate=8000, hertz=pitch * (digit + 1)) + noise(3200, amplitude=0.01, seed=index)
                write_wav(tmp_path / f"corpus/recordings/{digit}_{speaker}_{index}.wav", tone, rate=8000)
    run = ["bash", TOP / "egs/mini_funaudio/run.sh", "--fsdd", tmp_path / "corpus", "--dir", tmp_path / "out"]
    done = subprocess.run([*run, "--quick", "true"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    assert "| Best-RQ from layers of a language model | 1 |" in page
    assert "| nothing | **" in page
    again = subprocess.run([*run, "--quick", "true"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert " s\n" not in again.stdout.split("# Results")[0]  # nothing was done again
    wrong = subprocess.run([*run, "--parts", "nothing"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "--parts: there is no part nothing" in wrong.stderr
