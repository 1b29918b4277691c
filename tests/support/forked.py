"""Trainings in several processes that are forked off this one, so that nothing is imported anew."""

import json
import logging
import os
import signal
import socket
import sys
import traceback
from collections import Counter
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, GradientState
from torch.distributed.tensor import DTensor

from firered.train.loop import Trainer
from firered.train.run import train
from firered.train.settings import settings_of


def train_in(processes, content, *, last=0):
    """Train in so many processes; their exit statuses, negative for signals, and what the first has logged.

    Every process writes OUT/layout-RANK, what kinds of parameters there are between two steps. In step `last` all die
    as in a power cut.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    out = Path(content["out"])
    out.mkdir(parents=True, exist_ok=True)
    children = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            _train(content, rank, processes, port, last, out)
        children.append(child)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return statuses, (out / "log-0").read_text()


def _train(content, rank, processes, port, last, out):
    """In a process of its own; never returns."""
    status = 1
    try:
        with (out / f"log-{rank}").open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        logging.basicConfig(level=logging.INFO, stream=open(2, "w", closefd=False), force=True)  # noqa: SIM115
        ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in (ranks | places).items()}
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
        torch.set_num_threads(1)
        Trainer._train_step = _looked_at(Trainer._train_step, rank, last)
        train(settings_of(content, "test"))
        status = 0
    except BaseException:
        traceback.print_exc(file=open(2, "w", closefd=False))  # noqa: SIM115
    finally:
        logging.shutdown()
        sys.stderr.flush()
        os._exit(status)


def _looked_at(plain, rank, last):
    def step(self, batches):
        rate = plain(self, batches)
        parameters = list(self.plain.parameters())
        seen = {
            "kinds": Counter("DTensor" if isinstance(p.data, DTensor) else "Tensor" for p in parameters),
            "dtypes": Counter(str(p.dtype) for p in parameters),
            "trained": Counter(str(p.requires_grad) for p in parameters),
            "own": sum(p.to_local().numel() if isinstance(p, DTensor) else p.numel() for p in parameters),
            "all": sum(p.numel() for p in parameters),
        }
        (self.settings.out / f"layout-{rank}").write_text(json.dumps(seen))
        if self.step == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return rate

    return step
