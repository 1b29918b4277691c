"""firered-train --mix: a share of old data in every epoch, and the file of what was drawn."""

import json

import pytest
from support.commands import command
from support.train_corpus import SMALL_AED, TEXTS, make_all, make_corpus, values, write_config


def drawn(out):
    return [json.loads(line) for line in (out / "drawn.jsonl").read_text().splitlines()]


def test_old_data_has_its_share_of_every_epoch(tmp_path):
    corpus = make_all(tmp_path / "corpus")
    new, old = (
        make_corpus(tmp_path / name, [key for key in TEXTS if key[0] == name[0]]) for name in ("all_new", "b_old")
    )
    data = {"train": str(new), "dev": str(new), "batch_frames": 120}
    content = values("aed", corpus, tmp_path / "exp", steps=7, model=SMALL_AED, data=data, train={"save_steps": 1})
    config = write_config(tmp_path / "aed.yaml", content)
    done = command("train", config, "--mix", f"{old}:0.4")
    assert done.returncode == 0, done.stderr
    lines = drawn(tmp_path / "exp")
    assert [line["epoch"] for line in lines] == list(range(len(lines)))
    assert len(lines) >= 2
    for line in lines:
        assert line["drawn"][str(new)]["utterances"] == 3
        assert line["drawn"][str(old)]["share"] == pytest.approx(0.4, abs=0.12)  # whole utterances, of few
    mean = sum(line["drawn"][str(old)]["hours"] for line in lines) / sum(
        own["hours"] for line in lines for own in line["drawn"].values()
    )
    assert mean == pytest.approx(0.4, abs=0.06)
    assert f"of {old} (x " in done.stderr
    assert command("train", config, "--mix", f"{old}:0.4", "--set", "train.max_steps=9").returncode == 0
    epochs = [line["epoch"] for line in drawn(tmp_path / "exp")]
    assert epochs == sorted(set(epochs))
    assert drawn(tmp_path / "exp")[: len(lines)] == lines
    refused = command("train", config, "--mix", f"{old}:0.5")
    assert refused.returncode == 1
    assert "data.weights" in refused.stderr
    missing = command("train", config, "--set", f"out={tmp_path / 'other'}", "--mix", f"{tmp_path / 'gone'}:0.5")
    assert missing.returncode == 1
    assert "gone" in missing.stderr
