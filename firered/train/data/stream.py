"""The order of batches: shuffled anew each epoch, the same for the same seed, and open to be entered anywhere."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DataLoader, Dataset

from firered.errors import DataError, FireRedError, Problem
from firered.train.data.batch import Batch, Corpus

_JITTER = 0.1  # sizes count as if they were up to so much larger, or neighbours would be the same in every epoch


def seed_of(*parts: int) -> int:
    """A seed of 32 bits that follows from numbers."""
    return zlib.crc32(np.array(parts, np.int64).tobytes())


def dynamic_batches(sizes: np.ndarray, cap: int, order: np.ndarray) -> list[list[int]]:
    """Batches of examples taken in this order, of which none is more than `cap` when all are padded to its longest.

    One that is larger than `cap` goes alone.
    """
    batches: list[list[int]] = []
    longest = 0
    for index in order.tolist():
        grown = max(longest, int(sizes[index]))
        if batches and grown * (len(batches[-1]) + 1) <= cap:
            batches[-1].append(index)
            longest = grown
        else:
            batches.append([index])
            longest = int(sizes[index])
    return batches


@dataclass(frozen=True)
class Request:
    """A batch to be read: `number` is its place in the epoch; one that does not count only fills up a step."""

    epoch: int | None
    number: int
    indices: tuple[int, ...]
    counts: bool = True
    ends_epoch: bool = False


class Stream:
    """The batches of one process without end, from any place on.

    A step takes `per_step` batches in all; of the processes each takes every `world`-th. The last step of an epoch may
    be left with fewer: then a batch that does not count stands in, so that all processes take part in every step.
    """

    def __init__(self, corpus: Corpus, cap: int, seed: int, rank: int, world: int, accum: int) -> None:
        self.corpus, self.cap, self.seed = corpus, cap, seed
        self.rank, self.world, self.per_step = rank, world, world * accum
        self.epoch, self.number = 0, 0  # the next step's first batch

    def batches(self, epoch: int) -> list[list[int]]:
        """All batches of an epoch, for all processes: alike in length inside, in random order."""
        rng = np.random.default_rng([self.seed, epoch])
        sizes = self.corpus.sizes(epoch)
        jittered = sizes * (1 + _JITTER * rng.random(len(sizes)))
        batches = dynamic_batches(sizes, self.cap, np.argsort(jittered, kind="stable"))
        return [batches[number] for number in rng.permutation(len(batches))]

    def steps(self, epoch: int) -> int:
        """Optimiser steps of an epoch."""
        return -(-len(self.batches(epoch)) // self.per_step)

    def move_on(self, last: Request) -> None:
        """Note that the step that ended with this request is done."""
        if last.ends_epoch:
            self.epoch, self.number = self.epoch + 1, 0
        else:
            self.number += self.per_step

    def __iter__(self) -> Iterator[Request]:
        epoch, first = self.epoch, self.number
        while True:
            batches = self.batches(epoch)
            for start in range(first, len(batches), self.per_step):
                ends = start + self.per_step >= len(batches)
                for number in range(start + self.rank, start + self.per_step, self.world):
                    counts = number < len(batches)
                    yield Request(epoch, number, tuple(batches[number if counts else 0]), counts, ends)
            epoch, first = epoch + 1, 0


def evaluation(corpus: Corpus, cap: int, rank: int, world: int) -> list[Request]:
    """The batches of one process that go once through a corpus, longest first."""
    sizes = corpus.sizes(None)
    batches = dynamic_batches(sizes, cap, np.argsort(-sizes, kind="stable"))
    return [Request(None, number, tuple(batches[number])) for number in range(rank, len(batches), world)]


class _Reader(Dataset):
    """Reads what is requested; stateless, so that any worker can read any batch."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def __getitem__(self, request: Request) -> tuple[Request, Batch | DataError]:
        items, failed = [], []
        for index in request.indices:
            try:
                items.append(self.corpus.item(index, request.epoch))
            except FireRedError as error:
                failed.append(Problem(self.corpus.keys[index], str(error)))
        if not items:
            # Handed over, not raised: a worker's exception would arrive with its traceback for a message.
            return request, DataError(f"a whole batch cannot be read: {'; '.join(map(str, failed[:5]))}")
        batch = self.corpus.collate(items)
        batch.failed = failed
        return request, batch


def read(corpus: Corpus, requests: Stream | list[Request], workers: int) -> DataLoader:
    """(request, batch) in the order of the requests, read ahead by `workers` processes."""
    ahead = {"prefetch_factor": 4, "persistent_workers": True} if workers else {}
    return DataLoader(_Reader(corpus), batch_size=None, sampler=requests, num_workers=workers, **ahead)
