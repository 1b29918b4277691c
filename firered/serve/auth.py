"""Who may call: keys, and which web pages."""

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from firered.errors import OptionError
from firered.serve.config import ServeConfig
from firered.serve.errors import ApiError

KEY = "FIRERED_API_KEY"
_OWN = ("localhost", "127.0.0.1", "::1")


class Client(NamedTuple):
    """Who calls: by what its requests are counted, and whose jobs it may see."""

    name: str
    owner: str


class Doorman:
    """Lets callers in.

    Args:
        keys: of which a caller has to have one; none: anybody may call.
        host: address that the server listens on.
        origins: of web pages that may call, besides the server's own.
    """

    def __init__(self, keys: Sequence[str], host: str, origins: Sequence[str] = ()) -> None:
        self._keys = [_digest(key) for key in keys]
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        # Without a key, a page may have its own name lead here: only names of this machine are let in then.
        self._hosts = {*_OWN, host.lower()} if not keys and host in _OWN else None

    @classmethod
    def of(cls, config: ServeConfig) -> "Doorman":
        """That of a server, with the keys of the environment, which commas part.

        Raises:
            OptionError: it would serve other machines without a key.
        """
        keys = [key.strip() for key in os.environ.get(KEY, "").split(",") if key.strip()]
        if not keys and config.host not in _OWN and not config.open:
            raise OptionError(
                f"host: {config.host} lets other machines call, and there is no key: put one into {KEY}, or give --open"
            )
        return cls(keys, config.host, config.origin)

    def admit(self, headers: Mapping[str, str], address: str, key: str | None = None) -> Client:
        """The caller.

        Args:
            headers: of the request, by names in lower case.
            address: of the caller.
            key: where it comes by other ways than the headers.

        Raises:
            ApiError: it has no key, a wrong one, or is another's web page.
        """
        self._check_page(headers)
        if not self._keys:
            return Client(address, "")
        given = key or key_of(headers)
        if not given:
            raise ApiError(
                401, "no API key: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`", code="missing_api_key"
            )
        digest = _digest(given)
        # All are compared, whichever fits, so that the time tells nothing.
        if not any([hmac.compare_digest(digest, known) for known in self._keys]):  # noqa: C419
            raise ApiError(401, "incorrect API key", code="invalid_api_key")
        owner = digest.hex()[:16]
        return Client(owner, owner)

    def _check_page(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "").lower()
        if self._hosts is not None and (urlsplit(f"//{host}").hostname or "") not in self._hosts:
            raise ApiError(403, "this server is called by the name of this machine alone", code="wrong_host")
        origin = headers.get("origin", "").lower()
        if origin and origin not in self._origins and urlsplit(origin).netloc != host:
            raise ApiError(403, "pages of this origin may not call (--origin lets them)", code="wrong_origin")


def key_of(headers: Mapping[str, str]) -> str:
    """The key that a request has in its headers; empty without one."""
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "").strip()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
