"""CTC forced alignment, and the published rules for the times of tokens and words (FireRedASR2S paper section 3.1.2).

Frames are the encoder's, of 40 ms. An utterance that cannot be aligned gives a value with the reason, and its tokens
still get times.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torchaudio.functional import forced_align

from firered.align.pauses import Interval, Size, before_the_end, one_after_the_other, with_unknown
from firered.audio.framing import FRAME_LENGTH_S
from firered.models.aed import CTC_LEAD_S
from firered.results import Alignment, TokenSpan, Word

ENCODER_SHIFT_S = 0.04
TimestampMode = Literal["reference", "pauses"]
_MS = 0.001
_IMPOSSIBLE = -1e30  # stands for a log-probability of minus infinity
_WORD_START = "▁"
_JOINS_WORD = re.compile("[a-zA-Z']+")


@dataclass(frozen=True)
class NotAligned:
    """Why an utterance has no alignment."""

    reason: str


@torch.no_grad()
def align(
    log_probs: Tensor, lengths: Sequence[int] | Tensor, tokens: Sequence[Sequence[int]], blank: int = 0
) -> list[Alignment | NotAligned]:
    """The best path of every utterance of a batch, or the reason why it has none.

    Args:
        log_probs: (N, T, V) log-softmax of the CTC layer, any floating type, on any device.
        lengths: (N,) number of encoder frames of each utterance; the rest of T is not looked at.
        tokens: token ids of each utterance, without special tokens.
        blank: id of the CTC blank.

    Raises:
        ValueError: `log_probs`, `lengths` and `tokens` do not fit together.
    """
    lengths = [int(length) for length in lengths]
    if log_probs.dim() != 3 or not len(log_probs) == len(lengths) == len(tokens):
        raise ValueError(f"{tuple(log_probs.shape)} frames, {len(lengths)} lengths, {len(tokens)} texts do not fit")
    if any(not 0 <= length <= log_probs.shape[1] for length in lengths):
        raise ValueError(f"a length among {lengths} is outside the {log_probs.shape[1]} frames at hand")
    ids = [[int(token) for token in text] for text in tokens]
    reasons = [why_not(text, n, log_probs.shape[2], blank) for text, n in zip(ids, lengths, strict=True)]
    # A path reads no other columns than its own tokens': with them alone the batch is small enough to leave its device
    # in one go, and torchaudio aligns one utterance at a time anyway, which takes no time on the CPU.
    columns = [[blank, *dict.fromkeys(() if why else text)] for text, why in zip(ids, reasons, strict=True)]
    frames = _take(log_probs, columns, blank)
    return [
        NotAligned(reason) if reason else _best_path(frames[n, : lengths[n]], columns[n], text, blank)
        for n, (text, reason) in enumerate(zip(ids, reasons, strict=True))
    ]


def why_not(tokens: Sequence[int], frames: int, vocabulary: int, blank: int = 0) -> str:
    """Why `tokens` cannot be aligned to so many frames; empty if they can."""
    if not tokens:
        return "no tokens to align"
    if wrong := sorted({token for token in tokens if token == blank or not 0 <= token < vocabulary}):
        return (
            f"token id {wrong[0]} is {'the blank' if wrong[0] == blank else f'not among the {vocabulary} CTC labels'}"
        )
    repeats = sum(left == right for left, right in pairwise(tokens))
    if len(tokens) + repeats > frames:
        between = f" and {repeats} blanks between equal ones" if repeats else ""
        return f"{len(tokens)} tokens{between} do not fit into {frames} encoder frames"
    return ""


def _take(log_probs: Tensor, columns: list[list[int]], blank: int) -> Tensor:
    """(N, T, C) on the CPU: each utterance's own columns, filled up with the blank's."""
    widest = max((len(own) for own in columns), default=1)
    index = torch.tensor([own + [blank] * (widest - len(own)) for own in columns], dtype=torch.long)  # (N, C)
    index = index.reshape(-1, 1, widest).expand(-1, log_probs.shape[1], -1)
    taken = log_probs.gather(2, index.to(log_probs.device)).cpu()
    return taken if taken.dtype == torch.float64 else taken.float()


def _best_path(frames: Tensor, columns: list[int], tokens: list[int], blank: int) -> Alignment | NotAligned:
    """Alignment to frames (T, C) whose column c is the label `columns[c]`; column 0 is the blank."""
    if not bool((frames < math.inf).all()):
        return NotAligned("the CTC log-probabilities are not numbers (NaN or infinite)")
    place = {label: column for column, label in enumerate(columns)}
    targets = torch.tensor([[place[token] for token in tokens]])  # (1, L)
    # Where every path has probability zero, forced_align walks back through memory that nothing was written to.
    frames = frames[None, :, : len(columns)].clamp(min=_IMPOSSIBLE).contiguous()
    path, scores = forced_align(frames, targets, blank=0)
    per_frame = scores[0].double()
    if bool((per_frame <= _IMPOSSIBLE).any()):
        return NotAligned("every path through the CTC labels has probability zero")
    labels = tuple(columns[column] for column in path[0].tolist())
    spans = tuple(
        TokenSpan(labels[first], first, end, float(per_frame[first:end].mean()))
        for first, end in spans_of(labels, blank)
    )
    return Alignment(labels, spans, float(per_frame.sum()), blank)


def spans_of(labels: Sequence[int], blank: int = 0) -> list[tuple[int, int]]:
    """First frame and the one after the last of every token of a path (T,)."""
    edges = [0, *(n for n in range(1, len(labels)) if labels[n] != labels[n - 1]), len(labels)]
    return [(first, end) for first, end in pairwise(edges) if first < end and labels[first] != blank]


def token_times(
    labels: Sequence[int] | None,
    count: int,
    duration_s: float,
    mode: TimestampMode = "reference",
    blank: int = 0,
    lead_s: float = CTC_LEAD_S,
    sizes: Sequence[Size] | None = None,
) -> list[Interval]:
    """Start and end in seconds of `count` tokens, from the (T,) labels of their alignment or spread evenly without.

    `reference` gives the published system's times: every token starts where the one before it ends, so pauses are
    swallowed. `pauses` gives whole milliseconds inside [0, duration_s]: no token starts before the end of the one
    before it, each lasts a frame of the encoder or more (as long as there is room), silences that the alignment shows
    stay between them, and tokens that only fit after the end of the speech follow the one before them.

    Args:
        labels: of the alignment of the tokens that the dictionary has.
        count: of all tokens.
        duration_s: the utterance's samples / 16000, not rounded.
        mode: `reference` or `pauses`.
        blank: the label that stands for no token.
        lead_s: how much earlier than its CTC frames a word is spoken: `ctc_lead_s` of the model.
        sizes: of all tokens, and which of them the alignment lacks; none: it is of all.

    Raises:
        ValueError: the labels are not of as many tokens, the duration is not one, or there is no such mode.
    """
    if mode not in get_args(TimestampMode):
        raise ValueError(f"no timestamp mode {mode!r}, only {' and '.join(get_args(TimestampMode))}")
    if not 0 <= duration_s < math.inf:
        raise ValueError(f"{duration_s} is no duration in seconds")
    if labels is None:
        step_s = duration_s / max(count, 1)
        raw = [(n * step_s, (n + 1) * step_s) for n in range(count)]
    else:
        raw = _aligned_times(labels, count, duration_s, mode, blank, lead_s, sizes)
    if mode == "pauses":
        return one_after_the_other(raw, duration_s)
    if labels is not None:
        raw = _without_gaps(raw, duration_s)
    return _part_at_the_end([(round(start, 3), round(end, 3)) for start, end in raw], duration_s)


def _aligned_times(
    labels: Sequence[int],
    count: int,
    duration_s: float,
    mode: TimestampMode,
    blank: int,
    lead_s: float,
    sizes: Sequence[Size] | None,
) -> list[Interval]:
    """Times of all tokens on the recording's axis, from the alignment of the known ones, before they are clipped."""
    times = [(start - lead_s, end - lead_s) for start, end in frame_times(labels, blank)]
    known = count if sizes is None else sum(size.known for size in sizes)
    if len(times) != known:
        raise ValueError(f"the alignment is of {len(times)} tokens, not {known}")
    own_ends = [ENCODER_SHIFT_S * (end + 1) - lead_s for _, end in spans_of(labels, blank)]
    if mode == "pauses":
        times = before_the_end(times, own_ends, duration_s)
    return times if sizes is None or known == count else with_unknown(times, own_ends, sizes, duration_s)


