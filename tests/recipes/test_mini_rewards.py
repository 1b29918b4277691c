"""Part grpo of egs/mini_funaudio."""

import json
import sys

import pytest
from support.mini_funaudio import counts
from support.signals import sine, write_wav

from firered.data.datadir import read_table, write_table
from firered.errors import FireRedError

import grpo_killed  # isort: skip
import grpo_results  # isort: skip
import grpo_sets  # isort: skip
import hallucination_results  # isort: skip
import in_a_row  # isort: skip


def test_keywords_are_neither_rare_nor_common_and_halved_alike_whatever_the_texts():
    rare = [f"the {letter * 4} is red" for letter in "abcdefghijklmnop"]
    common = ["the hotel is red"] * 84
    listed, unlisted = grpo_sets.halves(rare + common)
    assert sorted(listed + unlisted) == [letter * 4 for letter in "abcdefghijklmnop"]
    assert listed
    assert unlisted
    fewer = grpo_sets.halves([*rare[:8], *common, *common])
    assert fewer == ([word for word in listed if word < "hzzz"], [word for word in unlisted if word < "hzzz"])
    assert grpo_sets.halves([*rare, *common * 20]) == ([], [])


def test_sentences_in_a_row_and_sets_put_together(tmp_path):
    keys = [f"u{number}" for number in range(5)]
    write_wav(tmp_path / "u.wav", sine(4.0))
    for name, content in {
        "wav.scp": str(tmp_path / "u.wav"),
        "text": "hello there",
        "utt2lang": "en",
        "utt2spk": "f3",
    }.items():
        write_table(tmp_path / "data" / name, dict.fromkeys(keys, content))
    in_a_row.main(tmp_path / "data", tmp_path / "long", seconds=10.0, rows=1)
    assert read_table(tmp_path / "long/text") == {"u0-long": "hello there hello there hello there"}
    assert float(read_table(tmp_path / "long/utt2dur")["u0-long"]) == pytest.approx(12.6)
    grpo_sets.together(tmp_path / "all", [f"clean={tmp_path / 'data'}", f"long={tmp_path / 'long'}"])
    kinds = read_table(tmp_path / "all/utt2kind")
    assert (kinds["u0-clean"], kinds["u0-long-long"], len(kinds)) == ("clean", "long", 6)


WRITES = """
import sys, time
from pathlib import Path
out = Path(sys.argv[-1].removeprefix("out="))
out.mkdir(parents=True, exist_ok=True)
for step in range(1, int(sys.argv[1]) + 1):
    with open(out / "train.jsonl", "a") as log:
        log.write(f'{{"kind": "train", "step": {step}}}\\n')
    time.sleep(0.1)
"""


def test_a_training_is_killed_at_its_step_and_not_after_its_end(tmp_path):
    command = [sys.executable, "-c", WRITES]
    last = grpo_killed.killed_at([*command, "100", f"out={tmp_path / 'a'}"], tmp_path / "a", 2)
    assert 2 <= last < 100
    with pytest.raises(FireRedError, match="ended by itself before it could be killed at step 9"):
        grpo_killed.killed_at([*command, "2", f"out={tmp_path / 'b'}"], tmp_path / "b", 9)


def write_rewarded(exp, name, errors, words):
    kinds = {kind: {**counts(errors), "substitutions": errors, "deletions": 0, "insertions": 0}
             for kind in grpo_results.KINDS}  # fmt: skip
    for listed in ("listed", "unlisted", "stream_clean", "stream_noisy"):
        folder = exp / "grpo/score" / listed / name
        folder.mkdir(parents=True)
        score = {**kinds["clean"], "groups": {"kind": kinds}, "hotwords": {"recall": 80.0, "precision": 50.0}}
        (folder / "score.json").write_text(json.dumps(score))
    (exp / "grpo/count").mkdir(exist_ok=True)
    found = {kind: {"words": words, "minutes": 0.5} for kind in hallucination_results.KINDS}
    (exp / f"grpo/count/{name}.json").write_text(json.dumps(found))


def test_rewards_are_told_beside_supervised_training(tmp_path):
    write_rewarded(tmp_path, "before", 40, 3)
    for seed in (1, 2):
        write_rewarded(tmp_path, f"{seed}_rewards", 20, 1)
    (tmp_path / "seconds").write_text("grpo_1_rewards 9 60 1\ngrpo_2_rewards 9 61 0\ngrpo_test 5 5 5\n")
    folder = tmp_path / "grpo/1/rewards"
    folder.mkdir(parents=True)
    lines = [{"kind": "train", "step": step, "reward": step / 10, "entropy": 2.0} for step in (5, 10, 15)]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "speed.jsonl").write_text('{"rollout_s": 2.0, "real_time_factor": 0.1}\n' * 2)
    (tmp_path / "grpo/killed").mkdir()
    killed = {"killed": 7, "steps": 20, "same_log": True, "same_weights": False}
    (tmp_path / "grpo/killed/killed.json").write_text(json.dumps(killed))
    page = "\n".join(grpo_results.section(tmp_path))
    assert "| the speech-LLM of egs/mini, as it is | 40.0 (40, 0, 0) |" in page
    assert "| rewards (GRPO) | 20.0 ± 0.0 (40, 0, 0) |" in page
    assert "| 61 ± 0 |" in page
    assert "| rewards (GRPO) | 80.0 ± 0.0 | 50.0 ± 0.0 | 80.0 ± 0.0 | 50.0 ± 0.0 | 2.0 ± 0.0 | 2.0 ± 0.0 |" in page
    assert "| rewards (GRPO) | 15 | 1.5 | – |" in page
    assert "| rewards (GRPO) | 0.0 | 4.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.100 |" in page
    assert "killed (SIGKILL) at step 7" in page
    assert "**not** the same weights" in page
