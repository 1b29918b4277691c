"""Many utterances through a model in batches: planned by length, each on its own when something goes wrong."""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

import torch

from firered.audio.frontend import FRAME_SHIFT_S
from firered.runtime.speech import Speech

log = logging.getLogger(__name__)
SUBSAMPLING = 4  # filterbank frames to an encoder frame
In = TypeVar("In")
Out = TypeVar("Out")


class Record(Protocol):
    """A result that can be noted in the journal."""

    def to_record(self) -> dict:
        """Plain JSON values."""


def plan(lengths: Sequence[tuple[In, float]], cap: float) -> list[list[In]]:
    """Batches, longest first, of which none is more than `cap` when all are padded to the longest.

    One that is longer than `cap`, or of unknown length (NaN), goes alone.
    """
    unknown = [[item] for item, length in lengths if math.isnan(length)]
    known = sorted((pair for pair in lengths if not math.isnan(pair[1])), key=lambda pair: -pair[1])
    return padded_batches(known, cap) + unknown


def padded_batches(lengths: Iterable[tuple[In, float]], cap: float) -> list[list[In]]:
    """Batches of items taken in this order, of which none is more than `cap` when all are padded to its longest.

    An item that is longer than `cap` is a batch of its own.
    """
    batches: list[list[In]] = []
    longest = 0.0
    for item, length in lengths:
        grown = max(longest, length)
        if batches and (len(batches[-1]) + 1) * grown <= cap:
            batches[-1].append(item)
            longest = grown
        else:
            batches.append([item])
            longest = length
    return batches


def isolated(process: Callable[[list[Speech]], Sequence[Record | Exception]], batch: list[Speech]) -> list:
    """Results of a batch; where it fails as a whole, each is tried alone, so that only the culprit is lost."""
    try:
        return list(process(batch))
    except Exception as error:  # reported with the utterance's id by the caller
        if len(batch) == 1:
            return [error]
        log.warning("a batch of %d utterances failed (%s); each is tried alone", len(batch), error)
        return [result for one in batch for result in isolated(process, [one])]


def by_parts(
    utterances: Sequence[Speech],
    parts_of: Callable[[Speech], list[Speech]],
    batch_seconds: float,
    process: Callable[[list[Speech]], list[Out]],
) -> list[list[tuple[Speech, Out | Exception]]]:
    """For each utterance its parts, each with what `process` made of it; parts of all utterances share batches."""
    owned = [(number, part) for number, one in enumerate(utterances) for part in parts_of(one)]
    found: dict[int, Out | Exception] = {}
    lengths = [(index, len(part.feats) * FRAME_SHIFT_S) for index, (_, part) in enumerate(owned)]
    for batch in plan(lengths, batch_seconds):
        found.update(zip(batch, halving([owned[index][1] for index in batch], process), strict=True))
    grouped: list[list[tuple[Speech, Out | Exception]]] = [[] for _ in utterances]
    for index, (number, part) in enumerate(owned):
        grouped[number].append((part, found[index]))
    return grouped


def halving(items: list[In], process: Callable[[list[In]], list[Out]]) -> list[Out | Exception]:
    """Results of `process`; out of memory, half of the items at a time, down to one, whose result is then the error."""
    try:
        return list(process(items))
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(items) == 1:
        return [MemoryError(f"out of memory even on its own ({reason})")]
    log.warning("out of memory with %d utterances at once; trying half of them at a time", len(items))
    middle = len(items) // 2
    return halving(items[:middle], process) + halving(items[middle:], process)


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
