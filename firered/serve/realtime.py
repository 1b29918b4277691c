"""WS /v1/realtime: OpenAI's realtime transcription sessions, in the present form and in the beta form."""

import base64
import binascii
import json
from collections import deque
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket

from firered.serve.errors import ApiError, invalid, unsupported
from firered.serve.params import check_name
from firered.serve.realtime_items import Items, event, new_id
from firered.serve.realtime_settings import Wanted, shown, updated
from firered.serve.services import Services
from firered.serve.session import Audio, Change, Clear, Commit, Order, Session, Told
from firered.serve.sockets import Message

router = APIRouter()

_BETA = ("openai-beta.realtime-v1", "realtime=v1")  # the protocol, and the header's value
_BUFFER = "input_audio_buffer."
_OTHER_FORM = {"transcription_session.update": "session.update", "session.update": "transcription_session.update"}
_MOST_ID = 512


@router.websocket("/v1/realtime")
async def realtime(socket: WebSocket) -> None:
    """A realtime transcription session."""
    services: Services = socket.app.state.services
    await socket.app.state.sockets.serve(socket, "/v1/realtime", lambda: RealtimeTalk(services, socket))


class RealtimeTalk:
    """The events of a session.

    Args:
        services: of the server.
        socket: on which it is said.

    Raises:
        ApiError: the query asks for something else than a transcription.
    """

    def __init__(self, services: Services, socket: WebSocket) -> None:
        self._services, self._id = services, new_id("sess")
        header = socket.headers.get("openai-beta", "")
        self._beta = _BETA[1] in header or _BETA[0] in socket.scope.get("subprotocols", ())
        query = socket.query_params
        if (intent := query.get("intent", "transcription")) != "transcription":
            raise unsupported("intent", f"{intent[:100]!r}: there are transcriptions alone")
        check_name(query.get("model", ""), services.defaults)
        self._items = Items(self._beta)
        self._changes: deque[Wanted] = deque()  # that the session has not come to yet
        self._wanted, self.settings = self._checked(Wanted())

    def hello(self) -> Sequence[Message]:
        """The session as it is before its first update."""
        return [self._session("created", Wanted())]

    def heard(self, message: str | bytes, session: Session) -> Sequence[Message]:
        """Carry out an event of the client."""
        given = _parsed(message)
        kind, id = given.get("type"), given.get("event_id")
        id = id[:_MOST_ID] if isinstance(id, str) else None
        try:
            return self._carried_out(kind, given, id, session)
        except ApiError as error:
            return [_error(error, id)]

    def _carried_out(self, kind: object, given: dict[str, Any], id: str | None, session: Session) -> Sequence[Message]:
        if kind == f"{_BUFFER}append":
            session.put(Audio(_audio(given.get("audio"))))
        elif kind == f"{_BUFFER}commit":
            session.put(Commit(id))
        elif kind == f"{_BUFFER}clear":
            session.put(Clear())
        elif kind == "session.update" or (kind == "transcription_session.update" and self._beta):
            wanted = updated(self._wanted, given.get("session"), self._services.defaults, beta=self._beta)
            self._wanted, self.settings = self._checked(wanted)
            self._changes.append(self._wanted)
            session.put(Change(self.settings))
        else:
            raise _unknown(kind)
        return []

    def _checked(self, wanted: Wanted) -> tuple[Wanted, Any]:
        defaults = self._services.defaults
        return wanted, wanted.settings(self._services.engine.able, defaults, defaults.live, defaults.stream_vad)

    def told(self, told: Told) -> Sequence[Message]:
        """The events of what became of an order."""
        found: list[Message] = [*self._items.of(told)]
        if isinstance(told.order, Change):
            self._items.turns = told.order.settings.turns
            wanted = self._changes.popleft()
            self._items.only_final = wanted.only_final
            found.append(self._session("updated", wanted))
        return found

    def error(self, error: ApiError, order: Order | None = None) -> Message:
        """An error, after which the session goes on."""
        return _error(error, order.tag if isinstance(order, Commit) else None)

    def _session(self, what: str, wanted: Wanted) -> Message:
        name = "transcription_session" if self._beta else "session"
        return event(f"{name}.{what}", session=shown(self._id, wanted, beta=self._beta))


def _parsed(message: str | bytes) -> dict[str, Any]:
    try:
        given = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ApiError(400, "a message has to be a text that is an object of JSON", code="invalid_json")
    return given


def _audio(text: object) -> bytes:
    if not isinstance(text, str):
        raise invalid("audio", "missing, or not a text in base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("audio", "not base64") from None


def _unknown(kind: object) -> ApiError:
    name = str(kind)[:100]
    hint = ""
    if name in _OTHER_FORM:
        hint = f"; it is of the beta form (OpenAI-Beta: realtime=v1), this session takes {_OTHER_FORM[name]}"
    elif name.startswith(("response.", "conversation.")):
        hint = "; in a transcription there are no responses and no conversation"
    return ApiError(400, f"type: no such event: {name!r}{hint}", param="type", code="unknown_event")


def _error(error: ApiError, tag: str | None) -> Message:
    return event("error", error={**error.body["error"], "event_id": tag})
