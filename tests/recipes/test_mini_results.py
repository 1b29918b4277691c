"""What egs/mini does with what it has trained: scores, pages, and the models and recordings kept beside the code."""

import json
import random
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from firered.data.datadir import DataDir, read_table, write_lines, write_table
from firered.errors import DataError
from firered.models.aed import Aed, AedConfig
from firered.models.checkpoint import load_checkpoint

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "egs/common"))  # the recipes' scripts are no packages
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "egs/mini/local"))

import boundary_errors
import bundle_models
import bundle_test
import results
import set_ctc_lead
import small_llm
import streaming_rows
import ways_rows


class TestBoundaries:
    def test_errors_of_starts_and_ends(self):
        errors = boundary_errors.boundary_errors(
            [("a", 0.1, 0.3), ("b", 0.3, 0.5)], [("a", 0.1, 0.25), ("b", 0.4, 0.5)]
        )
        assert sorted(errors.tolist()) == pytest.approx([-0.05, 0.0, 0.0, 0.1])

    def test_words_that_are_cut_otherwise_or_differ(self):
        true = [("今天", 0.1, 0.5), ("下雨", 0.5, 0.9), ("了", 0.9, 1.0)]
        signs = [("今", 0.1, 0.3), ("天", 0.3, 0.6), ("夏", 0.6, 0.7), ("雨", 0.7, 0.9), ("了", 0.9, 1.1)]
        assert boundary_errors.boundary_errors(true, signs).tolist() == pytest.approx([0.0, 0.1, 0.0, 0.1])
        joined = [("今天下雨", 0.1, 0.9), ("了", 0.9, 1.0)]
        assert boundary_errors.boundary_errors(true, joined).tolist() == pytest.approx([0.0, 0.0])

    def test_no_word_in_common(self, tmp_path):
        write_lines(tmp_path / "true", ["u1 1 0.1 0.2 a"])
        write_lines(tmp_path / "found", ["u1 1 0.1 0.2 b"])
        with pytest.raises(DataError, match="no utterance has a word in common"):
            boundary_errors.main(tmp_path / "true", tmp_path / "found", tmp_path / "out")

    def test_score(self, tmp_path):
        write_lines(tmp_path / "true", ["u1 1 0.100 0.200 Two", "u2 1 0.000 1.000 x"])
        write_lines(tmp_path / "found", ["u1 1 0.120 0.260 two 0.9"])
        boundary_errors.main(tmp_path / "true", tmp_path / "found", tmp_path / "out")
        score = json.loads((tmp_path / "out/score.json").read_text())
        assert score["metrics"]["median ms"]["value"] == pytest.approx(50.0)  # of 20 and 80
        assert (score["utterances"], score["boundaries"], score["missing"]) == (1, 2, 1)

    def test_means_and_short_words(self):
        true = {"u1": [("a", 0.1, 0.3), ("b", 0.3, 0.5)], "u2": [("c", 0.0, 1.0)]}
        found = {"u1": [("a", 0.1, 0.31), ("b", 0.46, 0.48)], "u2": [("c", 0.03, 1.0)]}  # 0 10 160 20, 30 0 ms
        figures = boundary_errors.word_figures(true, found)
        assert figures == {
            "mean ms": pytest.approx(220 / 6),
            "last words ms": pytest.approx(210 / 4),
            "short words": 1,
        }

    def test_the_lead_of_a_model_is_moved_by_the_median(self, tmp_path):
        model = Aed(AedConfig(odim=8, d_model=8, n_head=2, n_layers_enc=1, n_layers_dec=1, pe_maxlen=10))
        torch.save(model.checkpoint(), tmp_path / "model.pth.tar")
        write_lines(tmp_path / "true", ["u1 1 0.300 0.200 a", "u2 1 0.500 0.100 b"])
        write_lines(tmp_path / "found", ["u1 1 0.200 0.200 a", "u2 1 0.370 0.180 b"])  # -100 -100 -130 -50 ms
        set_ctc_lead.main(tmp_path / "true", tmp_path / "found", tmp_path)
        changed = Aed.load(tmp_path / "model.pth.tar")
        assert changed.config.ctc_lead_s == pytest.approx(0.06 - 0.1)
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in changed.state_dict().items())

    @pytest.mark.parametrize("line", ["u1 1 0.1 0.2", "u1 1 x 0.2 a"])
    def test_a_bad_line_is_named(self, tmp_path, line):
        write_lines(tmp_path / "ctm", [line])
        with pytest.raises(DataError, match=r"ctm:1: .*expected"):
            boundary_errors.read_words(tmp_path / "ctm")


