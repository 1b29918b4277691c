"""Training on shards in several processes that are killed: every utterance once in every epoch."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.commands import command
from support.signals import noise, write_wav
from support.train_corpus import SMALL_AED, losses, make_all, records, values, write_config

from firered.data.datadir import read_table, write_table

SCRIPT = Path(__file__).parents[1] / "support/train_ids.py"
SHARDS, EACH, EPOCHS = 7, 5, 4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Thirty-five utterances of different lengths in seven shards."""
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    keys = [f"u{number:02d}" for number in range(SHARDS * EACH)]
    for number, key in enumerate(keys):
        write_wav(folder / f"many/{key}.wav", noise(6400 + 640 * (number % 9), amplitude=0.1, seed=number))
    write_table(folder / "many/wav.scp", {key: str(folder / f"many/{key}.wav") for key in keys})
    write_table(folder / "many/text", dict.fromkeys(keys, "你好"))
    done = command("shards", folder / "many", folder / "shards", "--per-shard", EACH)
    assert done.returncode == 0, done.stderr
    return folder


def content(corpus, out):
    data = {"train": str(corpus / "shards"), "batch_frames": 200, "buffer": 12}
    train = {"max_epochs": EPOCHS, "save_steps": 1, "num_workers": 2, "log_steps": 1}
    return values("aed", corpus, out, steps=0, model=SMALL_AED, data=data, train=train, augment={"speeds": "0.9 1.1"})


def launch(ids, last, config):
    call = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "3", SCRIPT, ids, last]
    return subprocess.run([*map(str, call), str(config)], capture_output=True, text=True, check=False, timeout=300)


def by_step(ids):
    """The epoch and the utterances of each step, of all ranks; a step that was done again counts as it was then."""
    found = {}
    for path in sorted(ids.iterdir()):
        for line in path.read_text().splitlines():
            step, epoch, *keys = line.split()
            found.setdefault(int(step), {})[path.name] = (int(epoch), keys)
    return {
        step: (ranks["rank0"][0], sorted(k for _, keys in ranks.values() for k in keys))
        for step, ranks in found.items()
    }


@pytest.mark.slow
@pytest.mark.nightly
def test_every_utterance_once_in_every_epoch_whatever_is_killed(corpus, tmp_path):
    ids = tmp_path / "ids"
    ids.mkdir()
    config = write_config(tmp_path / "train.yaml", content(corpus, tmp_path / "exp"))
    whole = tmp_path / "whole"
    whole.mkdir()
    done = launch(whole, 0, write_config(tmp_path / "whole.yaml", content(corpus, tmp_path / "unbroken")))
    assert done.returncode == 0, done.stderr
    expected = by_step(whole)
    in_epoch = Counter(epoch for epoch, _ in expected.values())
    assert len(in_epoch) == EPOCHS
    assert any(len({len(line.split()) for line in path.read_text().splitlines()}) > 1 for path in whole.iterdir())
    for last in (in_epoch[0] // 2 + 1, in_epoch[0] + in_epoch[1] // 2 + 1):  # in epochs 1 and 2
        died = launch(ids, last, config)
        assert died.returncode != 0
        assert max(by_step(ids)) == last
    done = launch(ids, 0, config)
    assert done.returncode == 0, done.stderr
    found = by_step(ids)
    assert found == expected
    keys = set(read_table(corpus / "many/text"))
    for epoch in range(EPOCHS):
        seen = Counter(key for own, step in found.values() if own == epoch for key in step)
        assert seen == dict.fromkeys(keys, 1)
    # The first sums over processes after a start are taken in another order: the last digits differ.
    assert losses(records(tmp_path / "exp")) == pytest.approx(losses(records(tmp_path / "unbroken")), rel=1e-5)
