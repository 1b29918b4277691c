"""egs/mini_scaling: its tables of what was trained; at night from the corpus to RESULTS.md."""

import ctypes.util
import json
import subprocess
import sys
from argparse import Namespace

import pytest
import torch
from support.paths import TOP

from firered.data.datadir import write_table
from firered.errors import DataError
from firered.models.aed import Aed, AedConfig

SIZES = {"n_layers_enc": 1, "n_layers_dec": 1, "n_head": 2, "d_model": 16, "kernel_size": 3}
MODEL = Aed(
    AedConfig.from_args(Namespace(idim=80, odim=20, residual_dropout=0.0, dropout_rate=0.0, pe_maxlen=50, **SIZES))
)
REFERENCE = {f"u{number}": "一二" for number in range(10)}


def finished(exp, name, wrong, loss):
    """A training whose texts have so many characters wrong of 20."""
    kind = name.partition("/")[0]
    said = [
        ["一三", "三三"][wrong >= 2 * number + 2] if wrong > 2 * number else "一二" for number in range(len(REFERENCE))
    ]
    texts = dict(zip(REFERENCE, said, strict=True))
    write_table(exp / "decode" / name / "text", texts)
    (exp / name).mkdir(parents=True)
    curve = [{"kind": "dev", "step": step, "loss": loss + extra} for step, extra in ((1, 0.5), (2, 0.0))]
    (exp / name / "train.jsonl").write_text("\n".join(map(json.dumps, curve)) + "\n")
    if kind == "aed":
        torch.save(MODEL.checkpoint(), exp / name / "model.pth.tar")


@pytest.fixture
def results():
    """The script; another recipe has one of this name."""
    sys.modules.pop("results", None)
    sys.path.insert(0, str(TOP / "egs/mini_scaling/local"))
    import results

    yield results
    sys.path.remove(str(TOP / "egs/mini_scaling/local"))
    sys.modules.pop("results", None)


def test_tables_are_of_what_dev_chose(results, tmp_path, capsys):
    exp = tmp_path / "exp"
    write_table(tmp_path / "data/text", REFERENCE)
    for seed, wrong in ((1, 8), (2, 10)):
        finished(exp, f"aed/XS-constant-1e-3-seed{seed}", wrong, 1.0)
        finished(exp, f"aed/XS-progressive-1e-3-seed{seed}", wrong - 2, 2.0)  # better on test; dev has it worse
        finished(exp, f"aed/L-constant-1e-3-seed{seed}", 4, 1.0)
        finished(exp, f"aed/L-progressive-1e-3-seed{seed}", 2, 0.5)
        finished(exp, f"llm/XS-constant-1e-3-seed{seed}", 4, 1.0)
        finished(exp, f"llm/L-progressive-1e-3-seed{seed}", 1, 1.0)
    finished(exp, "aed/L-progressive-3e-3-seed1", 0, 0.1)  # not of all seeds
    (exp / "seconds").write_text("train_a 100 50 10\ntrain_b 80 60 0\n")
    results.best(exp, "XS L", "1 2", "1 2")
    assert capsys.readouterr().out.splitlines() == [
        "XS constant-1e-3 1",
        "L progressive-1e-3 1",
        "XS constant-1e-3 2",
        "L progressive-1e-3 2",
    ]
    results.table(tmp_path / "data", exp, tmp_path / "RESULTS.md", "XS L", "1 2", "1 2")
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert "| Model Size | XS | L |" in page
    assert "| FireRedASR-LLM | 20.00 (20.00–20.00) | 5.00 (5.00–5.00) |" in page
    assert "| FireRedASR-AED | 45.00 (40.00–50.00) | 10.00 (10.00–10.00) |" in page
    assert "|  | XS to L |\n|---|---|\n| FireRedASR-LLM | 75.0% |" in page
    assert "| FireRedASR-AED | 77.8% |" in page
    every, encoder = (sum(part.numel() for part in of.parameters()) / 1e6 for of in (MODEL, MODEL.encoder))
    assert f"| parameters of AED, million | {every:.3f} | {every:.3f} |" in page
    assert f"| of its encoder, million | {encoder:.3f} | {encoder:.3f} |" in page
    assert "| constant-1e-3 | **45.00 (40.00–50.00)** | 20.00 (20.00–20.00) |" in page
    assert "| progressive-1e-3 | 35.00 (30.00–40.00) | **10.00 (10.00–10.00)** |" in page
    assert "| progressive-3e-3 | – | 0.00 of 1 |" in page
    assert "not trained with all seeds, and not to be chosen, are L progressive-3e-3." in page
    assert "Of 4 pairs of trainings of the same size, rate and seed," in page
    assert "lower error rate in 4, the same in 0." in page
    assert "took 2 minutes of processor time, 3 by the clock" in page


def test_a_size_that_is_not_trained_is_named(results, tmp_path):
    finished(tmp_path, "aed/XS-constant-1e-3-seed1", 2, 1.0)
    write_table(tmp_path / "text", REFERENCE)
    with pytest.raises(DataError, match=r"size XS: no setting has all seeds; run stage 2"):
        results.table(tmp_path, tmp_path, tmp_path / "RESULTS.md", "XS", "1 2", "1")


@pytest.mark.nightly
def test_from_the_corpus_to_results_and_not_again(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    if not ctypes.util.find_library("espeak-ng"):
        pytest.skip("espeak-ng is not installed here")
    run = ["bash", TOP / "egs/mini_scaling/run.sh", "--quick", "true", "--nj", "1", "--dir", tmp_path]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert page in done.stdout
    assert "| FireRedASR-LLM |" in page
    assert done.stdout.count("train_aed") == 4
    assert done.stdout.count("train_llm") == 2
    again = subprocess.run([*run, "--stage", "2"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "train_" not in again.stdout
