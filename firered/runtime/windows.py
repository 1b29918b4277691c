"""Long utterances in windows cut at quiet places."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from firered.results import TokenTime, Word
from firered.runtime.speech import Speech

Timed = TypeVar("Timed", Word, TokenTime)
log = logging.getLogger(__name__)


def windows(speech: Speech, longest_s: float, multiple: int = 1) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of the windows that an utterance is processed in.

    An utterance of at most `longest_s` is one window. A longer one is cut where it is quietest (mean log energy over
    0.3 s) in the second half of each stretch of `longest_s`. All but the last have a multiple of `multiple` frames:
    whole positions of the model, so that the results of windows join on the time axis.
    """
    longest, total = round(longest_s / speech.front_end.frame_shift_s), len(speech.feats)
    found, start = [], 0
    if total > longest:
        loudness = speech.front_end.loudness(speech.feats)
        smooth = torch.nn.functional.avg_pool1d(loudness[None, None], 31, 1, 15, count_include_pad=False)[0, 0]
    while total - start > longest:
        first = start + longest // 2
        cut = first + int(smooth[first : start + longest].argmin())
        cut -= (cut - start) % multiple
        found.append((start, cut))
        start = cut
    if found:
        log.warning("%s: longer than %g s, processed in %d windows", speech.key, longest_s, len(found) + 1)
    return [*found, (start, total)]


def window_parts(speech: Speech, longest_s: float, multiple: int = 1) -> list[Speech]:
    """An utterance's windows, each as a separate utterance."""
    return [part_of(speech, window) for window in windows(speech, longest_s, multiple)]


def part_of(speech: Speech, window: tuple[int, int]) -> Speech:
    """The frames of one window as a separate utterance."""
    start, end = window
    if (start, end) == (0, len(speech.feats)):
        return speech
    shift_s = speech.front_end.frame_shift_s
    rest = speech.duration_s - start * shift_s if end == len(speech.feats) else (end - start) * shift_s
    # What comes before the utterance, and what it begins with, is for the first window alone; a draft is of all of it.
    context = replace(speech.context, draft="")
    context = replace(context, prefix="", history="") if start else context
    return replace(speech, feats=speech.feats[start:end], duration_s=rest, context=context)


def on_one_axis(parts: Sequence[Speech], timed: Sequence[Sequence[Timed]]) -> list[Timed]:
    """The words or tokens of all windows of an utterance, on its time axis."""
    moved: list[Timed] = []
    start_s = 0.0
    for part, own in zip(parts, timed, strict=True):
        for item in own:
            start, end = round(start_s + item.start_s, 3), round(start_s + item.end_s, 3)
            moved.append(replace(item, start_s=start, end_s=end))
        start_s += len(part.feats) * part.front_end.frame_shift_s
    return moved
