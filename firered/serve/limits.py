"""How many requests are taken: `Limits`."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from firered.serve.auth import Client
from firered.serve.config import ServeConfig
from firered.serve.errors import ApiError

_REMEMBERED = 10_000  # clients whose rate is looked at
_LEAST_S, _MOST_S = 1.0, 60.0  # that a client is told to wait


class Limits:
    """Counts requests that are open, of all clients and of each, and how fast each sends them.

    Args:
        config: of the server.
        wait_s: about how long what comes now has to wait.
        clock: seconds of any origin.
        most: of all clients; None: as many as the server's requests.
        what: they are called.
    """

    def __init__(
        self,
        config: ServeConfig,
        wait_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
        *,
        most: int | None = None,
        what: str = "requests",
    ) -> None:
        self._config, self._wait_s, self._clock = config, wait_s, clock
        self._most, self._what = config.max_open if most is None else most, what
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        self._left: dict[str, tuple[float, float]] = {}  # requests that a client has left, as of when

    @property
    def open(self) -> int:
        """Requests that are open."""
        return sum(self._open.values())

    @contextlib.contextmanager
    def admitted(self, client: Client) -> Iterator[None]:
        """The block, as one of the open requests.

        Raises:
            ApiError: there are too many, of this client (429) or of all (503).
        """
        with self._lock:
            self._check(client.name)
            self._open[client.name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[client.name] -= 1
                if not self._open[client.name]:
                    del self._open[client.name]

    def _check(self, name: str) -> None:
        config = self._config
        if self._open[name] >= config.max_client:
            raise ApiError(
                429,
                f"{config.max_client} {self._what} of yours are open, the most that one client may have",
                code=f"too_many_open_{self._what}",
                kind="rate_limit_error",
                retry_after_s=self._later(),
            )
        if self.open >= self._most:
            raise ApiError(503, "the server is busy", code="server_busy", retry_after_s=self._later())
        if config.max_rate:
            self._check_rate(name)

    def _later(self) -> float:
        return min(_MOST_S, max(_LEAST_S, self._wait_s()))

    def _check_rate(self, name: str) -> None:
        """A client has a minute's requests at once, and gets one back with each part of a minute."""
        rate, now = self._config.max_rate, self._clock()
        most = max(1.0, rate)
        left, since = self._left.get(name, (most, now))
        left = min(most, left + (now - since) * rate / 60)
        if left < 1:
            raise ApiError(
                429,
                f"more than {rate:g} {self._what} a minute",
                code="rate_limit_exceeded",
                kind="rate_limit_error",
                retry_after_s=(1 - left) * 60 / rate,
            )
        self._left[name] = left - 1, now
        if len(self._left) > _REMEMBERED:
            del self._left[next(iter(self._left))]
