"""egs/mini_funaudio: shares of the labels, sections of other parts, and the whole recipe on a small corpus."""

import json
import re
import shutil
import subprocess

import pytest
from support.mini_funaudio import TOP, counts, write_json
from support.signals import noise, sine, write_digits, write_wav

from firered.data.datadir import read_table, write_table
from firered.errors import DataError

import best_rq_results  # isort: skip
import figures  # isort: skip
import grpo_results  # isort: skip
import hallucination_results  # isort: skip
import hallucination_sets  # isort: skip
import inventions  # isort: skip
import labels  # isort: skip
import language_texts  # isort: skip
import multilingual_results  # isort: skip
import noise_results  # isort: skip
import noise_test  # isort: skip
import page  # isort: skip
import small_qwen3  # isort: skip


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
    (tmp_path / "best_rq/fsdd/1/aed_1_none").mkdir()
    (tmp_path / "best_rq/fsdd/1/aed_1_none/config.yaml").write_text("model:\n  d_model: 64\n")
    (tmp_path / "seconds").write_text("llm 9 5 1\nrq_fsdd_1_llm 100 59 1\naed_fsdd_1_1_none 70 60 0\nfbank 1 1 0\n")
    return tmp_path


def test_the_section_has_losses_by_step_and_rates_by_labels(exp):
    page = "\n".join(best_rq_results.section(exp))
    assert "49.8% of its frames are hidden, where 40% of the codes come up." in page
    assert "costs 4.16, knowing how often each comes 3.21" in page
    assert "| Encoder | Seed | 10 | 20 | Accuracy, % |" in page
    assert "| Best-RQ from random weights | 1 | 4.00 | 3.00 | 12.3 |" in page
    assert "Error rates of 300 test utterances, in percent, with 95% intervals" in page
    assert "| The encoder begins with | 1% | 10% |" in page
    assert "| random weights | 70.0 [65.0, 75.0] | 30.0 [25.0, 35.0] |" in page
    assert "| Best-RQ from layers of a language model | 35.0 [30.0, 40.0] | 15.0 [10.0, 20.0] |" in page
    assert page.endswith("processor time: language model 0.1, Best-RQ on fsdd 1.0, recognition of fsdd 1.0.")


def test_several_seeds_are_a_mean_and_its_interval(exp):
    for share in (1, 10):
        write_score(exp, f"fsdd_2_{share}_none", 72.0)
    page = "\n".join(best_rq_results.section(exp))
    assert "| random weights | 71.0 ± 12.7 | 51.0 ± 266.9 |" in page
    assert "| Best-RQ from layers of a language model | 35.0 | 15.0 |" in page


def test_a_score_of_another_kind_is_refused(exp):
    write_score(exp, "fsdd_3_1_none", 1.0, metric="F1%")
    with pytest.raises(DataError, match=r"fsdd_3_1_none/score.json: no error rate in it"):
        list(best_rq_results.section(exp))


def test_means_of_seeds_have_the_interval_of_students_t():
    assert [figures.of_seeds(count) for count in (1, 3)] == ["one seed", "3 seeds, with 95% intervals of the mean"]
    assert figures.over_seeds([]) == "–"
    assert figures.over_seeds([3.0]) == "3.00"
    assert figures.over_seeds([1.0, 2.0, 3.0]) == "2.00 ± 2.48"  # 4.303 / sqrt(3)


def test_noise_is_told_by_ratio_and_by_kind(tmp_path):
    for name, errors in (("before", 40), ("1_none", 30), ("2_none", 34), ("1_both", 10), ("2_both", 10)):
        groups = {"snr": {"0": counts(errors), "20": counts(1), "clean": counts(0)},
                  "env": {"clean": counts(0), "music": counts(errors + 1, 200)}}  # fmt: skip
        folder = tmp_path / "noise/score" / name
        folder.mkdir(parents=True)
        (folder / "score.json").write_text(json.dumps({**counts(errors + 1, 300), "groups": groups}))
    page = "\n".join(noise_results.section(tmp_path))
    assert "|  | clean | 20 dB | 0 dB | all |" in page
    assert "| trained further without noise | 0.00 ± 0.00 | 1.00 ± 0.00 | 32.00 ± 25.42 | 11.00 ± 8.47 |" in page
    assert "| both | 0.00 ± 0.00 | 1.00 ± 0.00 | 10.00 ± 0.00 |" in page
    assert "|  | clean | music | all |" in page


