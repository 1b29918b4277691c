"""One stream of live recognition: `LiveSession`."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from firered.asr.recogniser import Recogniser
from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.like import Samples
from firered.audio.load import INT16_SCALE
from firered.audio.pieces import Pieces
from firered.errors import AudioError
from firered.live.budget import Budget, Clock
from firered.live.config import HOLD, LiveConfig
from firered.live.endpoints import FRAMES_A_SECOND, Change, Endpoints, frames_of
from firered.live.finals import final_of
from firered.live.heard import Heard
from firered.live.open_segment import OpenSegment
from firered.live.passes import Passes
from firered.live.stable import Stable, units_of
from firered.live.streamed import Streamed
from firered.results import AsrResult, StreamEvent, StreamFrame
from firered.results.live import Event, LiveResult, Partial
from firered.runtime.context import Context
from firered.system.modules import Modules
from firered.system.stretches import Stretch
from firered.vad.detect import StreamVad

_AT_ONCE = SAMPLE_RATE  # samples of a piece that go through the detector together: a long one takes no more memory
_QUIET = 15  # frames of the quietest stretch, in whose middle a long segment is cut
_REST_S = 0.015  # a frame's window ends so long after its shift
clock: Clock = time.perf_counter


class LiveSession:
    """Takes one stream in pieces of any size and gives what becomes known with each.

    Events and finals do not depend on the pieces, nor do partials, as long as none is skipped.

    Args:
        detector: the streaming voice detector.
        modules: language identification, recognition and punctuation.
        config: of live recognition.
        context: what the recogniser is given with every segment; it may be exchanged while the stream goes on.
        context_carry: sentences of earlier segments that the recogniser is told of if it takes such.
        own_marks: texts of recognisers that punctuate are cut into sentences by their own marks.
        quick: recognises open segments, if another is to do it.
        id: of the stream.
        audio: which of several channels is taken.
        clock: seconds of any origin, by which computing is measured.

    Attributes:
        skipped: partial texts that were left out because computing was behind.
    """

    def __init__(
        self,
        detector: StreamVad,
        modules: Modules,
        config: LiveConfig,
        context: Context,
        context_carry: int,
        own_marks: bool,
        *,
        quick: Recogniser | None = None,
        id: str = "",
        audio: AudioConfig | None = None,
        clock: Clock = clock,
    ) -> None:
        self.id, self.config, self.context, self.skipped = id, config, context, 0
        self._pieces = Pieces(audio)
        self._vad = detector.stream()
        self._heard = Heard(id, [one.front_end for one in [*modules.recognisers, *([quick] if quick else [])]])
        self._endpoints = Endpoints(config, detector.config, self._quietest)
        self._passes = Passes(modules, own_marks, context_carry, quick, config.chunk_s)
        self._identifies, self._recognises = modules.lid is not None, modules.asr is not None
        self._budget = Budget(config.behind_s, clock)
        self._interval, self._lid_after = frames_of(config.interval_s), frames_of(config.lid_s)
        self._open: OpenSegment | None = None
        self._count = self._frames = 0
        self._finished = False

    @property
    def heard_s(self) -> float:
        """Seconds received so far, at 16 kHz."""
        return self._heard.duration_s

    @property
    def behind_s(self) -> float:
        """How many seconds computing is behind the audio, if that arrives at its own pace."""
        return self._budget.behind_s(self.heard_s)

    def accept(self, samples: Samples, rate: int = SAMPLE_RATE) -> list[LiveResult]:
        """What becomes known with the next piece.

        Args:
            samples: array (n,) or (n, channels), or tensor (n,) or (channels, n). Integers count by the width of their
                type (int8, int16, int32), floats have full scale 1.0.
            rate: in Hz, the same for all pieces.

        Raises:
            AudioError: this is no such piece, or it holds NaN or infinite samples; the stream is as it was before. Or
                it is finished.
        """
        return list(self.accepting(samples, rate))

    def accepting(self, samples: Samples, rate: int = SAMPLE_RATE) -> Iterator[LiveResult]:
        """The same one by one, each as soon as it is known: an end of speech before its final is computed.

        All have to be taken before anything else is asked of the session.

        Raises:
            AudioError: as `accept`, and at once.
        """
        if self._finished:
            raise AudioError("the stream is finished; LiveSystem.session() gives a new one")
        self._budget.begin()
        return self._stamped(self._take(self._pieces.accept((samples, rate))))

    def finish(self) -> list[LiveResult]:
        """What becomes known with the end of the audio: the final of the segment that is still open."""
        return list(self.finishing())

    def finishing(self) -> Iterator[LiveResult]:
        """The same one by one, as `accepting` gives it."""
        if self._finished:
            return iter(())
        self._finished = True
        self._budget.begin()
        return self._stamped(self._end())

    def _end(self) -> Iterator[LiveResult]:
        yield from self._take(self._pieces.finish())
        end_s, in_speech = math.floor(1000 * self.heard_s) / 1000, self._endpoints.speaking
        for change in self._endpoints.finish(end_s):
            yield from self._changed(change, round(self.heard_s, 3), in_speech)
        self._vad.finish()
        self._heard.drop(end_s)

    def _stamped(self, found: Iterator[LiveResult]) -> Iterator[LiveResult]:
        for result in found:
            yield replace(result, heard_s=round(self.heard_s, 3))

    def _take(self, signal: np.ndarray) -> Iterator[LiveResult]:
        """What a signal of 16 kHz on the int16 scale gives."""
        for begin in range(0, len(signal), _AT_ONCE):
            piece = signal[begin : begin + _AT_ONCE]
            before_s = self.heard_s
            events = self._vad.accept(piece / np.float32(INT16_SCALE))
            self._heard.append(self._vad.feats, piece)
            self._budget.spent(before_s)
            later = list(events)
            for frame in self._vad.frames:
                own = [later.pop(0) for _ in range(sum(event.frame == frame.frame for event in later))]
                yield from self._frame(frame, own)
            self._vad.forget()
            self._heard.drop(self._endpoints.needed_from(self._frames) / FRAMES_A_SECOND)

    def _frame(self, frame: StreamFrame, events: Sequence[StreamEvent]) -> Iterator[LiveResult]:
        """What the detector's next frame gives."""
        now = self._frames = frame.frame
        for change in self._endpoints.accept(frame, events):
            yield from self._changed(change, _known_s(now))
        current = self._open
        if current is None:
            return
        current.spoke = current.spoke or frame.speech
        if self._identifies and not current.lid_done and now - current.start >= self._lid_after:
            yield from self._identify(current, now)
        if self._recognises:
            yield from self._recognise(current, now)

    def _recognise(self, current: OpenSegment, now: int) -> list[LiveResult]:
        """The text so far of the open segment, when it is due."""
        streamed = self._passes.streamed(current.number, current.start, current.lid, self.context)
        if streamed is not None:
            return self._chunk(current, now, streamed) if streamed.due(now) else []
        return self._pass(current, now) if current.spoke and now - current.passed >= self._interval else []

    def _chunk(self, current: OpenSegment, now: int, streamed: Streamed) -> list[LiveResult]:
        """The text so far, of a recogniser that streams: nothing is computed again.

        While computing is behind, chunks wait; what waits when the segment ends is left to its final.
        """
        known_s = _known_s(now)
        if self._budget.exceeded(known_s):
            self.skipped += not current.late
            current.late = True
            return []
        current.late = False
        said = streamed.result(self._heard.frames(streamed.fed, now))
        self._budget.spent(known_s)
        if isinstance(said, Exception):
            self._passes.forget()
            return [self._trouble(current.number, now, f"recognition failed: {said}")]
        changed = said.text != (current.said.text if current.said else "")
        if now - current.passed < self._interval or not (current.spoke or changed):
            return []
        current.passed, current.spoke = now, False
        return self._shown(current, now, said)

    def _changed(self, change: Change, known_s: float, in_speech: bool = False) -> Iterator[LiveResult]:
        """What the start or the end of a segment gives."""
        before = self._open
        if change.kind != "start" and before is not None:
            if change.kind == "end":
                yield Event("speech_end", before.number, change.time_s, known_s, 0.0)
            yield from self._close(before, change.time_s, known_s, change.kind == "cut", in_speech)
            self._open = None
        if change.kind != "end" and self._endpoints.start is not None:
            self._count += 1
            start = self._endpoints.start
            stable = before.rest if before is not None and before.rest else Stable(self.config)
            self._open = OpenSegment(self._count, start, stable, start)
            if change.kind == "start":
                yield Event("speech_start", self._count, change.time_s, known_s, 0.0)
            elif before is not None:  # the speech goes on, and its language with it
                self._open.lid, self._open.lid_done = before.lid, before.lid_done

    def _identify(self, current: OpenSegment, now: int) -> list[LiveResult]:
        """Find out the language of the open segment."""
        current.lid, current.lid_done = self._passes.language(self._stretch(current, now / FRAMES_A_SECOND)), True
        self._budget.spent(_known_s(now))
        if isinstance(current.lid, Exception):
            return [self._trouble(current.number, now, f"language failed: {current.lid}")]
        return []

    def _pass(self, current: OpenSegment, now: int) -> list[LiveResult]:
        """The text so far of the open segment."""
        known_s = _known_s(now)
        current.passed, current.spoke = now, False
        if self._budget.exceeded(known_s):
            self.skipped += 1
            return []
        stretch = self._stretch(current, now / FRAMES_A_SECOND, silence=True)
        if self.config.stable == HOLD and not stretch.context.prefix:
            stretch = replace(stretch, context=replace(stretch.context, prefix=current.stable.text))
        if self.config.drafts and current.said:
            stretch = replace(stretch, context=replace(stretch.context, draft=current.said.text))
        said = self._passes.partial(stretch, current.number, current.lid)
        self._budget.spent(known_s)
        if isinstance(said, Exception):
            return [self._trouble(current.number, now, f"recognition failed: {said}")]
        return [] if said is None else self._shown(current, now, said)

    def _shown(self, current: OpenSegment, now: int, said: AsrResult) -> list[LiveResult]:
        """The partial of what was recognised in the open segment."""
        before, current.said = current.said, said
        unstable = current.stable.take(said)
        if not current.stable.text + unstable and not (before and before.text):
            return []
        span = current.start / FRAMES_A_SECOND, now / FRAMES_A_SECOND
        return [Partial(current.number, *span, current.stable.text, unstable, current.lang, _known_s(now), 0.0)]

    def _close(
        self, current: OpenSegment, end_s: float, known_s: float, cut: bool, in_speech: bool
    ) -> list[LiveResult]:
        """The final of a segment, and what failed in it."""
        stretch = self._stretch(current, end_s, silence=in_speech)
        if self._identifies and (self.config.final_lid or not current.lid_done):
            current.lid = self._passes.language(stretch)
        segment = self._passes.final(stretch, current.number, current.lid)
        self._budget.spent(known_s)
        if cut:
            recognised = units_of(segment.asr) if isinstance(segment.asr, AsrResult) else []
            current.rest = current.stable.split(end_s - current.start / FRAMES_A_SECOND, len(recognised))
        final = final_of(segment, current.number, current.stable.units, current.said, known_s, cut)
        failed = [trouble for trouble in final.troubles if trouble.kind == "failed"]
        return [*(Event("trouble", current.number, end_s, known_s, 0.0, trouble.reason) for trouble in failed), final]

    def _quietest(self, first: int, end: int) -> int:
        return self._heard.quietest(first, end, _QUIET)

    def _stretch(self, current: OpenSegment, end_s: float, silence: bool = False) -> Stretch:
        source = self._heard.before_silence(self.config.tail_s) if silence and self.config.tail_s else self._heard
        return Stretch(source, (current.start / FRAMES_A_SECOND, end_s), self.context)

    @staticmethod
    def _trouble(number: int, now: int, reason: str) -> Event:
        return Event("trouble", number, now / FRAMES_A_SECOND, _known_s(now), 0.0, reason)


def _known_s(now: int) -> float:
    """The end of the window of the last of so many frames, in seconds."""
    return round(now / FRAMES_A_SECOND + _REST_S, 3)
