"""Server-sent events of a transcription, and answers that end when the client leaves."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from firered.serve.errors import ApiError

T = TypeVar("T")

_QUIET_S = 15.0  # without an event, after which proxies are shown that there is somebody


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What is awaited, unless the client leaves before.

    Raises:
        ClientDisconnect: it has left.
    """
    wanted = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait((wanted, gone), return_when=asyncio.FIRST_COMPLETED)
        if not wanted.done():
            raise ClientDisconnect
        return wanted.result()
    finally:
        for task in (wanted, gone):
            task.cancel()
        await asyncio.gather(wanted, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    """Return when the client has left; the body of its request was read."""
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Events as they come; the stack is closed at the end, which may be that the client leaves.

    Args:
        events: what becomes JSON, each an event.
        stack: what the events need.
        answered: gives the error that is shown for an exception.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[Mapping[str, Any]],
        stack: contextlib.AsyncExitStack,
        answered: Callable[[Exception], ApiError],
    ) -> None:
        self._events, self._stack, self._answered = events, stack, answered
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with self._stack:
            sending = asyncio.ensure_future(self._send(send))
            gone = asyncio.ensure_future(_gone(receive))
            try:
                await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                for task in (sending, gone):
                    task.cancel()
                await asyncio.gather(sending, gone, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for line in self._lines():
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _lines(self) -> AsyncIterator[bytes]:
        following: asyncio.Future[Mapping[str, Any]] | None = None
        try:
            while True:
                following = following or asyncio.ensure_future(anext(self._events))
                done, _ = await asyncio.wait((following,), timeout=_QUIET_S)
                if not done:
                    yield b": waiting\n\n"
                    continue
                try:
                    event = following.result()
                except StopAsyncIteration:
                    return
                except Exception as error:
                    yield _line(self._answered(error).body)
                    return
                following = None
                yield _line(event)
        finally:
            if following is not None:
                following.cancel()


def _line(event: Mapping[str, Any]) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event, ensure_ascii=False)}\n\n".encode()