def test_clean_and_mixed_are_one_test_set(tmp_path):
    for folder, audio in ((tmp_path / "clean", "a.wav"), (tmp_path / "mixes/sim-music-5/data", "m.wav")):
        write_table(folder / "wav.scp", {"u1": audio})
        write_table(folder / "text", {"u1": "你好"})
        write_table(folder / "utt2lang", {"u1": "zh"})
    write_table(tmp_path / "mixes/sim-music-5/data/utt2env", {"u1": "music"})
    write_table(tmp_path / "mixes/sim-music-5/data/utt2snr", {"u1": "5"})
    (tmp_path / "mixes/sets").write_text("sim-music-5\n")
    noise_test.main(tmp_path / "clean", tmp_path / "mixes", tmp_path / "out")
    assert read_table(tmp_path / "out/wav.scp") == {"u1-clean": "a.wav", "u1-sim-music-5": "m.wav"}
    assert read_table(tmp_path / "out/utt2snr") == {"u1-clean": "clean", "u1-sim-music-5": "5"}


def test_words_where_nothing_is_said_are_counted_by_the_minute(tmp_path):
    write_wav(tmp_path / "noise/street/s.wav", noise(16000 * 9, amplitude=0.1))
    write_wav(tmp_path / "noise/music/m.wav", sine(9.0))
    write_wav(tmp_path / "u1.wav", noise(32000, amplitude=0.1))
    write_table(tmp_path / "data/wav.scp", {"u1": str(tmp_path / "u1.wav")})
    (tmp_path / "ctm").write_text("".join(f"u1 1 {0.4 * at:.1f} 0.4 {word}\n" for at, word in enumerate("医生在北京")))
    hallucination_sets.main(tmp_path / "data", tmp_path / "ctm", tmp_path / "noise", tmp_path / "sets")
    kinds = read_table(tmp_path / "sets/utt2kind")
    assert set(kinds.values()) == set(hallucination_results.KINDS) | {"cut"}
    texts = read_table(tmp_path / "sets/text", empty_value_ok=True)
    assert {key: text for key, text in texts.items() if text} == {"cut-u1": "医生在"}
    assert float(read_table(tmp_path / "sets/utt2dur")["cut-u1"]) == pytest.approx(1.4 + 1.5)
    written = {
        key: "医生在北京" if key == "cut-u1" else "two words" if key.startswith("music-8") else "" for key in texts
    }
    write_table(tmp_path / "asr/text", written)
    for name in ("before_aed", "1_with_aed", "2_with_aed", "1_before_fun-asr"):
        out = tmp_path / f"exp/hallucination/count/{name}.json"
        inventions.main(tmp_path / "sets", tmp_path / "asr", out)
    found = json.loads(out.read_text())
    assert found["cut"] == {"utterances": 1, "with": 1, "words": 2, "minutes": pytest.approx(2.9 / 60)}
    assert found["music"]["words"] == 2
    assert found["silence"]["words"] == 0
    page = "\n".join(hallucination_results.section(tmp_path / "exp"))
    assert "| AED | the same, zeros and noise alone | 0.0 ± 0.0 (0%) |" in page
    rates = f"| {2 / found['music']['minutes']:.1f} (17%) | 41.4 (100%) |"
    assert rates in page
    assert rates in next(
        line for line in page.splitlines() if line.startswith("| Fun-ASR-Nano | as it is | 0.0 (0%) |")
    )


def test_sentences_of_one_set_are_in_no_other(tmp_path):
    rules = tmp_path / "es.txt"
    rules.write_text("S = ¡{WHO} {WHO} {WHO}!\nWHO = A | bé | C | d | e | f\n", encoding="utf-8")
    language_texts.main(rules, tmp_path / "out", train=60, dev=5, test=9, seed=1)
    texts = {name: set(read_table(tmp_path / "out" / name / "text").values()) for name in ("train", "dev", "test")}
    assert [len(own) for own in texts.values()] == [60, 5, 9]
    assert len(set.union(*texts.values())) == 74
    assert set("".join(texts["train"])) == set(" abécdef")
    assert set(read_table(tmp_path / "out/dev/utt2lang").values()) == {"es"}
    with pytest.raises(DataError, match="of 300 different sentences for train: grammar too small"):
        language_texts.sentences(language_texts.Grammar(rules), "train", 300, 1)


