"""Looks after an engine: warms it up, tests it while nobody calls, unloads what nobody uses: `Keeper`."""

import logging
import threading
import time
from collections.abc import Callable

import numpy as np

from firered.audio.framing import SAMPLE_RATE
from firered.errors import Outcome
from firered.serve.engine import Engine
from firered.serve.heard import Heard
from firered.serve.work import Task
from firered.system.assemble import Segment
from firered.system.recording import Recording

log = logging.getLogger(__name__)

_TEST_S = 1.0  # of noise that is decoded for a test
_LOOK_S = 0.2
_LOADING, _READY, _STOPPING = "loading", "ready", "stopping"


class Keeper:
    """Decodes noise with all modules when the server starts and from time to time: only then it counts as ready.

    Args:
        engine: that is looked after.

    Attributes:
        failed: called where models cannot be loaded or their first decode fails.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.failed: Callable[[Exception], None] = lambda _: None
        self._state, self._trouble = _LOADING, ""
        self._tested_at = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="firered-keeper", daemon=True)

    def start(self) -> None:
        """Begin with the first decode."""
        self._thread.start()

    def stop(self) -> None:
        """End; the server is not ready from here on."""
        self._state = _STOPPING
        self._stop.set()
        self._thread.join(_LOOK_S)

    @property
    def state(self) -> str:
        """`loading`, `ready`, `stopping`, or what is wrong."""
        if self._state == _READY and self._engine.hung:
            return f"a batch has taken {self._engine.hung_s:.0f} s"
        return self._trouble or self._state

    @property
    def ready(self) -> bool:
        """Whether requests will be served."""
        return self.state == _READY

    def _run(self) -> None:
        try:
            self._test()
        except Exception as error:
            self._trouble = f"the first decode failed ({type(error).__name__})"
            self.failed(error)
            return
        if not self._stop.is_set():
            self._state = _READY
            log.info("ready")
        while not self._stop.wait(_LOOK_S):
            self._look()

    def _look(self) -> None:
        engine, config = self._engine, self._engine.config
        if not engine.models.loaded:
            return
        if config.idle_s and engine.idle_s > config.idle_s:
            if engine.models.unload():
                log.info("models unloaded after %.0f s without work", engine.idle_s)
        elif config.probe_s and min(engine.idle_s, time.monotonic() - self._tested_at) > config.probe_s:
            self._look_for_trouble()

    def _look_for_trouble(self) -> None:
        try:
            self._test(self._engine.config.hang_s)
            self._trouble = ""
        except Exception as error:
            self._trouble = f"the test decode failed ({type(error).__name__})"
            log.error("%s", self._trouble)
        self._tested_at = time.monotonic()

    def _test(self, limit_s: float | None = None) -> None:
        """Decode a second of noise.

        Raises:
            Exception: what went wrong.
        """
        noise = np.random.default_rng(0).normal(0, 1000, round(_TEST_S * SAMPLE_RATE)).astype(np.int16)
        answer = _Answer()
        work = self._engine.submit(Task(noise), answer)
        if not answer.there.wait(limit_s):
            work.cancel()
            raise TimeoutError
        if isinstance(answer.outcome, Exception):
            raise answer.outcome
        assert answer.outcome is not None
        for trouble in answer.outcome.transcript.troubles:
            if trouble.kind == "failed":
                raise RuntimeError(trouble.reason)


class _Answer:
    """Who waits for a test decode."""

    def __init__(self) -> None:
        self.there = threading.Event()
        self.outcome: Outcome[Heard] | None = None

    def opened(self, recording: Recording) -> None:
        """Nothing."""

    def recognised(self, number: int, segment: Segment) -> None:
        """Nothing."""

    def finished(self, outcome: Outcome[Heard]) -> None:
        """Keep it."""
        self.outcome = outcome
        self.there.set()
