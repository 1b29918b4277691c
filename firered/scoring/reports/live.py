"""The report of live recognition: delays, what is taken back, ends of speech, errors."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from firered.scoring.live import CORRECT, DECLARED, FINAL, FIRST, SETTLED, LiveScore, ScoredWord, flicker
from firered.scoring.metrics.bootstrap import LEVEL
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.metrics.live import PERCENTILES, spread
from firered.scoring.reports.lines import boxed, listed, shown, shown_interval, tsv
from firered.scoring.reports.live_figures import (
    CLOCKS,
    ERRORS,
    STABLE_AFTER_S,
    clock_figures,
    delays_by_name,
    rows,
    shares_by_name,
    shown_early,
    taken_back,
    total_row,
)
from firered.scoring.reports.report import Figure, Report

_COUNTED = ("errors", "tokens", "erased", "final_tokens", "correct", "violations")
_WORDS = ("recording", "word", "start_s", "end_s", "kind", "hypothesis", "segment", "wait_s")
_BY_RECORDING = ("recording", "tokens", *ERRORS, "rate", "flicker", "words", "first_p50_s", "final_p50_s", "endpoint_s")
_MOST_ROWS = 30  # of a table in score.txt; the tsv beside it has all


def live_report(score: LiveScore) -> Report:
    """The report of a score: the figures, a line a word, a table a recording, and the picture of the delays."""
    rate = f"{score.text.rate_name}%"
    first, final = (spread(score.delays(what, clock=False)).median for what in (FIRST, FINAL))
    metrics = {
        rate: Figure(score.text.total.rate, score.text.interval),
        "first delay P50 s": Figure(first),
        "final delay P50 s": Figure(final),
        "flicker": Figure(flicker(score.streams), score.flicker_interval),
    }
    return Report(
        task="live",
        metrics=metrics,
        fields=_fields(score),
        lines=_lines(score),
        missing=score.text.missing,
        extra=score.text.extra,
        counted=_COUNTED,
        counts=counts(score),
        tables={
            "words.tsv": _word_lines(score.words),
            "by_recording.tsv": tsv(_BY_RECORDING, ((key, *row) for key, row in rows(score))),
            "violations.tsv": _violation_lines(score),
        },
        drawn={"live.png": lambda path: _draw(path, score)},
        warnings=list(_warnings(score)),
        faults=[problem.reason for problem in score.problems],
    )


def counts(score: LiveScore) -> dict[str, tuple[int, ...]]:
    """What `_COUNTED` names, of each recording."""
    errors = {one.key: (one.counts.errors, one.counts.tokens) for one in score.text.aligned}
    found: dict[str, tuple[int, ...]] = {}
    for key, own in score.recordings.items():
        stream = own.stream
        correct = sum(word.kind == CORRECT for word in own.words)
        of_stream = (stream.erased, len(stream.emitted), correct, len(stream.violations))
        found[key] = (*errors.get(key, (0, 0)), *of_stream)
    return found


def _fields(score: LiveScore) -> dict[str, object]:
    total, found = score.text.total, score.endpoints
    before_end, before_start = shown_early(score)
    return {
        "normalizer": score.text.normalizer,
        "unit": score.text.unit,
        "utterances": total.utterances,
        "missing": len(score.text.missing),
        "extra": len(score.text.extra),
        "bad_lines": len(score.problems),
        "without_word_times": score.untimed,
        "open_segments": sum(len(stream.open) for stream in score.streams),
        "tokens": total.tokens,
        "errors": total.errors,
        **{name: getattr(total, name) for name in ERRORS},
        "words": len(score.words),
        "correct_words": len(score.correct),
        "shown_before_their_end": before_end,
        "shown_before_their_start": before_start,
        "delays_s": {name: of_name.to_json() for name, of_name in delays_by_name(score).items()},
        "stable_percent": {
            name: dict(zip(map(str, STABLE_AFTER_S), percent, strict=True))
            for name, percent in shares_by_name(score).items()
        },
        "flicker": taken_back(score),
        "stable_part": {
            "violations": sum(len(stream.violations) for stream in score.streams),
            "corrected_by_finals": sum(stream.corrected for stream in score.streams),
        },
        "endpoints": {
            "by": score.speech_of,
            "pause_s": score.config.pause_s,
            "found": len(found.delays_s),
            "early": found.early,
            "extra": found.extra,
            "missed": found.missed,
            "finals_without": sum(stream.without_endpoint for stream in score.streams),
        },
        "clock": clock_figures(score),
    }


def _warnings(score: LiveScore) -> Iterator[str]:
    broken = sum(len(stream.violations) for stream in score.streams)
    if broken:
        named = [
            f"{key}, segment {one.segment}, line {one.line}"
            for key, own in score.recordings.items()
            for one in own.stream.violations
        ]
        yield f"{broken} stable parts did not stay as they were (violations.tsv): {listed(named)}"
    if score.untimed:
        yield f"{len(score.untimed)} recordings have no word times in the reference: {listed(score.untimed)}"
    still_open = [f"{key} {number}" for key, own in score.recordings.items() for number in own.stream.open]
    if still_open:
        yield f"{len(still_open)} segments have partials but no final: {listed(still_open)}"
    clock = clock_figures(score)
    if clock["recordings"] != clock["in_real_time"]:
        yield (
            "the clock is before what had been heard: those streams were given faster than in real time, and have no "
            "delays by the clock"
        )


def _lines(score: LiveScore) -> Iterator[str]:
    text, total = score.text, score.text.total
    yield f"normaliser  {text.normalizer}"
    yield ""
    correct = len(score.correct)
    yield f"{len(score.recordings)} recordings, {len(score.words)} words with times, {correct} of them correct"
    yield f"{len(text.missing)} without a hypothesis (deletions), {len(text.extra)} hypotheses without a reference"
    yield from _warnings(score)
    yield from (problem.reason for problem in score.problems)
    yield ""
    yield f"{text.rate_name} of the finals {shown(total.rate)} %   {LEVEL}% interval {shown_interval(text.interval)}"
    yield _errors_line(total)
    yield ""
    yield "seconds from the end of the word by the reference; heard: of the stream, clock: with computation"
    yield from _aligned(("", "count", "mean", *(f"P{percentile}" for percentile in PERCENTILES)), _delay_rows(score))
    before_end, before_start = shown_early(score)
    yield f"{before_end} words were shown before their end, {before_start} of them before their start"
    yield ""
    yield "percent of the correct words that are stable after their end"
    shares = [(name, *map(shown, of_name)) for name, of_name in shares_by_name(score).items()]
    yield from _aligned(("", *(f"{seconds:g} s" for seconds in STABLE_AFTER_S)), shares)
    yield ""
    yield from _revision_lines(score)
    yield from _endpoint_lines(score)
    yield from _clock_lines(score)
    yield ""
    yield from boxed(_BOX, list(_box_rows(score)))


def _errors_line(total: Counts) -> str:
    parts = ", ".join(f"{getattr(total, name)} {name}" for name in ERRORS)
    return f"{total.errors} errors of {total.tokens} tokens: {parts}"


def _delay_rows(score: LiveScore) -> Iterator[tuple[str, ...]]:
    for name, of_name in delays_by_name(score).items():
        yield name, str(of_name.count), *(shown(value, 3) for value in (of_name.mean, *of_name.percentiles))


def _aligned(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Columns below each other: the first to the left, numbers to the right."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *cells in lines:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *right))


def _revision_lines(score: LiveScore) -> Iterator[str]:
    found = taken_back(score)
    yield f"flicker {shown(flicker(score.streams), 3)}   {LEVEL}% interval {shown_interval(score.flicker_interval)}"
    yield (
        f"{found['erased']} tokens taken back, {found['erased_by_finals']} of them by finals, which have "
        f"{found['final_tokens']}"
    )
    yield (
        f"stable parts: {sum(len(stream.violations) for stream in score.streams)} did not stay as they were; "
        f"{sum(stream.corrected for stream in score.streams)} of their tokens were corrected by finals"
    )


def _endpoint_lines(score: LiveScore) -> Iterator[str]:
    if score.speech_of is None:
        yield "ends of speech: nothing to compare with (neither rttm, ctm nor segments)"
        return
    found = score.endpoints
    yield (
        f"ends of speech by {score.speech_of}, pauses of {score.config.pause_s:g} s and more: {len(found.delays_s)} "
        f"found, {found.early} early, {found.extra} extra, {found.missed} missed"
    )


def _clock_lines(score: LiveScore) -> Iterator[str]:
    clock = clock_figures(score)
    factor = clock["real_time_factor"]
    if isinstance(factor, float):
        yield f"real-time factor by the clock {factor:.4f}"
    lags = [lag for stream in score.streams for lag in stream.lags_s]
    if lags:
        yield f"clock behind the stream: {np.mean(lags):.3f} s in the mean, {max(lags):.3f} s at most"


_BOX = ("recording", "tokens", "S", "D", "I", "rate", "flicker", "first P50", "final P50", "endpoint")
_DECIMALS = (0, 0, 0, 0, 2, 3, None, 3, 3, 3)  # of a row's cells; None: not shown


def _box_rows(score: LiveScore) -> Iterator[tuple[str, ...]]:
    """A row a recording, as many as there is room for, and that of all."""
    for key, row in (*list(rows(score))[:_MOST_ROWS], ("All", total_row(score))):
        cells = zip(row, _DECIMALS, strict=True)
        yield key, *(shown(cell, decimals) for cell, decimals in cells if decimals is not None)


def _word_lines(words: Iterable[ScoredWord]) -> Iterator[str]:
    """A line a word of the reference: with its delays, by what was heard and by the clock."""
    kinds = [(what, clock) for what in (FIRST, SETTLED, DECLARED, FINAL) for clock in CLOCKS]
    yield "\t".join((*_WORDS, *(f"{what}_{clock}_s" for what, clock in kinds)))
    for word in words:
        delays = (word.delay(what, clock=CLOCKS[clock]) for what, clock in kinds)
        emitted = word.emitted
        found = (emitted.token, str(emitted.segment), shown(emitted.wait_s, 3)) if emitted else ("-", "-", "-")
        times = (shown(word.start_s, 3), shown(word.end_s, 3))
        yield "\t".join((word.recording, word.token, *times, word.kind, *found, *(shown(delay, 3) for delay in delays)))


def _violation_lines(score: LiveScore) -> Iterator[str]:
    yield "\t".join(("recording", "segment", "line", "before", "after"))
    for key, own in score.recordings.items():
        for one in own.stream.violations:
            yield "\t".join((key, str(one.segment), str(one.line), one.before, one.after))


def _draw(path: Path, score: LiveScore) -> None:
    from firered.scoring.reports.pictures import draw_delays  # takes a second to load

    names = [(what, clock) for what in (FIRST, FINAL) for clock in CLOCKS]
    draw_delays(path, {f"{what}, {clock}": score.delays(what, clock=CLOCKS[clock]) for what, clock in names})
