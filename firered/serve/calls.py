"""Calls that the server makes itself, to hosts that it was told: recordings by URL, and word of the end of jobs."""

import json
import time
import urllib.request
from collections.abc import Collection, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlsplit

from firered.errors import FireRedError

_PORTS = {"http": 80, "https": 443}
_SILENT_S, _HOOK_S = 30.0, 10.0
_BLOCK = 1 << 16


class CallError(FireRedError):
    """A call that is not allowed, or that failed."""


def check_url(url: str, hosts: Collection[str]) -> None:
    """Raise CallError where a URL is not one of HTTP at one of these hosts; a port that is not named is the usual."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise CallError("not a URL") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
        raise CallError("not a URL of the form https://host/path")
    allowed = {name.lower() for name in hosts}
    usual = port is None or port == _PORTS[parts.scheme]
    if f"{host}:{port or _PORTS[parts.scheme]}" not in allowed and not (usual and host in allowed):
        raise CallError("not a host that this server may call")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows where it leads to hosts that are allowed, too."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = hosts

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,  # noqa: ANN401 - as in its base
        newurl: str,
    ) -> urllib.request.Request | None:
        """The next request."""
        check_url(newurl, self._hosts)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(hosts: Collection[str]) -> urllib.request.OpenerDirector:
    """What opens URLs of HTTP and no others, such as those of files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(hosts),
    ):
        opener.add_handler(handler)
    return opener


def fetch(url: str, path: Path, hosts: Collection[str], most: int, limit_s: float) -> None:
    """Write what a URL gives to a file.

    Args:
        url: of a recording.
        path: of the file.
        hosts: that may be called.
        most: bytes of it.
        limit_s: seconds that it may take.

    Raises:
        CallError: it is not allowed, too large, too slow, or fails.
    """
    check_url(url, hosts)
    until, size = time.monotonic() + limit_s, 0
    try:
        with _opener(hosts).open(url, timeout=min(_SILENT_S, limit_s)) as answer, path.open("wb") as file:
            while block := answer.read1(_BLOCK):
                size += len(block)
                if size > most:
                    raise CallError(f"larger than {most / 1e6:g} MB, the most that is taken")
                if time.monotonic() > until:
                    raise CallError(f"not there after {limit_s:g} s")
                file.write(block)
    except (URLError, HTTPException, OSError) as error:
        raise CallError(f"could not be fetched ({getattr(error, 'reason', None) or error})") from error


def tell(url: str, body: Mapping[str, Any], hosts: Collection[str]) -> None:
    """POST a JSON body.

    Raises:
        CallError: it is not allowed, or fails.
    """
    check_url(url, hosts)
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="POST")
    try:
        with _opener(hosts).open(request, timeout=_HOOK_S) as answer:
            answer.read1(_BLOCK)
    except (URLError, HTTPException, OSError) as error:
        raise CallError(f"could not be told ({getattr(error, 'reason', None) or error})") from error
