"""The figures of live recognition by name, for every file of the report."""

from collections.abc import Iterator

import numpy as np

from firered.scoring.live import DECLARED, FINAL, FIRST, SETTLED, LiveRecording, LiveScore, flicker
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.metrics.live import Spread, spread

STABLE_AFTER_S = (0.5, 1.0, 2.0)
CLOCKS = {"heard": False, "clock": True}
ERRORS = ("substitutions", "deletions", "insertions")

Row = tuple[int | float | None, ...]


def delays_by_name(score: LiveScore) -> dict[str, Spread]:
    """Every delay that is measured, by its name; those by the clock only where there is one."""
    found = {}
    for what in (FIRST, FINAL):
        for clock, counted in CLOCKS.items():
            for wait in (True, False):
                delays = score.delays(what, clock=counted, wait=wait)
                if len(delays) or not counted:
                    found[f"{what}, {clock}{'' if wait else ', without the wait'}"] = spread(delays)
    for clock, seconds in _after_endpoint(score).items():
        found[f"endpoint to final, {clock}"] = spread(seconds)
    if score.speech_of:
        found["end of speech to endpoint, heard"] = spread(np.array(list(score.endpoints.delays_s.values()), float))
        if score.endpoints.clock_delays_s:
            found["end of speech to endpoint, clock"] = spread(np.array(score.endpoints.clock_delays_s, float))
    return found


def _after_endpoint(score: LiveScore) -> dict[str, np.ndarray]:
    each = [after for stream in score.streams for after in stream.after_endpoint]
    clocks = [after.clock_s for after in each if after.clock_s is not None]
    found = {"heard": np.array([after.heard_s for after in each], float)}
    return {**found, "clock": np.array(clocks, float)} if clocks else found


def shares_by_name(score: LiveScore) -> dict[str, list[float | None]]:
    """Percent of the words that are stable so many seconds after their end, for each of `STABLE_AFTER_S`."""
    found = {}
    for name, what in (("not revised any more", SETTLED), ("in the stable part", DECLARED)):
        for clock, counted in CLOCKS.items():
            if not counted or len(score.delays(what, clock=True)):
                shares = [score.share_within(what, seconds, clock=counted) for seconds in STABLE_AFTER_S]
                found[f"{name}, {clock}"] = shares
    return found


def shown_early(score: LiveScore) -> tuple[int, int]:
    """Correct words shown before their end, and of these before their start."""
    firsts = [(word.emitted.first.heard_s, word) for word in score.correct if word.emitted]
    before_end = sum(heard_s < word.end_s for heard_s, word in firsts)
    return before_end, sum(heard_s < word.start_s for heard_s, word in firsts)


def clock_figures(score: LiveScore) -> dict[str, object]:
    """What the clock says of the speed; the factor is computation only where the stream was not given in real time."""
    timed = [stream for stream in score.streams if stream.in_real_time is not None]
    fast = [stream.last for stream in timed if not stream.in_real_time and stream.last]
    heard_s = sum(last.heard_s for last in fast)
    lags = np.array([lag for stream in timed for lag in stream.lags_s], float)
    return {
        "recordings": len(timed),
        "in_real_time": len(timed) - len(fast),
        "real_time_factor": sum(last.clock_s or 0.0 for last in fast) / heard_s if heard_s else None,
        "lag_s": {**spread(lags).to_json(), "max": float(lags.max()) if len(lags) else None},
    }


def taken_back(score: LiveScore) -> dict[str, float | int | None]:
    """The flicker and what it is made of."""
    return {
        "normalised_erasure": flicker(score.streams),
        "erased": sum(stream.erased for stream in score.streams),
        "erased_by_finals": sum(stream.erased_by_finals for stream in score.streams),
        "final_tokens": sum(len(stream.emitted) for stream in score.streams),
    }


def rows(score: LiveScore) -> Iterator[tuple[str, Row]]:
    """Each recording and its row: tokens, errors, rate, flicker, words, first and final delay, endpoint (medians)."""
    errors = {one.key: one.counts for one in score.text.aligned}
    for key, own in score.recordings.items():
        yield key, _row(errors.get(key, Counts()), [own])


def total_row(score: LiveScore) -> Row:
    """The row of all recordings together."""
    return _row(score.text.total, list(score.recordings.values()))


def _row(errors: Counts, recordings: list[LiveRecording]) -> Row:
    first, final = (
        spread(np.concatenate([np.zeros(0), *(own.delays(what, clock=False) for own in recordings)]))
        for what in (FIRST, FINAL)
    )
    ends = spread(np.array([delay for own in recordings for delay in own.endpoints.delays_s.values()], float))
    of_errors = (errors.tokens, *(getattr(errors, name) for name in ERRORS), errors.rate)
    of_flicker = flicker(own.stream for own in recordings)
    return (*of_errors, of_flicker, first.count, first.median, final.median, ends.median)
