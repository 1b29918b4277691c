"""Errors as OpenAI's API has them: `{"error": {"message", "type", "param", "code"}}`, all four keys, always."""

import logging
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

log = logging.getLogger(__name__)

CLIENT_LEFT = 499  # the status of requests whose client has left before the answer, as other servers count them
_REQUEST, _SERVER = "invalid_request_error", "server_error"
_BY_STATUS = {404: "not_found", 405: "method_not_allowed"}


class ApiError(Exception):
    """An answer that is an error.

    Args:
        status: of HTTP.
        message: what is wrong and what to do.
        param: the parameter that is wrong, if it is one.
        code: what is wrong, for programs.
        kind: the API's `type`.
        retry_after_s: seconds after which the client may try again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.kind = kind or (_SERVER if status >= 500 else _REQUEST)
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> dict[str, Any]:
        """What the client gets."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """Whole seconds, at least one, for clients that wait and try again."""
        after = self.retry_after_s
        headers = {} if after is None else {"Retry-After": str(max(1, round(after)))}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body, self.status, self.headers)


def invalid(param: str, message: str, code: str = "invalid_value") -> ApiError:
    """A parameter that cannot be used as it is."""
    return ApiError(400, f"{param}: {message}", param=param, code=code)


def unsupported(param: str, message: str) -> ApiError:
    """A parameter that this model or server cannot honour."""
    return invalid(param, message, "unsupported_parameter")


def fault(error: BaseException) -> ApiError:
    """The answer to an error that nobody has foreseen; the log has its kind and place, without its words."""
    places = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s\n%s", type(error).__name__, places.rstrip())
    return ApiError(500, "unexpected error; the server's log has more", code="internal_error")


def answer_errors(app: FastAPI) -> None:
    """Have all errors of an application answered in this form."""

    async def known(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return error.response()

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers: Mapping[str, str] = error.headers or {}
        message = f"{request.method} {request.url.path}: {error.detail}"
        answer = ApiError(error.status_code, message, code=_BY_STATUS.get(error.status_code)).response()
        answer.headers.update(headers)
        return answer

    async def of_fastapi(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return invalid(str(first["loc"][-1]), first["msg"]).response()

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=CLIENT_LEFT)  # which nobody gets; it is counted

    app.add_exception_handler(ApiError, known)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_fastapi)
