"""Trains as firered-train does, notes the utterances of every step, and dies in a step as in a power cut.

    torchrun --nproc_per_node 3 train_ids.py IDS STEP CONFIG

IDS: a folder; each rank writes `step epoch utterance...` lines to a file of its own. STEP: the one that all die in; 0:
none.
"""

import os
import signal
import sys
from pathlib import Path

from firered.cli.train import _end_at_once
from firered.train.loop import Trainer
from firered.train.run import train
from firered.train.settings import load_settings

folder, last = Path(sys.argv[1]), int(sys.argv[2])
plain = Trainer._train_step


def noted(self, batches):
    rate = plain(self, batches)
    keys = [key for request, batch in batches if request.counts for key in batch.keys]
    with (folder / f"rank{os.environ['RANK']}").open("a") as file:
        file.write(f"{self.step} {self.stream.epoch} {' '.join(keys)}\n")
    if self.step == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return rate


if __name__ == "__main__":
    Trainer._train_step = noted
    train(load_settings(Path(sys.argv[3])))
    _end_at_once()