class TestResults:
    def page(self, tmp_path, **values):
        for figure in results.FIGURES:
            file = tmp_path / "exp/score" / figure.folder / "score.json"
            metrics = json.loads(file.read_text())["metrics"] if file.exists() else {}
            metrics[figure.metric] = {"value": values.get(figure.folder, 0.0 if figure.falls else 100.0)}
            write_lines(file, [json.dumps({"metrics": metrics})])
        write_lines(
            tmp_path / "exp/seconds", ["train_vad 60.2 50.0 1.5", "decode_vad 5.0 4.0 0.0", "train_vad 2.1 2.0 0.0"]
        )
        write_lines(tmp_path / "models/lm/model.pth.tar", ["x" * 1_499_999])
        results.main(tmp_path / "exp", tmp_path / "models", tmp_path / "RESULTS.md")
        return (tmp_path / "RESULTS.md").read_text().splitlines()

    def test_what_is_reached(self, tmp_path):
        page = self.page(tmp_path, vad=97.456)
        assert "| VAD | frame F1, % | ≥ 97 | **97.46** |  |" in page
        assert "| train_vad | 62 | 54 |" in page
        assert "| **all** | | **58** |" in page
        assert "All models together: 1.5 MB." in page
        assert not any("not reached" in line for line in page)

    def test_what_is_not(self, tmp_path):
        page = self.page(tmp_path, vad=96.99, align=60.5, aed=2.0, aed_lm=2.1)
        missed = [line for line in page if line.endswith("| not reached |")]
        assert [line.split(" | ")[0].strip("| ") for line in missed] == [
            "VAD", "AED with language model", *["CTC"] * 3
        ]  # fmt: skip
        assert "| ≤ 2 | **2.10** |" in missed[1]


class TestStreaming:
    def page(self, tmp_path):
        write_lines(tmp_path / "score/aed/score.json", [json.dumps(self.score(1.0))])
        for chunk, value in (("0.32", 3.25), ("0.64", 2.5), ("60", 2.0)):
            for part in ("", "_final"):
                write_lines(tmp_path / f"score/stream{part}_{chunk}/score.json", [json.dumps(self.score(value))])
            delays = {"first, heard": {"p50": 0.3141, "p90": 0.5}, "final, heard": {"p50": None, "p90": None}}
            write_lines(tmp_path / f"score/stream_live_{chunk}/score.json", [json.dumps({"delays_s": delays})])
        return list(streaming_rows.streaming_rows(tmp_path / "score"))

    def score(self, value):
        return {"metrics": {"MER%": {"value": value}}, "substitutions": 5, "deletions": 4, "insertions": 3}

    def test_errors_and_delays_by_chunk(self, tmp_path):
        page = self.page(tmp_path)
        assert "| AED | whole utterances | - | - | **1.00** | 5 / 4 / 3 | - | - | - |" in page
        cells = "**3.25** | 5 / 4 / 3 | **3.25** | 5 / 4 / 3 | 314 | 500 | - |"
        assert f"| AED in chunks | chunks of 0.32 s | {cells}" in page
        assert "AED in chunks: the first pass loses +1.25 points in chunks of 0.32 s against full context." in page
        assert not any("TrimTail" in line for line in page)

    def test_nothing_where_no_such_model_was_trained(self, tmp_path):
        (tmp_path / "score").mkdir()
        assert list(streaming_rows.streaming_rows(tmp_path / "score")) == []


class TestWays:
    def test_both_side_by_side(self, tmp_path):
        for name, value in (("joint", 3.21), ("paper_ctc", 45.0)):
            for mode in ways_rows.MODES:
                metrics = {"metrics": {"MER%": {"value": value}}}
                write_lines(tmp_path / f"way_{name}_{mode}/score.json", [json.dumps(metrics)])
            times = {"metrics": {"median ms": {"value": 20.4}, "mean ms": {"value": 31.6}}}
            write_lines(tmp_path / f"boundaries_{name}/score.json", [json.dumps(times)])
        page = list(ways_rows.ways_rows(tmp_path))
        assert f"| joint CTC/attention from the start |{' **3.21** |' * 5} 20 | 32 |" in page
        assert f"| cross-entropy alone, the CTC head afterwards |{' **45.00** |' * 5} 20 | 32 |" in page

    def test_nothing_where_they_were_not_trained(self, tmp_path):
        assert list(ways_rows.ways_rows(tmp_path)) == []


