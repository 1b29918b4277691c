"""WS /v1/stream: raw samples in, lines of JSON out, for clients of a few lines."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import QueryParams
from starlette.websockets import WebSocket

from firered.errors import OptionError
from firered.results.live import Event, LiveResult, Partial
from firered.serve.errors import ApiError, invalid
from firered.serve.params import check_name, context_of
from firered.serve.samples import ENCODINGS, PCM16
from firered.serve.services import Services
from firered.serve.session import Audio, Clear, Commit, End, Order, Session, Told
from firered.serve.sockets import Message
from firered.serve.streams import Settings

router = APIRouter()

_LISTS = ("keywords", "languages")
_ALIASES = {"hotwords": "keywords", "sample_rate": "rate"}
_KEYS = ("key", "api_key")
_KNOWN = ("rate", "format", "turns", "interval_s", "model", "language", "prompt", *_LISTS)
_LEAST_RATE, _MOST_RATE = 8000, 192_000
_ORDERS = {"COMMIT": Commit, "CLEAR": Clear, "END": End}


@router.websocket("/v1/stream")
async def stream(socket: WebSocket) -> None:
    """A stream of samples."""
    services: Services = socket.app.state.services
    await socket.app.state.sockets.serve(
        socket, "/v1/stream", lambda: PlainTalk(settings_of(socket.query_params, services))
    )


def settings_of(query: QueryParams, services: Services) -> Settings:
    """The settings that a query names.

    Raises:
        ApiError: one is unknown, wrong, missing, or cannot be honoured.
    """
    given: dict[str, list[str]] = {name: [] for name in _KNOWN}
    for written, value in query.multi_items():
        name = _ALIASES.get(written.removesuffix("[]"), written.removesuffix("[]"))
        if name in _KEYS:
            continue
        if name not in _KNOWN:
            raise ApiError(400, f"{written[:100]}: no such parameter", param=written[:100], code="unknown_parameter")
        given[name].append(value)
    single = {name: _single(name, values) for name, values in given.items() if name not in _LISTS}
    defaults = services.defaults
    check_name(single["model"], defaults)
    live = defaults.live
    if single["interval_s"]:
        try:
            live = replace(live, interval_s=float(single["interval_s"]))
        except (ValueError, OptionError) as error:
            raise invalid("interval_s", str(error)) from None
    return Settings(
        rate=_rate(single["rate"]),
        encoding=_one_of("format", single["format"] or PCM16, ENCODINGS),
        context=context_of(given, services.engine.able, defaults.context),
        live=live,
        vad=defaults.stream_vad,
        turns=_one_of("turns", single["turns"] or "server", ("server", "client")) == "server",
    )


def _single(name: str, values: Sequence[str]) -> str:
    if len(values) > 1:
        raise invalid(name, f"given {len(values)} times")
    return values[0].strip() if values else ""


def _rate(text: str) -> int:
    if not text:
        raise ApiError(
            400, "rate: missing; name the samples a second of what you send", param="rate", code="missing_parameter"
        )
    if not text.isascii() or not text.isdecimal() or not _LEAST_RATE <= int(text[:9]) <= _MOST_RATE:
        raise invalid("rate", f"not a number of samples a second from {_LEAST_RATE} to {_MOST_RATE}")
    return int(text)


def _one_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise invalid(name, f"{value[:100]!r} is not one of {', '.join(choices)}")
    return value


class PlainTalk:
    """The lines of a stream.

    Args:
        settings: of the stream.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def hello(self) -> Sequence[Message]:
        """That audio may come."""
        return [{"type": "ready", "rate": self.settings.rate, "format": self.settings.encoding}]

    def heard(self, message: str | bytes, session: Session) -> Sequence[Message]:
        """Samples, or COMMIT, CLEAR or END."""
        if isinstance(message, bytes):
            session.put(Audio(message))
            return []
        order = _ORDERS.get(message.strip().upper())
        if order is None:
            raise ApiError(400, f"a text is one of {', '.join(_ORDERS)}; samples are binary", code="unknown_message")
        session.put(order())
        return []

    def told(self, told: Told) -> Sequence[Message]:
        """The lines of what became of an order."""
        found = [line for result in told.results if (line := _line(result))]
        at_s = round(told.heard_s, 3)
        if isinstance(told.order, Commit):
            found.append({"type": "committed", "time_s": at_s})
        elif isinstance(told.order, Clear):
            found.append({"type": "cleared", "time_s": at_s})
        elif isinstance(told.order, End):
            found.append({"type": "end", "duration_s": at_s, "skipped": told.skipped})
        return found

    def error(self, error: ApiError, _: Order | None = None) -> Message:
        """What is wrong; the stream goes on."""
        return {"type": "error", **error.body}


def _line(result: LiveResult) -> Mapping[str, Any] | None:
    """A result's fields; of a trouble nothing, which its final has."""
    fields = result.to_dict()
    if isinstance(result, Event):
        return None if result.kind == "trouble" else {"type": fields.pop("kind"), **_without(fields, "reason")}
    if isinstance(result, Partial):
        return {"type": "partial", **fields}
    return {"type": "final", **{**fields, "troubles": [_without(one, "reason") for one in fields["troubles"]]}}


def _without(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}
