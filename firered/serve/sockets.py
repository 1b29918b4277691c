"""WebSockets of live streams: who may open one, messages in and out, and their ends: `Sockets`."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from firered.serve.auth import Client
from firered.serve.errors import ApiError, fault
from firered.serve.samples import sample_bytes
from firered.serve.services import Services
from firered.serve.session import End, Order, Session, Told
from firered.serve.streams import Settings, Streams

log = logging.getLogger(__name__)

KEY_PROTOCOL = "openai-insecure-api-key."  # what browsers send keys by, which cannot set headers
_KEY_QUERIES = ("api_key", "key")
_ROOM_S = 30.0  # of audio that waits, from which on no more is read
_LOOK_S = 0.05
_SEND_S = 20.0  # that a client may take no message
_MOST_OUT = 5000  # messages that wait for it
NORMAL, LEAVING, POLICY, BROKEN = 1000, 1001, 1008, 1011  # RFC 6455, section 7.4.1

Message: TypeAlias = Mapping[str, Any]


class Talk(Protocol):
    """What is said on a socket, in the words of one interface."""

    settings: Settings

    def hello(self) -> Sequence[Message]:
        """The first messages."""

    def heard(self, message: str | bytes, session: Session) -> Sequence[Message]:
        """Carry out a client's message; what is answered at once.

        Raises:
            ApiError: it cannot be carried out; the socket stays open.
        """

    def told(self, told: Told) -> Sequence[Message]:
        """The messages of what became of an order."""

    def error(self, error: ApiError, order: Order | None = None) -> Message:
        """The message of an error, of an order if it comes of one."""


class Sockets:
    """The sockets that are open.

    Args:
        services: of the server.
    """

    def __init__(self, services: Services) -> None:
        self._services, self._streams = services, Streams(services.engine)
        self._open: set[_Line] = set()
        services.measures.watch("firered_streams", "live streams that are open", lambda: len(self._open))

    async def serve(self, socket: WebSocket, name: str, talk_of: Callable[[], Talk]) -> None:
        """One socket from its request to its end.

        Args:
            socket: that asks to be opened.
            name: of the route.
            talk_of: makes what is said on it; an ApiError refuses it.
        """
        began, heard_s, status = time.monotonic(), 0.0, 101
        try:
            client = self._admitted(socket)
            self._services.need_ready()
            if not self._streams.possible:
                raise ApiError(
                    501, "no live streams: there is no FireRedVAD/Stream-VAD among the models", code="no_live_streams"
                )
            with self._services.sockets.admitted(client):
                talk = talk_of()
                await socket.accept(_protocol(socket))
                line = _Line(socket, talk, self._streams, self._services)
                self._open.add(line)
                try:
                    await line.run()
                finally:
                    self._open.discard(line)
                    heard_s = line.heard_s
                    self._services.measures.audio_s.add(heard_s)
        except ApiError as error:
            status = error.status
            with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
                await socket.send_denial_response(error.response())
        log.info("SOCKET %s %s %.0f s, %.0f s of audio", name, status, time.monotonic() - began, heard_s)

    def _admitted(self, socket: WebSocket) -> Client:
        key = next((socket.query_params[name] for name in _KEY_QUERIES if name in socket.query_params), None)
        for protocol in socket.scope.get("subprotocols", ()):
            if protocol.startswith(KEY_PROTOCOL):
                key = protocol.removeprefix(KEY_PROTOCOL)
        address = socket.client.host if socket.client else ""
        return self._services.doorman.admit(socket.headers, address, key)

    async def end(self, grace_s: float) -> None:
        """Have all streams end: what they have heard is recognised and told, for so long."""
        for line in self._open:
            line.end()
        until = time.monotonic() + grace_s
        while self._open and time.monotonic() < until:
            await asyncio.sleep(_LOOK_S)


def _protocol(socket: WebSocket) -> str | None:
    """The protocol that is agreed on: the first that is offered and is no key."""
    offered = socket.scope.get("subprotocols", ())
    return next((one for one in offered if not one.startswith(KEY_PROTOCOL)), None)


class _Line:
    """An open socket, the session behind it, and what is said on it."""

    def __init__(self, socket: WebSocket, talk: Talk, streams: Streams, services: Services) -> None:
        self._socket, self._talk, self._config = socket, talk, services.config
        self._out: asyncio.Queue[Message | Told] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._session = Session(streams, streams.desk(), talk.settings, self._tell)
        self._code = NORMAL  # with which it ends
        self._skipped, self._told_skipped = services.measures.skipped, 0
        self.heard_s = 0.0

    def _tell(self, told: Told) -> None:
        """Called by the session's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._out.put_nowait, told)

    def end(self) -> None:
        """The server ends."""
        self._code = LEAVING
        self._session.put(End())

    async def run(self) -> None:
        """Talk until one of the two ends it."""
        self._session.start()
        reading, writing = asyncio.ensure_future(self._read()), asyncio.ensure_future(self._write())
        try:
            await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
            if reading.done() and not writing.done() and not reading.cancelled() and reading.result():
                await asyncio.wait((writing,), timeout=_SEND_S)  # it is told why it ends
        finally:
            self._session.leave()
            for task in (reading, writing):
                task.cancel()
            await asyncio.gather(reading, writing, return_exceptions=True)
            if self._socket.application_state == WebSocketState.CONNECTED:
                with contextlib.suppress(RuntimeError, WebSocketDisconnect, OSError):
                    await self._socket.close(self._code)

    async def _read(self) -> bool:
        """Take messages until the client has left (false), or is to be told why it ends here (true)."""
        for message in self._talk.hello():
            self._out.put_nowait(message)
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), self._config.idle_socket_s)
            except asyncio.TimeoutError:
                self._out.put_nowait(self._talk.error(_idle(self._config.idle_socket_s)))
                self._session.put(End())
                return True
            if message["type"] == "websocket.disconnect":
                return False
            data = message.get("bytes")
            self._take(message.get("text") if data is None else data)
            settings = self._talk.settings
            room = _ROOM_S * settings.rate * sample_bytes(settings.encoding)
            while self._session.waiting > room and self._session.alive:
                await asyncio.sleep(_LOOK_S)

    def _take(self, data: str | bytes | None) -> None:
        try:
            for answer in self._talk.heard(data or "", self._session):
                self._out.put_nowait(answer)
        except ApiError as error:
            self._out.put_nowait(self._talk.error(error))
        except Exception as error:
            self._out.put_nowait(self._talk.error(fault(error)))

    async def _write(self) -> None:
        """Send what there is to say, until the last order is carried out or the client takes nothing."""
        while True:
            item = await self._out.get()
            told = item if isinstance(item, Told) else None
            if self._out.qsize() > _MOST_OUT:
                self._code = POLICY
                return
            for message in self._said(item):
                text = json.dumps(message, ensure_ascii=False)
                try:
                    await asyncio.wait_for(self._socket.send_text(text), _SEND_S)
                except (asyncio.TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
                    return
            if told is not None and told.error is not None and told.error.status >= 500:
                self._code = BROKEN
                return
            if told is not None and isinstance(told.order, End):
                return

    def _said(self, item: Message | Told) -> Sequence[Message]:
        if not isinstance(item, Told):
            return [item]
        self._skipped.add(max(0, item.skipped - self._told_skipped))
        self._told_skipped = max(item.skipped, self._told_skipped)
        self.heard_s = item.heard_s
        return [self._talk.error(item.error, item.order)] if item.error else self._talk.told(item)


def _idle(seconds: float) -> ApiError:
    return ApiError(408, f"nothing came for {seconds:g} s: the session ends", code="session_idle")
