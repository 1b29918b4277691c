"""Many utterances through a model in batches: planned by length, and tried in smaller ones when one fails."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

from firered.errors import Outcome
from firered.runtime.speech import Speech

log = logging.getLogger(__name__)
In = TypeVar("In")
Out = TypeVar("Out")


def plan(lengths: Sequence[tuple[In, float]], cap: float) -> list[list[In]]:
    """Batches, longest first, of which none is more than `cap` when all are padded to the longest.

    One that is longer than `cap`, or of unknown length (NaN), is a batch of its own.
    """
    unknown = [[item] for item, length in lengths if math.isnan(length)]
    known = sorted((pair for pair in lengths if not math.isnan(pair[1])), key=lambda pair: -pair[1])
    return padded_batches(known, cap) + unknown


def plan_in_turns(items: Sequence[tuple[In, float, Hashable]], cap: float) -> list[list[In]]:
    """Batches like `plan`'s in which each item comes later than those before it of its group.

    Args:
        items: each with its length and its group.
        cap: of a batch, padded.
    """
    turns: list[list[tuple[In, float]]] = []
    done: Counter[Hashable] = Counter()
    for item, length, group in items:
        if done[group] == len(turns):
            turns.append([])
        turns[done[group]].append((item, length))
        done[group] += 1
    return [batch for turn in turns for batch in plan(turn, cap)]


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


def shares(items: Iterable[In], length: Callable[[In], float], enough: float) -> Iterator[list[In]]:
    """The items in groups: one after the other until a group's lengths add up to `enough` (NaN ends a group)."""
    group: list[In] = []
    total = 0.0
    for item in items:
        group.append(item)
        own = length(item)
        total += enough if math.isnan(own) else own
        if total >= enough:
            yield group
            group, total = [], 0.0
    if group:
        yield group


def by_parts(
    utterances: Sequence[Speech],
    parts_of: Callable[[Speech], list[Speech]],
    batch_seconds: float,
    process: Callable[[list[Speech]], Sequence[Out]],
) -> list[list[tuple[Speech, Outcome[Out]]]]:
    """For each utterance its parts, each with its outcome of `process`; parts of all utterances share batches.

    Utterances that fit one batch are one: callers who plan batches themselves, to load or to resume, have planned them.
    """
    owned = [(number, part) for number, speech in enumerate(utterances) for part in parts_of(speech)]
    found: dict[int, Outcome[Out]] = {}
    lengths = [(index, len(part.feats) * part.front_end.frame_shift_s) for index, (_, part) in enumerate(owned)]
    fits = len(lengths) * max((length for _, length in lengths), default=0.0) <= batch_seconds
    for batch in [list(range(len(owned)))] if fits else plan(lengths, batch_seconds):
        outcomes: list[Outcome[Out]] = run_batch([owned[index][1] for index in batch], process)
        found.update(zip(batch, outcomes, strict=True))
    grouped: list[list[tuple[Speech, Outcome[Out]]]] = [[] for _ in utterances]
    for index, (number, part) in enumerate(owned):
        grouped[number].append((part, found[index]))
    return grouped


def run_batch(batch: Sequence[In], process: Callable[[list[In]], Sequence[Outcome[Out]]]) -> list[Outcome[Out]]:
    """An outcome for each item of a batch, whatever goes wrong.

    A batch for which memory runs out is tried again in halves, one that fails otherwise item by item; the outcome of an
    item that fails alone is its error. So no item costs more than one call for each size of batch it is tried in.
    """
    if not batch:
        return []
    try:
        return list(process(list(batch)))
    except Exception as error:
        full = _out_of_memory(error)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if len(batch) == 1:
            return [MemoryError(f"out of memory even on its own ({reason})") if full else error]
    # Outside the clause, where the error no longer keeps the tensors of its frames.
    if full and torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = len(batch) // 2
    log.warning("a batch of %d failed (%s); trying again %s", len(batch), reason, "by halves" if full else "one by one")
    parts = [batch[:middle], batch[middle:]] if full else [[item] for item in batch]
    return [outcome for part in parts for outcome in run_batch(part, process)]


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
