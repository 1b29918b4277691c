"""What is around every request: its answer arrives, is counted and logged: `Counted`."""

import asyncio
import contextlib
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firered.serve.errors import CLIENT_LEFT, fault
from firered.serve.measures import Measures

log = logging.getLogger(__name__)

_UNKNOWN = "(none)"  # the route of requests for what there is not
_PROBES = ("/health", "/ready", "/metrics")  # asked for every few seconds, and not logged
_LINGER_BYTES, _LINGER_S = 64 << 20, 5.0  # that are still read of a body that nobody wants
_TOO_SLOW = 408


class Counted:
    """Counts answers, and logs them: method, route, status and time, nothing of what was sent or recognised.

    An error that nobody has foreseen becomes an answer here.
    """

    def __init__(self, app: ASGIApp, measures: Measures) -> None:
        self._app, self._measures = app, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0
        body = _Body(scope, receive)

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = await body.left(message)
            await send(message)

        try:
            await self._app(scope, body.receive, noted)
        except Exception as error:
            answer = fault(error)
            if not status:
                await answer.response()(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", _UNKNOWN)
            took_s = time.monotonic() - began
            self._measures.requests.add(route=route, status=str(status or CLIENT_LEFT))
            self._measures.seconds.add(took_s, route=route)
            if route not in _PROBES:
                log.info("%s %s %s %.0f ms", scope["method"], route, status or CLIENT_LEFT, 1000 * took_s)


class _Body:
    """The body of a request, of which an answer may want no more.

    A client that still writes would not see the answer if the connection were closed at once. So what is on its way is
    read, within bounds, and the connection closed then.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        self._complete = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers
        self._asks_first = b"expect" in headers  # it sends nothing before it is told to
        self._receive = receive

    async def receive(self) -> Message:
        """The next message."""
        self._asks_first = False
        message = await self._receive()
        self._complete = self._complete or not message.get("more_body")
        return message

    async def left(self, answer: Message) -> Message:
        """The beginning of the answer, once what is left was read."""
        if self._complete:
            return answer
        if not self._asks_first and answer["status"] != _TOO_SLOW:
            await self._linger()
        return {**answer, "headers": [*answer["headers"], (b"connection", b"close")]}

    async def _linger(self) -> None:
        size, until = 0, time.monotonic() + _LINGER_S
        with contextlib.suppress(asyncio.TimeoutError):
            while not self._complete and size < _LINGER_BYTES and (left_s := until - time.monotonic()) > 0:
                message = await asyncio.wait_for(self.receive(), left_s)
                size += len(message.get("body", b""))
