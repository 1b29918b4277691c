"""Recordings of many clients through one system, in shared batches: `Engine`."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_samples
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import array_blocks, read_blocks
from firered.errors import Outcome, result_of
from firered.runtime.batches import run_batch
from firered.serve.config import ServeConfig
from firered.serve.errors import ApiError, fault
from firered.serve.loaded import Able, Models
from firered.serve.measures import Measures
from firered.serve.model_calls import ModelCall
from firered.serve.turns import Piece, Turns
from firered.serve.work import JOB, REQUEST, Listener, Task, TooLong, Work
from firered.system.assemble import Segment
from firered.system.recording import Recording, Voice
from firered.system.system import System
from firered.vad.detect import StreamVad

log = logging.getLogger(__name__)

_SLOWEST_PACE = 10.0  # seconds of computing for one of speech, by which no longer waits are told
_LOOK_S = 0.25


class Gone(Exception):
    """Nobody waits for the recording any more."""


class Engine:
    """Owns the models and the threads that use them.

    Threads of one kind read recordings (decode, find voice), threads of another take turns of segments and recognise
    them. Jobs are read by one thread of their own, so that long files keep no request waiting.

    Args:
        build: makes the system.
        name: of its recogniser.
        languages: codes of those that it writes, where it cannot be told one.
        config: of the server.
        measures: what is counted.
        clock: seconds of any origin.
        detector: makes the voice detector of live streams; None: there are none.
    """

    def __init__(
        self,
        build: Callable[[], System],
        name: str,
        languages: Sequence[str],
        config: ServeConfig,
        measures: Measures | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        detector: Callable[[], StreamVad] | None = None,
    ) -> None:
        self.name, self.config = name, config
        self.able = Able(name, frozenset(), (), finds_voice=False, times_words=False)  # until models are loaded

        def described() -> System:
            system = build()
            self.able = Able.of(name, languages, system)
            return system

        self.models = Models(described, config.workers, detector)
        self.measures = measures or Measures()
        self.turns = Turns(config.turn_seconds, config.batch_wait_ms / 1000, lambda: self._reading > 0)
        self._clock = clock
        self._audio = AudioConfig(pipes=False, ffmpeg_seconds=config.media_s)
        self._to_read: dict[int, queue.SimpleQueue[Work | None]] = {
            rank: queue.SimpleQueue() for rank in (REQUEST, JOB)
        }
        self._lock = threading.Lock()
        self._works: set[Work] = set()
        self._reading = 0
        self._busy: list[float | None] = [None] * config.workers  # since when
        self._pace = 0.1
        self._threads: list[threading.Thread] = []
        self._used = clock()
        self.stopping = False

    def start(self) -> None:
        """Start its threads; models are loaded with the first work."""
        for number in range(self.config.workers):
            self._thread(f"recogniser-{number}", self._recognise, number)
        for number in range(self.config.readers):
            self._thread(f"reader-{number}", self._read, REQUEST)
        self._thread("reader-jobs", self._read, JOB)

    def _thread(self, name: str, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, name=f"firered-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # --- for those who have work ---

    def submit(self, task: Task, listener: Listener) -> Work:
        """A recording's work, which begins when its turn comes.

        Raises:
            ApiError: the server ends.
        """
        if self.stopping:
            raise ApiError(503, "the server is shutting down", code="shutting_down", retry_after_s=5)
        work = Work(task, listener, self._over)
        with self._lock:
            self._works.add(work)
        self._note_use(work)
        self._to_read[task.rank].put(work)
        return work

    def cancel(self, work: Work) -> None:
        """Nobody wants it any more; what others wait for goes on."""
        if not work.over:
            self.measures.cancelled.add()
        work.cancel()
        self.turns.look()

    def _over(self, work: Work) -> None:
        with self._lock:
            self._works.discard(work)
        self._note_use(work)

    def _note_use(self, work: Work) -> None:
        if not work.task.is_test:
            self._used = self._clock()

    # --- for those who look after it ---

    @property
    def hung_s(self) -> float:
        """How long the slowest batch takes so far; without end where a thread has died."""
        if any(not thread.is_alive() for thread in self._threads) and not self.stopping:
            return float("inf")
        return max((self._clock() - since for since in self._busy if since is not None), default=0.0)

    @property
    def hung(self) -> bool:
        """Whether that is too long."""
        return self.hung_s > self.config.hang_s

    @property
    def works(self) -> int:
        """How many there are that are not over."""
        return len(self._works)

    @property
    def idle_s(self) -> float:
        """How long there has been no work but tests."""
        return 0.0 if self._works else self._clock() - self._used

    @property
    def wait_s(self) -> float:
        """About how long what comes now has to wait."""
        return self.turns.waiting_s * self._pace / self.config.workers

    def stop(self, grace_s: float) -> None:
        """Take no more work, let requests end for so long, then end; jobs are left as they are."""
        self.stopping = True
        until = self._clock() + grace_s
        while self._clock() < until and any(work.task.rank == REQUEST for work in self._left()):
            time.sleep(_LOOK_S / 10)
        for work in self._left():
            work.cancel()
        self.turns.close()
        for rank, works in self._to_read.items():
            for _ in range(self.config.readers if rank == REQUEST else 1):
                works.put(None)
        for thread in self._threads:
            thread.join(max(_LOOK_S, until - self._clock()))

    def _left(self) -> list[Work]:
        with self._lock:
            return list(self._works)

    # --- its threads ---

    def _read(self, rank: int) -> None:
        while (work := self._to_read[rank].get()) is not None:
            if not work.over:
                self._count_reading(1)
                self._open(work)
                self._count_reading(-1)
            del work

    def _count_reading(self, change: int) -> None:
        with self._lock:
            self._reading += change
        self.turns.look()

    def _open(self, work: Work) -> None:
        """Read a recording, and have its segments wait."""
        try:
            recording = self._opened(work)
            if work.opened(recording):
                self.turns.add(work)
        except Gone:
            pass
        except Exception as error:  # any failure is this recording's alone
            work.fail(error)

    def _opened(self, work: Work) -> Recording:
        task = work.task
        with self.models.use() as system:
            for recogniser in system.modules.recognisers:
                recogniser.check(task.context)
            (outcome,) = system.segmented([(self._frames(work), "")], task.context, task.vad)
            recording = result_of(outcome)
        if isinstance(task.audio, np.ndarray):
            return Recording(recording.spool, [Voice((0.0, recording.spool.duration_s))], (), task.context)
        return recording

    def _frames(self, work: Work) -> Frames:
        audio = work.task.audio
        if isinstance(audio, np.ndarray):
            return of_samples("samples", array_blocks(audio))
        return of_samples("upload", _within(work, read_blocks(audio, self._audio)))

    def _recognise(self, number: int) -> None:
        while turn := self.turns.take(number):
            calls = [one for one in turn if isinstance(one, ModelCall)]
            pieces = [one for one in turn if isinstance(one, Piece)]
            if calls:
                self._answer(number, calls)
            else:
                for piece, outcome in zip(pieces, self._recognised(number, pieces), strict=True):
                    piece.work.put(piece.number, outcome)
                del piece, outcome
            del turn, calls, pieces

    def _answer(self, number: int, calls: Sequence[ModelCall]) -> None:
        """Compute what live streams have called for, in one batch."""
        items = [item for call in calls for item in call.items]
        found: Sequence[Outcome[object]]
        began = self._clock()
        try:
            with self.models.use(number) as system:
                self._busy[number] = began
                found = run_batch(items, lambda batch: calls[0].process(system, batch))
        except Exception as error:
            found = [fault(error)] * len(items)
        finally:
            self._busy[number] = None
        if seconds := sum(call.seconds for call in calls):
            self.measures.batch(len(items), seconds, self._clock() - began)
        outcomes = iter(found)
        for call in calls:
            call.put([next(outcomes) for _ in call.items])

    def _recognised(self, number: int, pieces: Sequence[Piece]) -> Sequence[Outcome[Segment]]:
        try:
            with self.models.use(number) as system:
                self._busy[number] = began = self._clock()
                found = system.recognised([piece.stretch for piece in pieces])
        except Exception as error:  # of the models: those who wait are told, others go on
            answer = fault(error)
            return [answer] * len(pieces)
        finally:
            self._busy[number] = None
        took_s = self._clock() - began
        speech_s = sum(piece.stretch.duration_s for piece in pieces)
        self._pace = min(_SLOWEST_PACE, 0.8 * self._pace + 0.2 * took_s / max(speech_s, 0.1))
        self.measures.batch(len(pieces), speech_s, took_s)
        return found


def _within(work: Work, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks, as long as somebody waits for them and they are not too many."""
    total = 0
    for block in blocks:
        total += len(block)
        if work.over:
            raise Gone
        if total > work.task.longest_s * SAMPLE_RATE:
            hours = work.task.longest_s / 3600
            raise TooLong(f"longer than {hours:.4g} hours, the most that is taken")
        yield block
