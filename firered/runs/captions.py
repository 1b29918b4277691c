"""One live stream: captions, subtitles and other files while it is spoken. The work of `firered live` on a stream."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from firered.audio.arriving import Arriving, Source
from firered.errors import AudioError, FireRedError
from firered.live.session import LiveSession
from firered.output.live import Lines, Written
from firered.output.screen import Screen
from firered.runs.feed import Feed, Timed

log = logging.getLogger(__name__)

_TICK_S = 0.2  # between two looks at the terminal and at signals, where nothing arrives
_BEHIND_S = 5.0  # from here on it is said that captions are late, and again at each doubling
_CAUGHT_UP_S = 1.0
_INTERRUPTED = 130  # exit status of what was stopped before its end, as shells have it for an interrupt


@dataclass(frozen=True)
class Live:
    """How a stream is taken and what is written of it.

    Attributes:
        source: of its audio.
        pace: seconds of audio that come in a second; 0: as fast as it is taken.
        room_s: seconds of audio that are kept while computing is behind.
        written: the files.
        ids: where no terminal is written to: lines begin with the id of their segment.
        keep_going: exit status 0 even if something failed.
        no_gaps: the audio's clock is that of a sound card, which never runs ahead of ours but by drift.
    """

    source: Source
    pace: float
    room_s: float
    written: Sequence[Written]
    ids: bool
    keep_going: bool
    no_gaps: bool = False


def run_captions(session: LiveSession, how: Live) -> int:
    """Exit status of recognising a stream until it ends, or is stopped by SIGINT or SIGTERM."""
    shown = Screen(sys.stdout) if _is_terminal() else Lines(sys.stdout, session.id, how.ids)
    arriving = Arriving(how.source, how.room_s, pace=how.pace)

    def clock() -> float:
        return max(arriving.clock_s(), session.heard_s) if how.no_gaps else arriving.clock_s()

    feed = Feed(session, clock if how.pace else None)
    outputs = _Outputs([shown, *how.written])
    with contextlib.ExitStack() as stack:
        stack.callback(outputs.close)
        if isinstance(shown, Screen):
            stack.enter_context(_messages_beside(shown))
        stopping = stack.enter_context(_Stopping(arriving))
        stack.enter_context(arriving)
        lag = _Lag() if how.pace else None
        error = _follow(arriving, feed, outputs, stopping, lag, shown if isinstance(shown, Screen) else None)
        outputs.give(feed.finish(), feed)
    return _status(feed, arriving, outputs, error, how)


def _follow(
    arriving: Arriving,
    feed: Feed,
    outputs: "_Outputs",
    stopping: "_Stopping",
    lag: "_Lag | None",
    screen: Screen | None,
) -> Exception | None:
    """Give out what the stream gives until it ends; the error that ended it, if one has."""
    try:
        for piece in arriving.pieces(_TICK_S):
            if piece is not None:
                outputs.give(feed.accept(piece), feed)
            if lag is not None:
                lag.look(min(arriving.waiting_s, feed.clock_s() - feed.session.heard_s))
            stopping.tell()
            if screen is not None:
                screen.refresh()
    except (FireRedError, OSError) as error:
        return error
    stopping.tell()
    if screen is not None:
        screen.refresh()
    return None


def _status(feed: Feed, arriving: Arriving, outputs: "_Outputs", error: Exception | None, how: Live) -> int:
    """Exit status; what the stream was like is told."""
    heard_s, faults = feed.session.heard_s, list(arriving.faults)
    if error is None and not heard_s:
        error = AudioError(f"{how.source.name} ended before there was any audio")
    if arriving.lost_s:
        faults.append(
            f"{arriving.lost_s:.1f} s of audio were lost, as computing was more than {how.room_s:g} s behind; silence "
            "stands in their place"
        )
    if error is not None:
        faults.append(str(error))
    for fault in faults:
        log.error("%s", fault)
    factor = feed.computing_s / heard_s if heard_s else 0.0
    log.info(
        "%.1f s of audio, %d finals, real-time factor %.3f, %d partial texts skipped, %d troubles",
        *(heard_s, feed.finals, factor, feed.session.skipped, len(faults) + len(feed.failures)),
    )
    return 1 if (faults or feed.failures or outputs.failed) and not how.keep_going else 0


class _Outputs:
    """Everything that results are written to; what cannot be written any more is left, and the others go on.

    Attributes:
        failed: whether something could not be written.
    """

    def __init__(self, outputs: Sequence[Written]) -> None:
        self._outputs, self.failed = list(outputs), False
        self._told = 0  # failures that were told

    def give(self, results: Iterator[Timed], feed: Feed) -> None:
        """Write them, and say what has failed."""
        for result, clock_s in results:
            for failure in feed.failures[self._told :]:
                log.error("%s", failure)
            self._told = len(feed.failures)
            for output in list(self._outputs):
                with self._trying(output):
                    output.give(result, clock_s)

    def close(self) -> None:
        """Close them."""
        for output in list(self._outputs):
            with self._trying(output):
                output.close()

    @contextlib.contextmanager
    def _trying(self, output: Written) -> Iterator[None]:
        try:
            yield
        except FireRedError as error:
            log.error("%s; it is left as it is, the captions go on", error)
            self._outputs.remove(output)
            self.failed = True


class _Stopping:
    """While this is entered the first SIGINT or SIGTERM ends the audio, and the second the program."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, arriving: Arriving) -> None:
        self._arriving, self._count, self._told = arriving, 0, False

    def tell(self) -> None:
        """Say that it is stopping, once; not where the signal comes, in the middle of anything."""
        if self._count and not self._told:
            self._told = True
            waiting_s = self._arriving.waiting_s
            more = f" and {waiting_s:.0f} s of audio that have arrived" if waiting_s >= 1 else ""
            log.info("stopping after the open segment%s; once more stops at once", more)

    def _handle(self, *_: int | FrameType | None) -> None:
        self._count += 1
        self._arriving.stopped.set()
        if self._count > 1:
            raise SystemExit(_INTERRUPTED)

    def __enter__(self) -> "_Stopping":
        """Take the signals over."""
        self._before = [(number, signal.signal(number, self._handle)) for number in self._SIGNALS]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leave them as they were."""
        for number, before in self._before:
            signal.signal(number, before)
        if kind is SystemExit:
            log.error("stopped at once; the open segment is lost")


class _Lag:
    """Says when captions are late, and when they are not any more."""

    def __init__(self) -> None:
        self._next_s = _BEHIND_S

    def look(self, behind_s: float) -> None:
        """Take what computing is behind the audio, in seconds."""
        if behind_s >= self._next_s:
            log.warning("captions are %.0f s behind the audio, which is kept; partial text is skipped", behind_s)
            self._next_s = 2 * behind_s
        elif self._next_s > _BEHIND_S and behind_s < _CAUGHT_UP_S:
            log.info("captions have caught up with the audio")
            self._next_s = _BEHIND_S


def _is_terminal() -> bool:
    """Whether standard output is a terminal on which lines can be written anew."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


@contextlib.contextmanager
def _messages_beside(screen: Screen) -> Iterator[None]:
    """The block, in which messages of the log stand above what is being spoken and do not run into it."""

    def room(_: logging.LogRecord) -> bool:
        screen.erase()
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(room)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(room)
