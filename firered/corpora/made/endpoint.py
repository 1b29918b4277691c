"""A language model behind OpenAI's API for chats (POST /chat/completions)."""

import json
import os
import re
import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from firered.corpora.made.endpoint_config import EndpointConfig
from firered.errors import FireRedError, OptionError

_BUSY = frozenset({408, 409, 429, 500, 502, 503, 504})  # answers after which it is asked again
_LONGEST_WAIT_S = 60.0
_LIMIT = 1 << 22  # bytes of an answer
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)


class EndpointError(FireRedError):
    """An endpoint that does not answer, or not what it was asked for."""


class Unreachable(EndpointError):
    """An endpoint that cannot be reached at all."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A key is sent nowhere but to the address that was given."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - as in its base
        """None: the redirect is an error."""


class Endpoint:
    """Asks a language model.

    Args:
        config: where it is.

    Raises:
        OptionError: the key cannot be part of a request.
    """

    def __init__(self, config: EndpointConfig) -> None:
        self._config = config
        self._headers = {"Content-Type": "application/json"}
        if key := os.environ.get(config.endpoint_key, ""):
            if not (key.isascii() and key.isprintable()):
                raise OptionError(f"{config.endpoint_key}: holds characters that no key has")
            self._headers["Authorization"] = f"Bearer {key}"
        self._opener = urllib.request.build_opener(_NoRedirects())

    def ask(self, instruction: str, text: str) -> str:
        """Its answer, without what it thinks before (`<think>`).

        Args:
            instruction: what it is to do.
            text: with what.

        Raises:
            EndpointError: no answer, after all tries.
        """
        messages = [{"role": "system", "content": instruction}, {"role": "user", "content": text}]
        asked = {"model": self._config.endpoint_model, "messages": messages, "temperature": self._config.temperature}
        request = urllib.request.Request(
            f"{self._config.endpoint.rstrip('/')}/chat/completions", json.dumps(asked).encode(), self._headers
        )
        return _THOUGHTS.sub("", _content(self._sent(request))).strip()

    def ask_list(self, instruction: str, text: str) -> list[str]:
        """Its answer where that is a JSON list of texts, whatever stands around it.

        Raises:
            EndpointError: no answer, or another.
        """
        answer = self.ask(instruction, text)
        try:
            found = json.loads(answer[answer.index("[") : answer.rindex("]") + 1])
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise EndpointError(f"the endpoint's answer is no JSON list of texts: {answer[:80]!r}")
        return [" ".join(one.split()) for one in found if one.strip()]

    def _sent(self, request: urllib.request.Request) -> bytes:
        """The answer to a request, which is sent again while the endpoint has too much to do."""
        for left in reversed(range(self._config.tries)):
            try:
                with self._opener.open(request, timeout=self._config.answer_seconds) as answer:
                    return bytes(answer.read(_LIMIT))
            except HTTPError as error:
                with error:
                    wait_s = _wait_s(error.headers.get("Retry-After"), self._config.tries - left)
                    if error.code not in _BUSY or not left:
                        said = " ".join(error.read(200).decode(errors="replace").split())
                        raise EndpointError(f"the endpoint answers {error.code} {error.reason}: {said}") from None
            except (OSError, HTTPException) as error:
                wait_s = _wait_s(None, self._config.tries - left)
                if not left:
                    raise Unreachable(f"{self._config.endpoint}: no answer: {error}") from None
            time.sleep(wait_s)
        raise AssertionError("there is one try at least")


def _wait_s(told: str | None, tried: int) -> float:
    """Seconds to wait: as told, or twice as long after each try."""
    wait_s = float(told) if told is not None and told.isdecimal() else 0.5 * 2.0**tried
    return min(wait_s, _LONGEST_WAIT_S)


def _content(answer: bytes) -> str:
    """The text of an answer.

    Raises:
        EndpointError: it has none.
    """
    try:
        content = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError):
        content = None
    if not isinstance(content, str):
        raise EndpointError(f"the endpoint's answer is not of the form of a chat: {answer[:80]!r}")
    return content