class TestBundle:
    def test_a_checkpoint_in_half_the_bytes(self, tmp_path):
        config = AedConfig(odim=9, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1, kernel_size=3)
        model = Aed(config).eval()
        torch.save(model.checkpoint(), tmp_path / "whole")
        bundle_models.shrink(tmp_path / "whole", tmp_path / "half")
        assert (tmp_path / "half").stat().st_size < 0.5 * (tmp_path / "whole").stat().st_size
        small = Aed.load(tmp_path / "half")
        feats, lengths, tokens = torch.randn(1, 50, 80), torch.tensor([50]), torch.tensor([[3, 5, 6]])
        with torch.no_grad():
            torch.testing.assert_close(
                small(feats, lengths, tokens)[0], model(feats, lengths, tokens)[0], atol=0.01, rtol=0
            )

    def test_arguments_alone(self, tmp_path):
        torch.save({"args": Namespace(d_model=8), "model_state_dict": {"a": torch.ones(1000)}}, tmp_path / "whole")
        bundle_models.shrink(tmp_path / "whole", tmp_path / "args", weights=False)
        assert load_checkpoint(tmp_path / "args") == (Namespace(d_model=8), {})

    def test_recordings(self, tmp_path):
        keys = [f"{voice}-{name}-{n:05d}" for name in ("zh", "en") for n, voice in enumerate(["m7", "f3"] * 4)]
        for folder, names in (
            ("test", keys),
            ("talk_test", [f"talk-{name}-{n:05d}" for name in ("zh", "yue") for n in range(4)]),
        ):
            for key in names:
                soundfile.write(tmp_path / f"{key}.wav", np.arange(160, dtype=np.int16), 16000)
            data = tmp_path / "data" / folder
            write_table(data / "wav.scp", {key: str(tmp_path / f"{key}.wav") for key in names})
            for table, value in (("text", "a"), ("utt2spk", "s"), ("utt2lang", "en"), ("utt2dur", "0.010")):
                write_table(data / table, dict.fromkeys(names, value))
            write_lines(data / "ctm", [f"{key} 1 0.000 0.010 a" for key in names])
        talks = read_table(tmp_path / "data/talk_test/text")
        event = "1 0.0 0.01 <NA> <NA> speech <NA> <NA>"
        write_lines(tmp_path / "data/talk_test/rttm", [f"SPEAKER {key} {event}" for key in talks])
        (tmp_path / "out/wav").mkdir(parents=True)
        (tmp_path / "out/wav/old.flac").touch()  # of an earlier corpus
        bundle_test.main(tmp_path / "data", tmp_path / "out")
        assert len(list((tmp_path / "out/wav").iterdir())) == len(read_table(tmp_path / "out/wav.scp"))
        kept = read_table(tmp_path / "out/wav.scp")
        assert len(kept) == 5 + 4 + 3
        first = sorted(keys[:8], key=lambda k: k[-5:])[:5]
        assert {key for key in kept if "-zh-" in key} == {*first, "talk-zh-00000", "talk-zh-00001"}
        assert [key for key in kept if "talk-yue-" in key] == ["talk-yue-00000"]
        samples, rate = soundfile.read(kept["talk-zh-00000"], dtype="int16")
        assert rate == 16000
        assert samples.tolist() == list(range(160))
        assert sorted(DataDir(tmp_path / "out").lines("ctm")) == sorted(kept)


class TestSmallLlm:
    def test_a_token_for_each_character(self):
        tokenizer = small_llm.new_tokenizer(["今天下雨", "two apples two"] * 5)
        ids = tokenizer.encode("今天 two", add_special_tokens=False)
        assert tokenizer.decode(ids) == "今天 two"
        assert len(ids) == 3

    def test_what_is_heard(self):
        rng = random.Random(1)
        for _ in range(50):
            heard = small_llm.at_speech_pace([5, 6, 7], 0, rng)
            assert set(heard) <= {0, 5, 6, 7}
            assert 3 <= len(heard) <= 3 + 3 * 5
        counts = [len(small_llm.at_speech_pace([5], 0, rng)) for _ in range(500)]
        assert np.mean(counts) == pytest.approx(1.5 + 2.5 + 0.5, abs=0.3)
