"""What the routes of a server share: `Services`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from firered.errors import AudioError, OptionError
from firered.serve.auth import Client, Doorman
from firered.serve.config import ServeConfig
from firered.serve.engine import Engine
from firered.serve.errors import ApiError, fault, invalid
from firered.serve.keeper import Keeper
from firered.serve.limits import Limits
from firered.serve.measures import Measures
from firered.serve.params import Defaults
from firered.serve.work import TooLong

_STARTING_S = 5.0  # after which a client may try again while models are loaded
_FLAG = re.compile(r" \(--[^)]*\)")  # advice for command lines in messages


@dataclass(frozen=True)
class Services:
    """The parts of a server."""

    config: ServeConfig
    engine: Engine
    keeper: Keeper
    doorman: Doorman
    limits: Limits
    sockets: Limits
    measures: Measures
    defaults: Defaults

    def need_ready(self) -> None:
        """Raise ApiError where requests would not be served."""
        if not self.keeper.ready:
            raise ApiError(
                503, f"the server is not ready: {self.keeper.state}", code="not_ready", retry_after_s=_STARTING_S
            )


def _services(connection: HTTPConnection) -> Services:
    return connection.app.state.services


def _caller(connection: HTTPConnection) -> Client:
    address = connection.client.host if connection.client else ""
    return _services(connection).doorman.admit(connection.headers, address)


Shared = Annotated[Services, Depends(_services)]
Caller = Annotated[Client, Depends(_caller)]


def error_of(error: Exception, path: Path, name: str) -> ApiError:
    """The answer to what went wrong with an upload.

    Args:
        error: what was raised.
        path: where the upload lies, of which the client learns nothing.
        name: what the client calls it.
    """
    if isinstance(error, ApiError):
        return error
    if isinstance(error, OptionError):
        param, _, reason = str(error).partition(": ")
        return invalid(param, reason, "unsupported_parameter")
    if isinstance(error, TooLong | AudioError):
        message = _FLAG.sub("", str(error).replace(f"file:{path}", name).replace(str(path), name))
        message = message if message.startswith(f"{name}: ") else f"{name}: {message}"
        if isinstance(error, TooLong):
            return ApiError(413, message, param="file", code="audio_too_long")
        return ApiError(400, message, param="file", code="invalid_audio")
    return fault(error)
