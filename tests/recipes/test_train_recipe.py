"""Recipes that train (egs/common/train.sh): settings, parts, and egs/aishell from the real sample to RESULTS.md."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import pytest
import torch
from support.paths import BIN, TOP

from firered.data.datadir import DataDir, read_table, write_lines, write_table
from firered.errors import DataError, ModelError
from firered.models.aed import Aed, AedConfig
from firered.train.settings import load_settings
from firered.train.tasks.aed import AedTaskConfig
from firered.train.tasks.conformer import sizes_of

sys.path.insert(0, str(TOP / "egs/common"))  # the recipes' scripts are no package

import counts
import hold_out
import same_weights
import train_results

AISHELL = TOP / "egs/aishell"
TRAINED = sorted(path.parent for path in TOP.glob("egs/*/train.sh") if "/../common/train.sh" in path.read_text())
VOCABULARY = 4233  # of ESPnet's recipe, whose Conformer has 46.25 M parameters


def settings(path, *changes):
    return load_settings(path, ["out=x", "data.train=one", *changes])


class TestSettings:
    @pytest.mark.parametrize("recipe", TRAINED, ids=lambda path: path.name)
    def test_all_can_be_read(self, recipe):
        assert len((recipe / "train.sh").read_text().splitlines()) <= 15
        found = sorted(recipe.glob("conf/**/*.yaml"))
        assert found
        for path in found:
            settings(path)

    @pytest.mark.parametrize("name", ["joint", "paper"])
    def test_the_conformer_of_aishell_has_46_million_parameters(self, name):
        found = settings(AISHELL / f"conf/{name}.yaml")
        with torch.device("meta"):
            model = Aed(sizes_of(found.section("model", AedTaskConfig), VOCABULARY), ctc=True)
        assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(46.25e6, rel=0.01)

    def test_both_ways_differ_in_ctc_and_regularisation_alone(self):
        joint, paper = (settings(AISHELL / f"conf/{name}.yaml").to_dict() for name in ("joint", "paper"))
        assert (joint["model"]["ctc_weight"], paper["model"]["ctc_weight"]) == (0.3, 0.0)
        assert (joint["progressive"]["by"], paper["progressive"]["by"]) == ("none", "stall")
        for both in (joint, paper):
            del both["model"]["ctc_weight"], both["progressive"]
        assert joint == paper


class TestParts:
    def data(self, folder, count=10):
        keys = [f"u{number}" for number in range(count)]
        write_table(folder / "wav.scp", {key: f"/nowhere/{key}.wav" for key in keys})
        write_table(folder / "text", dict.fromkeys(keys, "一"))
        write_table(folder / "utt2spk", dict.fromkeys(keys, "s"))
        return folder

    def test_what_is_held_out_is_not_trained_on(self, tmp_path):
        data = self.data(tmp_path / "data")
        hold_out.main(data, 3, tmp_path / "rest", tmp_path / "held")
        rest, held = (set(DataDir(tmp_path / name).utterances()) for name in ("rest", "held"))
        assert len(held) == 3
        assert not rest & held
        assert rest | held == set(DataDir(data).utterances())
        with pytest.raises(DataError, match="10 utterances, of which 10 cannot be held out"):
            hold_out.main(data, 10, tmp_path / "rest", tmp_path / "held")

    def test_durations_are_written_where_all_are_known(self, tmp_path):
        one, other = self.data(tmp_path / "one/data", 2), self.data(tmp_path / "other/data", 2)
        write_table(one / "reco2dur", {"u0": "1800", "u1": "5400"})
        counts.main(tmp_path / "counts.tsv", [one, other])
        assert read_table(one / "utt2dur") == {"u0": "1800", "u1": "5400"}
        assert not (other / "utt2dur").exists()
        assert (tmp_path / "counts.tsv").read_text().splitlines()[1:] == ["one\t2\t1\t2", "other\t2\t1\t-"]

    def test_a_weight_that_changed_under_a_head_is_an_error(self, tmp_path, capsys):
        sizes = AedConfig(odim=8, d_model=8, n_head=2, n_layers_enc=1, n_layers_dec=1, pe_maxlen=10)
        model = Aed(sizes, ctc=False)
        headed = Aed(sizes)
        headed.load_state_dict(model.state_dict(), strict=False)
        for name, of in (("before", model), ("after", headed)):
            (tmp_path / name).mkdir()
            torch.save(of.checkpoint(), tmp_path / name / "model.pth.tar")
        same_weights.main(tmp_path / "before", tmp_path / "after")
        assert "bit for bit" in capsys.readouterr().out
        changed = headed.checkpoint()
        changed["model_state_dict"]["encoder.input_preprocessor.out.bias"][5] += 1e-6
        torch.save(changed, tmp_path / "after/model.pth.tar")
        with pytest.raises(ModelError, match=r"1 tensors are not those of .*encoder\.input_preprocessor\.out\.bias"):
            same_weights.main(tmp_path / "before", tmp_path / "after")


class TestDownload:
    def call(self, out, mirror):
        script = AISHELL / "local/download.sh"
        return subprocess.run(["bash", script, out, mirror.as_uri()], capture_output=True, text=True)

    def test_the_corpus_is_fetched_and_unpacked_once(self, tmp_path):
        source = tmp_path / "source/data_aishell"
        write_lines(source / "transcript/aishell_transcript_v0.8.txt", ["a 一"])
        write_lines(tmp_path / "train/S0002/a.wav", ["x"])
        (source / "wav").mkdir()
        with tarfile.open(source / "wav/S0002.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "train", "train")
        (tmp_path / "mirror").mkdir()
        with tarfile.open(tmp_path / "mirror/data_aishell.tgz", "w:gz") as archive:
            archive.add(source, "data_aishell")
        done = self.call(tmp_path / "out", tmp_path / "mirror")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "out/data_aishell/wav/train/S0002/a.wav").exists()
        assert not list((tmp_path / "out").rglob("*gz"))
        again = self.call(tmp_path / "out", tmp_path / "gone")
        assert (again.returncode, "the corpus is there" in again.stdout) == (0, True)

    def test_what_is_not_there_is_an_error_and_leaves_no_corpus(self, tmp_path):
        done = self.call(tmp_path / "out", tmp_path)
        assert done.returncode != 0
        assert not (tmp_path / "out/.complete").exists()


class TestResults:
    def page(self, tmp_path):
        exp = tmp_path / "exp"
        for mode, value in (("ctc", 12.345), ("joint", 10.0)):
            score = {"test_set": "aishell1", "metrics": {"CER%": {"value": value}}, "tokens": 414, "utterances": 30}
            score |= {"missing": 0, "provenance": {"parameters": 46_312_361}}
            write_lines(exp / f"score/mine/{mode}/aishell1/score.json", [json.dumps(score)])
        metrics = {"metrics": {"median ms": {"value": 40.4}, "mean ms": {"value": 62.0}}}
        write_lines(exp / "boundaries/mine/aishell1/score.json", [json.dumps(metrics)])
        curve = [{"kind": "train", "step": 9, "epoch": 0}, {"kind": "dev", "step": 9, "epoch": 0, "loss": 0.5}]
        write_lines(exp / "mine/train.jsonl", map(json.dumps, curve))
        write_lines(exp / "mine/left_out", ["u1 too long"])
        write_lines(
            exp / "seconds", ["train_mine 20.4 10.0 0.2", "train_mine 2.0 1.0 0.0", "decode_mine_ctc_x 3.0 1 1"]
        )
        write_lines(exp / "table.md", ["# Beside", "text"])
        write_lines(tmp_path / "data/counts.tsv", ["set\tutterances\tspeakers\thours", "aishell1\t30\t1\t0.035"])
        write_lines(tmp_path / "note", ["A sample."])
        train_results.main(tmp_path, "aishell", tmp_path / "RESULTS.md", "aishell1", str(tmp_path / "note"))
        return (tmp_path / "RESULTS.md").read_text().splitlines()

    def test_ones_own_rows_stand_above_the_anchors(self, tmp_path):
        page = self.page(tmp_path)
        (head,) = (line for line in page if line.startswith("| System |"))
        columns = [cell.strip() for cell in head.strip("|").split("|")]
        rows = {cells[0]: dict(zip(columns, cells, strict=True)) for line in page if line.count("|") == head.count("|")
                for cells in [[cell.strip() for cell in line.strip("|").split("|")]]}  # fmt: skip
        mine = rows["mine"]
        assert (mine["M"], mine["CTC, greedy"], mine["joint"], mine["attention"]) == (
            "46.31",
            "**12.35**",
            "**10.00**",
            "-",
        )
        assert (mine["Word boundaries, ms: median"], mine["mean"]) == ("40", "62")
        assert rows["*ESPnet Conformer*"]["joint"] == "4.6"
        assert rows["*WeNet Conformer*"]["CTC, rescored"] == "4.61"
        assert rows["*icefall Zipformer, CR-CTC*"]["CTC, greedy"] == "3.98"
        assert "| mine | 9 | 1 | loss 0.5 | 1 | 22 | 11 |" in page
        assert "A sample." in page
        assert "## Beside" in page

    def test_every_anchor_has_its_source(self):
        for corpus in ("aishell1", "librispeech-100", "librispeech-960"):
            found = train_results.anchors(corpus)
            assert found
            for anchor in found:
                assert anchor.mode in {*train_results.MODES, "with_lm"}
                assert float(anchor.value) > 0
                assert "egs" in anchor.source or "examples" in anchor.source


def train(sample, out, *more, **kinds):
    command = ["bash", AISHELL / "train.sh", "--corpus", sample, "--dir", out, "--config", AISHELL / "conf/sample.conf"]
    return subprocess.Popen(
        [*map(str, command), *map(str, more)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kinds
    )


def finished(process):
    out, err = process.communicate()
    return process.returncode, out, err


class TestOptions:
    @pytest.fixture(autouse=True)
    def installed(self):
        if not (BIN / "firered-train").exists() or not (TOP / ".venv").exists():
            pytest.skip("recipes work in .venv, which is not set up here")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--systems", "joint other"), "no settings"),
            (("--features", "mfcc"), "'mfcc' is not none, fbank or shards"),
            (("--settings", "other"), "no such folder"),
            (("--hold-out", "0"), "no set is named; --hold-out N"),
            (("more",), "no option: more"),
            (("--llm", "nowhere"), "--llm: no language model (config.json) in "),
            (("--init", "nowhere"), "--init: finetune_full starts from a model, and there is none in "),
        ],
    )
    def test_mistakes_are_said_before_anything_runs(self, tmp_path, options, said):
        status, out, err = finished(train(tmp_path, tmp_path / "out", *options))
        assert status == 1
        assert said in err
        assert "stage" not in out
        assert not (tmp_path / "out").exists()

    def test_a_language_model_reads_no_test_set(self, tmp_path):
        text = tmp_path / "out/data/aishell1/data/text"
        write_lines(text, ["u1 一"])
        status, _, err = finished(train(tmp_path, tmp_path / "out", "--stage", 3, "--stop-stage", 3, "--lm-text", text))
        assert status == 1
        assert "test sets never" in err


@pytest.mark.nightly
class TestTheSample:
    """The whole recipe on 60 utterances: a few steps of each training."""

    short = ("--train-options", "train.max_steps=6 train.eval_steps=3 train.save_steps=1", "--beam", "1")

    @pytest.fixture(autouse=True)
    def installed(self):
        if not (TOP / ".venv/bin/firered-train").exists():
            pytest.skip("recipes work in .venv, which is not set up here")

    def test_from_the_corpus_to_results(self, shared, tmp_path):
        more = ("--features", "shards", "--llm", "small:2", "--modes", "attention ctc rescore", "--nj", 2)
        times = {"aishell1": "BAC009S0252W0121 1 0.1 0.2 其"}
        write_lines(tmp_path / "times/aishell1/ctm", times.values())
        status, out, err = finished(train(shared("data/aishell_sample"), tmp_path / "out", *self.short, *more))
        assert status == 0, err + out
        page = (tmp_path / "out/RESULTS.md").read_text()
        for system in ("joint", "paper", "finetune_full", "finetune_frozen", "finetune_lora", "llm"):
            assert f"\n| {system} |" in page
        assert "encoder and decoder are those of exp/paper, bit for bit" in out
        assert "| aishell1-train-rest | 26 | 1 |" in page
        assert "aishell1-train (trained on)" in page
        assert "FireRedASR2S, table 6" in page
        for system in ("joint, attention", "paper, attention", "llm, llm"):
            assert f"\n### {system}\n" in page
        for name in ("lm", "paper_ctc", "llm"):
            assert (tmp_path / "out/exp" / name / "model.pth.tar").exists()

    def test_killed_and_resumed_it_gives_what_an_unbroken_run_gives(self, shared, tmp_path):
        sample = shared("data/aishell_sample")
        more = (*self.short, "--systems", "joint", "--lm", "false", "--modes", "ctc")
        assert finished(train(sample, tmp_path / "whole", *more))[0] == 0
        curve = tmp_path / "cut/exp/joint/train.jsonl"
        process = train(sample, tmp_path / "cut", *more, start_new_session=True)
        until = time.monotonic() + 300
        while not (curve.exists() and "dev" in curve.read_text()) and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "cut/RESULTS.md").exists()
        assert finished(train(sample, tmp_path / "cut", *more))[0] == 0
        assert curve.read_text() == (tmp_path / "whole/exp/joint/train.jsonl").read_text()
        texts = [tmp_path / name / "exp/decode/joint/ctc/aishell1/text" for name in ("cut", "whole")]
        assert texts[0].read_text() == texts[1].read_text()
