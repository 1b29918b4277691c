"""Part code_switching of egs/mini_funaudio: lines of phrases, and its section of RESULTS.md."""

import json
import sys
from pathlib import Path

from firered.data.datadir import write_table

TOP = Path(__file__).resolve().parents[2]
# The recipe's scripts, and those that it shares with egs/mini, are no package.
sys.path[:0] = [str(TOP / folder) for folder in ("egs/mini_funaudio/local", "egs/common")]

import code_switching_results  # noqa: E402
import read_more  # noqa: E402


def test_lines_have_one_to_three_phrases_of_the_list(tmp_path):
    path = tmp_path / "phrases.tsv"
    path.write_text("technology\tmachine learning\nsports\tfree throw\n", encoding="utf-8")
    lines = read_more.phrase_lines(path, 60)
    assert len(lines) == 60
    assert lines == read_more.phrase_lines(path, 60)
    left = [line.replace("machine learning", "x").replace("free throw", "x").split() for line in lines]
    assert {len(own) for own in left} == {1, 2, 3}
    assert {phrase for own in left for phrase in own} == {"x"}


def write_score(exp, name, errors, **metrics):
    folder = exp / "code_switching/score" / name
    folder.mkdir(parents=True)
    found = {name.replace("_", " ") + "%": {"value": value} for name, value in metrics.items()}
    (folder / "score.json").write_text(json.dumps({"errors": errors, "tokens": 200, "metrics": found}))


def write_spoken(folder, phrases, voices):
    keys = [f"{voice}-{number}" for number, voice in enumerate(voices)]
    write_table(folder / "keywords", dict(zip(keys, phrases, strict=True)))
    write_table(folder / "utt2voice", dict(zip(keys, voices, strict=True)))


def write_log(path, rewards):
    path.parent.mkdir(parents=True)
    lines = [{"kind": "train", "step": 10 * number, "reward": reward} for number, reward in enumerate(rewards, 1)]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"kind": "dev", "step": 30}]))


def test_the_six_columns_of_the_published_table(tmp_path):
    data, exp = tmp_path / "data/code_switching", tmp_path / "exp"
    write_spoken(data / "train", ["free throw; bus", "bus", "bus"], ["f1", "f2", "f1"])
    write_spoken(data / "test", ["web site"], ["f3"])
    for seed, more in ((1, 0), (2, 2)):
        for way, errors in (("without", 120), ("with", 60), ("rl", 50)):
            for heard, worse in (("offline", 0), ("streaming", 10)):
                for name in code_switching_results.SETS:
                    listed = {} if name == "old_test" else {"hotword_recall": errors / 2, "B-MER": 90.0, "U-MER": 1.0}
                    write_score(exp, f"{seed}_{way}_{heard}_{name}", errors + worse + more, **listed)
    write_log(exp / "code_switching/1/rl/train.jsonl", [0.5, 0.6, 0.7])
    page = "\n".join(code_switching_results.section(exp))
    assert "\n3 with 2 phrases in 2 voices for training,\n1 with 1 other phrases in 1 other voices for testing" in page
    assert "2 seeds, with 95% intervals of the mean." in page
    rates = [f"{rate} ± 6.4" for rate in ("60.5", "30.5", "25.5", "65.5", "35.5", "30.5")]
    assert f"| unseen phrases, unseen voices (200 tokens) | {' | '.join(rates)} |" in page
    assert f"| test set of egs/mini (200 tokens) | {' | '.join(rates)} |" in page
    assert "| phrases of training, unseen voices | with them | 30.0 ± 0.0 | 90.0 ± 0.0 | 1.0 ± 0.0 |" in page
    assert "| 20 | 0.6 | – |" in page
    assert page.count("test set of egs/mini") == 1


def test_columns_that_have_not_been_run_are_left_out(tmp_path):
    for name in ("train", "test"):
        write_spoken(tmp_path / "data/code_switching" / name, ["bus"], ["f1"])
    for name in code_switching_results.SETS:
        metrics = {} if name == "old_test" else {"hotword_recall": 1.0, "B-MER": 2.0, "U-MER": 3.0}
        write_score(tmp_path / "exp", f"1_with_offline_{name}", 60, **metrics)
    page = "\n".join(code_switching_results.section(tmp_path / "exp"))
    assert "|  | offline: with them |\n" in page
    assert "| test set of egs/mini (200 tokens) | 30.0 |" in page
    assert "without mixed sentences |" not in page
