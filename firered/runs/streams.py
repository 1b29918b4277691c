"""Recordings recognised as live streams without waiting: the files that `firered live IN -o OUT` writes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firered.audio.arriving import PIECE_S
from firered.audio.config import AudioConfig
from firered.audio.frames import samples_of
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE
from firered.data.datadir import write_lines, write_table
from firered.data.utterance import Utterance
from firered.data.write import json_line, one_line
from firered.live.system import LiveSystem
from firered.output.live import live_line
from firered.results.live import Final
from firered.results.plain import Result
from firered.runs.config import RunConfig
from firered.runs.depends import Identity
from firered.runs.feed import Feed, Timed
from firered.runs.inputs import Inputs
from firered.runs.journal import Run
from firered.text.joining import join_texts

LIVE, TEXT = "live.jsonl", "text"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Streamed(Result):
    """What a recording gave as a stream: its lines of live.jsonl, its text, and what failed in it."""

    lines: Sequence[str]
    text: str
    failures: Sequence[str]
    skipped: int
    duration_s: float


def run_streams(
    inputs: Inputs, out: Path, build: Callable[[], LiveSystem], identity: Identity, audio: AudioConfig, job: RunConfig
) -> int:
    """Exit status of recognising all recordings as streams, in pieces of 0.1 s, one after the other.

    Raises:
        FireRedError: `out` cannot be written.
    """
    with Run(out, identity, job, read=Streamed.from_dict) as run:
        run.take(inputs)
        system: LiveSystem | None = None
        for recording in inputs.utterances:
            if recording.id in run.results:
                continue
            system = system or build()
            try:
                found = streamed(system, recording, audio)
            except Exception as error:
                run.fail_with(recording.id, error)
            else:
                run.done(recording.id, found, found.duration_s)
        for key, result in run.results.items():
            for reason in result.failures:
                run.fail(key, reason)
        ordered = {key: run.results[key] for key in sorted(run.results)}
        write_lines(out / LIVE, [line for result in ordered.values() for line in result.lines])
        write_table(out / TEXT, {key: result.text for key, result in ordered.items()})
        skipped = sum(result.skipped for result in ordered.values())
        if skipped:
            log.info("%d partial texts skipped, where computing was behind the audio", skipped)
        return run.finish()


def streamed(system: LiveSystem, recording: Utterance, audio: AudioConfig) -> Streamed:
    """What a recording gives as a stream that is given as fast as it is taken.

    The clock is that of audio that comes at its own pace: what takes time beside it is the computation.

    Raises:
        FireRedError: it cannot be read.
    """
    feed = Feed(system.session(recording.id))
    lines, texts = list[str](), list[str]()

    def note(results: Iterator[Timed]) -> None:
        for result, clock_s in results:
            line = live_line(recording.id, result, clock_s)
            if line is not None:
                lines.append(json_line(line))
            if isinstance(result, Final):
                texts.append(result.text)

    size = round(PIECE_S * SAMPLE_RATE)
    for block in samples_of(recording, audio):
        for first in range(0, len(block), size):
            note(feed.accept((block[first : first + size] / np.float32(INT16_SCALE), SAMPLE_RATE)))
    note(feed.finish())
    text = one_line(join_texts(texts))
    return Streamed(lines, text, feed.failures, feed.session.skipped, feed.session.heard_s)