def frame_times(labels: Sequence[int], blank: int = 0) -> list[Interval]:
    """Start and end in seconds of every token of a path (T,), before they are moved and clipped.

    A token lasts until the next one starts; where that is more than twice the mean, until 1.5 times the mean or until
    its own frames end, whichever is later.
    """
    spans = spans_of(labels, blank)
    if not spans:
        return []
    starts = [round(ENCODER_SHIFT_S * (first + 1), 3) for first, _ in spans]
    # The last token lasts a window beyond the last frame. Rounded before the mean is taken: a sum like
    # 0.04 · 42 + 0.025 is a hair off, and ends at half a millisecond tip.
    ends = [*starts[1:], round(ENCODER_SHIFT_S * len(labels) + FRAME_LENGTH_S, 3)]
    mean = float(np.mean(np.subtract(ends, starts)))
    for n, (first, end) in enumerate(spans):
        if ends[n] - starts[n] > 2 * mean:
            ends[n] = starts[n] + max(1.5 * mean, ENCODER_SHIFT_S * (end - first))
    return [(start, round(end, 3)) for start, end in zip(starts, ends, strict=True)]


def _without_gaps(times: list[Interval], duration_s: float) -> list[Interval]:
    """Quirk of the reference: the earlier of start and previous end, where the later is meant, so pauses vanish."""
    clipped: list[Interval] = []
    previous_end = duration_s
    for start, end in times:
        start = min(max(0.0, start), previous_end)
        previous_end = min(max(0.0, end), duration_s)
        clipped.append((start, previous_end))
    return clipped


