"""The order of batches: shuffled in each epoch by the seed, and resumable at any batch."""

import logging
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from firered.errors import DataError, FireRedError, Problem
from firered.runtime.batches import padded_batches
from firered.train.data.batch import Batch, Corpus
from firered.train.data.sampling import Sampling

log = logging.getLogger(__name__)

_JITTER = 0.1  # sort by sizes up to this much larger, so that batches differ from epoch to epoch


def seed_of(*parts: int) -> int:
    """A 32-bit seed computed from numbers."""
    return zlib.crc32(np.array(parts, np.int64).tobytes())


def dynamic_batches(sizes: np.ndarray, cap: int, order: np.ndarray) -> list[list[int]]:
    """Batches of the examples `order` (n,), in that order, of at most `cap` each with padding; see `padded_batches`."""
    return padded_batches(zip(order.tolist(), sizes[order].tolist(), strict=True), cap)


@dataclass(frozen=True)
class Request:
    """A batch to be read: `number` is its index in the epoch; one that does not count only fills up a step.

    `passes` stand in the place of the epoch for each of the examples, where sampling has others (see `Epoch`).
    """

    epoch: int | None
    number: int
    indices: tuple[int, ...]
    counts: bool = True
    ends_epoch: bool = False
    passes: tuple[int, ...] | None = None

    def examples(self) -> Iterator[tuple[int, int | None]]:
        """Index and epoch of each example."""
        passes = (self.epoch,) * len(self.indices) if self.passes is None else self.passes
        return zip(self.indices, passes, strict=True)


class Stream:
    """The endless batches of one process, starting anywhere.

    A step takes `per_step` batches over all processes; each process takes every `world`-th. Where the last step of an
    epoch has fewer, batches that do not count fill it up, so that all processes take part in every step.
    """

    def __init__(
        self,
        corpus: Corpus,
        cap: int,
        seed: int,
        rank: int,
        world: int,
        accum: int,
        sampling: Sampling | None = None,
    ) -> None:
        self.corpus, self.cap, self.seed, self.sampling = corpus, cap, seed, sampling
        self.rank, self.world, self.per_step = rank, world, world * accum
        self.epoch, self.number = 0, 0  # the next step's first batch

    def batches(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch for all processes, each of examples of similar length, in random order.

        Numbers are those of the examples in the epoch: of utterances, where each comes once.
        """
        rng = np.random.default_rng([self.seed, epoch])
        sizes, windows = self._drawn(epoch)
        found: list[list[int]] = []
        for window in windows:
            jittered = sizes[window] * (1 + _JITTER * rng.random(len(window)))
            batches = dynamic_batches(sizes, self.cap, window[np.argsort(jittered, kind="stable")])
            found += [batches[number] for number in rng.permutation(len(batches))]
        return found

    def sizes(self, epoch: int) -> np.ndarray:
        """(m,) sizes of the examples of an epoch."""
        return self._drawn(epoch)[0]

    def _drawn(self, epoch: int) -> tuple[np.ndarray, list[np.ndarray]]:
        """(m,) sizes of the examples of an epoch, and the windows that they are read in."""
        if self.sampling is None:
            sizes = self.corpus.sizes(epoch)
            return sizes, [np.arange(len(sizes))]
        drawn = self.sampling.epoch(epoch)
        sizes = np.zeros(len(drawn.indices), np.int64)
        for number in np.unique(drawn.passes).tolist():
            now = drawn.passes == number
            sizes[now] = self.corpus.sizes(number)[drawn.indices[now]]
        return sizes, drawn.windows

    def steps(self, epoch: int) -> int:
        """Optimiser steps of an epoch."""
        return -(-len(self.batches(epoch)) // self.per_step)

    def tell(self, epoch: int) -> dict[str, dict[str, float]]:
        """Log what an epoch draws of each set and language, where that is not everything once; these figures."""
        if self.sampling is None or not self.sampling.is_weighted:
            return {}
        frames = self.corpus.sizes(None)
        log.info("epoch %d draws %s", epoch + 1, self.sampling.told(epoch, frames))
        hours, counts = self.sampling.hours(epoch, frames), self.sampling.counts(epoch)
        in_all = sum(hours.values()) or 1.0
        return {
            name: {"hours": round(own, 4), "share": round(own / in_all, 4), "utterances": counts[name]}
            for name, own in hours.items()
        }

    def move_on(self, last: Request) -> None:
        """Advance past the step that ended with this request."""
        if last.ends_epoch:
            self.epoch, self.number = self.epoch + 1, 0
        else:
            self.number += self.per_step

    def __iter__(self) -> Iterator[Request]:
        epoch, first = self.epoch, self.number
        while True:
            batches = self.batches(epoch)
            drawn = self.sampling.epoch(epoch) if self.sampling else None
            for start in range(first, len(batches), self.per_step):
                ends = start + self.per_step >= len(batches)
                for number in range(start + self.rank, start + self.per_step, self.world):
                    counts = number < len(batches)
                    chosen = batches[number if counts else 0]
                    if drawn is None:
                        yield Request(epoch, number, tuple(chosen), counts, ends)
                    else:
                        indices, passes = (tuple(of[chosen].tolist()) for of in (drawn.indices, drawn.passes))
                        yield Request(epoch, number, indices, counts, ends, passes)
            epoch, first = epoch + 1, 0


def evaluation(corpus: Corpus, cap: int, rank: int, world: int, *, together: bool = False) -> list[Request]:
    """The batches of one process for one pass through a corpus, longest first.

    Where all processes have to compute `together`, the shortest batch stands in for those that are missing at the end,
    and does not count.
    """
    sizes = corpus.sizes(None)
    batches = dynamic_batches(sizes, cap, np.argsort(-sizes, kind="stable"))
    end = -(-len(batches) // world) * world if together else len(batches)
    numbers = range(rank, end, world)
    return [Request(None, n, tuple(batches[min(n, len(batches) - 1)]), counts=n < len(batches)) for n in numbers]


class _Reader(Dataset[tuple[Request, Batch | DataError]]):
    """Reads batches on request; stateless, so that any worker can read any batch."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def __getitem__(self, request: Request) -> tuple[Request, Batch | DataError]:
        items, failed = [], []
        for index, epoch in request.examples():
            try:
                items.append(self.corpus.item(index, epoch))
            except FireRedError as error:
                failed.append(Problem(self.corpus.keys[index], str(error)))
        if not items:
            # Returned, not raised: the message of an exception raised in a worker would hold its traceback.
            return request, DataError(f"a whole batch cannot be read: {'; '.join(map(str, failed[:5]))}")
        batch = self.corpus.collate(items)
        batch.failed = failed
        return request, batch


def read(corpus: Corpus, requests: Stream | list[Request], workers: int) -> DataLoader[Any]:
    """(request, batch or error) in the order of the requests, prefetched by `workers` processes."""
    return DataLoader(
        _Reader(corpus),
        batch_size=None,
        sampler=requests,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        persistent_workers=workers > 0,
    )
