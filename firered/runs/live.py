"""Live audio on standard input: events are printed as they become known, and files are left as of a recording."""

import contextlib
import io
import json
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.incoming import Incoming
from firered.audio.load import INT16_SCALE
from firered.data.archives import MatrixWriter
from firered.data.temporary import named_file
from firered.data.utterance import Utterance
from firered.errors import AudioError
from firered.output.printing import put_out
from firered.output.published import published
from firered.results import StreamEvent, StreamFrame, StreamVadResult
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs
from firered.runs.journal import Run
from firered.runs.vad import ARK, Detected, write_results, writing_sound
from firered.vad.detect import StreamVad
from firered.vad.stream import VadStream

log = logging.getLogger(__name__)

ID = "stdin"
STANDARD_INPUT = "-"  # in wav.scp, as Kaldi has it: there is no file that could be read again
_READ_BYTES = 16000  # at most so much at a time; whatever has arrived is processed immediately


def run_live(
    command: str,
    out: Path,
    model: Path,
    detector: StreamVad,
    output: VadOutputConfig,
    audio: AudioConfig,
    config: RunConfig,
    *,
    frames: bool = False,
) -> int:
    """Exit status of detecting speech in standard input until it ends, or is interrupted.

    Args:
        command: its name.
        out: where the files go that a recording has.
        model: directory of the detector's model.
        detector: the detector.
        output: what else is written.
        audio: which of several channels is taken.
        config: what a failure means for the exit status; nothing is resumed.
        frames: print a line a frame as well.

    Raises:
        FireRedError: `out` cannot be written.
    """
    inputs = Inputs([Utterance(ID, ID, STANDARD_INPUT)])
    identity = fingerprint(command, detector.config, audio)
    with (
        Run(out, identity, replace(config, resume=False), read=Detected.from_dict) as run,
        named_file(".wav") as kept,
    ):
        run.take(inputs)
        live = _Live(detector.stream(audio), frames, Path(kept.name) if output.save_segments or output.plot else None)
        try:
            with MatrixWriter(out / ARK) as probs, _Interrupts() as interrupts:
                place, count = probs.write(ID, live.posteriors(interrupts))
        except AudioError as error:  # nothing that could be analysed
            run.fail_with(ID, error)
        else:
            run.done(ID, Detected(live.result(), count, live.stream.duration_s, place.rpartition(":")[2]), 0.0)
            if live.error is not None:
                run.fail(ID, f"{live.error}; what came before is written")
        write_results(f"{command} --model {model}", detector, inputs, output, audio, run, kept.name)
        return run.finish()


class _Interrupts:
    """Ctrl-C ends the input, not the program: while this is entered it interrupts nothing but the wait for audio."""

    def __init__(self) -> None:
        self.came = self._waiting = False

    def read(self) -> bytes:
        """What has arrived, waited for if nothing has; nothing at the end of the input or after an interrupt."""
        try:
            self._waiting = True
            return b"" if self.came else cast(io.BufferedReader, sys.stdin.buffer).read1(_READ_BYTES)
        except KeyboardInterrupt:
            return b""
        finally:
            self._waiting = False

    def _handle(self, *_: object) -> None:
        self.came = True
        if self._waiting:
            raise KeyboardInterrupt

    def __enter__(self) -> "_Interrupts":
        """Take over the signal."""
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it as it was."""
        signal.signal(signal.SIGINT, self._before)


class _Live:
    """Standard input on its way through the detector.

    Args:
        stream: of the detector.
        frames: a line is printed a frame.
        keep: a wav file that gets the audio, if it is needed again.
    """

    def __init__(self, stream: VadStream, frames: bool, keep: Path | None) -> None:
        self.stream = stream
        self.error: AudioError | None = None  # that ended the input after some good audio
        self._print_frames, self._keep = frames, keep
        self._events: list[StreamEvent] = []
        self._count = 0

    def posteriors(self, interrupts: _Interrupts) -> Iterator[np.ndarray]:
        """Posteriors (T, 1) as they become known; events, and frames, are printed.

        Raises:
            AudioError: nothing came that can be analysed.
        """
        with contextlib.ExitStack() as stack:
            kept = None
            if self._keep is not None:
                kept = stack.enter_context(soundfile.SoundFile(self._keep, "w", SAMPLE_RATE, 1, "FLOAT"))
            try:
                for piece in _pieces(interrupts):
                    yield from self._taken(self.stream.accept(piece), kept)
            except AudioError as error:
                if self._count == 0:
                    raise
                self.error = error
            yield from self._taken(self.stream.finish(), kept)
        if self._count == 0:
            raise AudioError("standard input ended before there was a frame of 25 ms")

    def _taken(self, events: list[StreamEvent], kept: soundfile.SoundFile | None) -> Iterator[np.ndarray]:
        """The posteriors (T, 1) of the stream's last piece, if any; what there is to print of it is printed before."""
        if kept is not None and self._keep is not None:
            with writing_sound(self._keep):
                kept.write(self.stream.samples / INT16_SCALE)
        self._count += len(self.stream.probs)
        self._events += events
        _print(self.stream.frames if self._print_frames else [], events)
        if len(self.stream.probs):
            yield self.stream.probs[:, None]

    def result(self) -> StreamVadResult:
        """The result, without posteriors: those of hours of audio are in their archive."""
        return StreamVadResult(ID, round(self.stream.duration_s, 3), self.stream.timestamps(), events=self._events)


def _pieces(interrupts: _Interrupts) -> Iterator[tuple[np.ndarray, int]]:
    """Pieces of audio as they come."""
    incoming = Incoming()
    while data := interrupts.read():
        if (piece := incoming.accept(data)) is not None:
            yield piece
    rest, complaint = incoming.finish()
    if complaint:
        log.warning("%s: %s", ID, complaint)
    if rest is not None:
        yield rest


def _print(frames: Sequence[StreamFrame], events: Sequence[StreamEvent]) -> None:
    """Print a line of JSON a frame and an event, in the order in which they are known."""
    later = list(events)
    lines = []
    for frame in frames:
        lines.append(json.dumps(published(frame)))
        while later and later[0].frame <= frame.frame:
            lines.append(json.dumps(published(later.pop(0))))
    lines += [json.dumps(published(event)) for event in later]
    if lines:
        put_out("".join(f"{line}\n" for line in lines), sys.stdout)
