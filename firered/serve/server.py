"""Serves the application until a signal: `serve_until_told`."""

import asyncio
import logging
import math
import os
import signal
import socket
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from firered.live.config import LiveConfig
from firered.runtime.context import Context
from firered.serve.app import create_app
from firered.serve.config import ServeConfig
from firered.serve.engine import Engine
from firered.system.system import System
from firered.vad.config import VadConfig
from firered.vad.detect import StreamVad

log = logging.getLogger(__name__)

_HEAD_S = 20.0  # that a client has for the head of its request
_IDLE_S = 20  # that a connection without requests is kept
_PING_S, _PONG_S = 20.0, 60.0  # from one ping of a live stream to the next, and that an answer may take


class _Patient(H11Protocol):
    """HTTP/1.1 with a limit to the patience with clients that do not finish the head of their first request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        self._late = self.loop.call_later(_HEAD_S, self._without_request)

    def _without_request(self) -> None:
        if self.transport.get_protocol() is not self:  # it is a WebSocket now
            return
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """A client has left."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)


class Listening(uvicorn.Server):
    """The server: one signal lets it finish what runs, a second one ends it at once.

    Attributes:
        port: that it listens on, once it does.
        failure: why models could not be loaded, which ends it.
    """

    def __init__(self, config: ServeConfig, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=config.host,
                port=config.port,
                http=_Patient,
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=math.ceil(config.grace_s),
                ws_max_size=round(1e6 * config.max_message_mb),
                ws_ping_interval=_PING_S,
                ws_ping_timeout=_PONG_S,
                ws_per_message_deflate=False,
            )
        )
        self.port = 0
        self.failure: Exception | None = None
        app.state.services.keeper.failed = self._failed
        self._sockets, self._grace_s = app.state.sockets, config.grace_s

    def _failed(self, error: Exception) -> None:
        self.failure = error
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for server in self.servers if self.started else ():
            self.port = server.sockets[0].getsockname()[1]
            log.info("listening on http://%s:%d", self.config.host, self.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: live streams have their last words recognised before they are closed."""
        for server in self.servers:
            server.close()
        await self._sockets.end(self._grace_s)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        if self.should_exit:
            log.error("ended at once by a second signal")
            os._exit(128 + sig)  # threads that compute cannot be asked
        log.info("%s: no more requests; those that run are finished", signal.Signals(sig).name)
        self.should_exit = True


def log_less() -> None:
    """Have the packages below the server say nothing of what was answered."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_fault)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every malformed form


def _is_fault(record: logging.LogRecord) -> bool:
    """Whether a message of uvicorn tells of a fault: it takes every WebSocket that is refused for one."""
    return "without completing handshake" not in record.getMessage()


def application(
    config: ServeConfig,
    build: Callable[[], System],
    name: str,
    languages: Sequence[str] = (),
    context: Context | None = None,
    vad: VadConfig | None = None,
    *,
    detector: Callable[[], StreamVad] | None = None,
    live: LiveConfig | None = None,
) -> FastAPI:
    """The application of a system; see `create_app`.

    Args:
        config: of the server.
        build: makes the system.
        name: of its recogniser.
        languages: codes of those that it writes, where it cannot be told one.
        context: what the recogniser is given where a request says nothing else.
        vad: options of the voice detector likewise.
        detector: makes the voice detector of live streams; None: there are none.
        live: options of live streams.
    """
    engine = Engine(build, name, languages, config, detector=detector)
    return create_app(config, engine, context=context, vad=vad, live=live)


def serve_until_told(
    config: ServeConfig,
    build: Callable[[], System],
    name: str,
    languages: Sequence[str],
    context: Context,
    vad: VadConfig,
    *,
    detector: Callable[[], StreamVad] | None = None,
    live: LiveConfig | None = None,
) -> int:
    """Exit status of a server that has ended.

    Raises:
        Exception: why its models could not be loaded.
    """
    log_less()
    app = application(config, build, name, languages, context, vad, detector=detector, live=live)
    listening = Listening(config, app)
    listening.run()
    if listening.failure is not None:
        raise listening.failure
    return 0 if listening.port else 1