def test_languages_have_rates_of_their_own_and_a_mean(tmp_path):
    for name, errors in (("1_natural", 40), ("2_natural", 44), ("1_balanced", 20), ("2_balanced", 20)):
        groups = {"language": {"de": counts(2), "ru": counts(errors, 50)}}
        folder = tmp_path / "multilingual/score" / name
        folder.mkdir(parents=True)
        (folder / "score.json").write_text(json.dumps({"groups": groups}))
    page = "\n".join(multilingual_results.section(tmp_path))
    assert "| languages are drawn | German (100 words) | Russian (50 words) | mean |" in page
    assert "| as often as they come (natural) | 2.0 ± 0.0 | 84.0 ± 50.8 | 43.0 ± 25.4 |" in page
    assert "| all alike (balanced) | 2.0 ± 0.0 | 40.0 ± 0.0 | 21.0 ± 0.0 |" in page


def test_a_part_that_is_there_for_others_alone_has_no_section(tmp_path):
    (tmp_path / "sft/1/full").mkdir(parents=True)
    write_json(tmp_path / "multilingual/score/1_natural/score.json", {"groups": {"language": {"de": counts(2)}}})
    lines = page.page(tmp_path, TOP / "egs/mini_funaudio/parts")
    assert [line for line in lines if line.startswith("## ")] == ["## Several languages", "## Time"]


def test_the_time_of_each_step_is_its_parts(tmp_path):
    (tmp_path / "seconds").write_text(
        "noise_1_both 9 50 10\nnoise_1_both 9 25 5\ngrpo_noisy 1 6 0\nfbank_mini_dev 1 12 0\n"
    )
    seconds = figures.processor_seconds(tmp_path)
    expressions = {"noise": noise_results.STEPS, "grpo": grpo_results.STEPS}
    rows = [line.split(" | ") for line in page.time_section(seconds, expressions) if line.startswith("| ")][1:]
    assert rows == [["| noise", "1.5 |"], ["| grpo", "0.1 |"], [rows[2][0], "0.2 |"], ["| all", "1.8 |"]]


HEADINGS = ("Noise in training", "Invented words", "Code-switching", "Five stages", "Context", "Streams",
            "Learning by rewards (GRPO)")  # fmt: skip


@pytest.mark.nightly
def test_everything_is_trained_decoded_and_scored(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    write_digits(tmp_path / "corpus")
    espeak = shutil.which("espeak-ng") is not None
    mini = ["--dir", tmp_path / "mini", "--quick", "true", "--stop-stage", "0"]
    if espeak:
        subprocess.run(["bash", TOP / "egs/mini/run.sh", *mini], check=True)
    run = ["bash", TOP / "egs/mini_funaudio/run.sh", "--fsdd", tmp_path / "corpus", "--dir", tmp_path / "out"]
    run += ["--mini", tmp_path / "mini"]
    done = subprocess.run([*run, "--quick", "true"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    assert "| Best-RQ from layers of a language model | 1 |" in page
    assert re.search(r"^\| random weights \| [0-9.]+ \[[0-9.]+, [0-9.]+\] \|$", page, re.MULTILINE)
    assert ("| all alike (balanced) | " in page) == espeak
    for heading in HEADINGS:
        assert (f"## {heading}\n" in page) == espeak, heading
    again = subprocess.run([*run, "--quick", "true"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert " s\n" not in again.stdout.split("# Results")[0]  # nothing was done again
    parts = "noise hallucination code_switching sft context streaming grpo"
    elsewhere = [*run[:-1], tmp_path / "nothing", "--quick", "true", "--dir", tmp_path / "other", "--parts", parts]
    without = subprocess.run([*elsewhere, "--stage", "2", "--stop-stage", "2"], capture_output=True, text=True)
    assert without.returncode == 0, without.stderr
    for part in parts.split():
        assert f"part {part}: left out, without the corpus of egs/mini" in without.stdout
    wrong = subprocess.run([*run, "--parts", "nothing"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "--parts: there is no part nothing" in wrong.stderr