def _part_at_the_end(times: list[Interval], duration_s: float) -> list[Interval]:
    """Times whose tokens do not all fall on the very end: a millisecond for each, counted from there.

    Exactly the published rule. Should dozens of tokens fall there, the first of them ends before it starts.
    """
    parted: list[Interval] = []
    for n, (start, end) in enumerate(reversed(times)):
        if abs(duration_s - start) <= _MS:
            start = max(0.0, duration_s - (n + 1) * _MS)
        if n and abs(duration_s - end) <= _MS:
            end = max(0.0, duration_s - n * _MS)
        parted.append((start, end))
    return parted[::-1]


def merge_words(symbols: Sequence[str], times: Sequence[Interval]) -> list[Word]:
    """Words of L tokens (FireRedASR2S paper section 3.1.2), lower-case, from the first token's start to the last's end.

    A token with `▁` starts a word, and following tokens of letters and apostrophes alone belong to it; every other
    token is a word of its own. A bare `▁` that nothing follows is a word without text.
    """
    words: list[Word] = []
    open_word = False
    for symbol, (start, end) in zip(symbols, times, strict=True):
        text = symbol.lower()
        if open_word and _JOINS_WORD.fullmatch(text):
            words[-1] = Word(words[-1].text + text, words[-1].start_s, end)
            continue
        open_word = text.startswith(_WORD_START)
        words.append(Word(text.removeprefix(_WORD_START), start, end))
    return words
