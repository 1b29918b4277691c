"""What Hugging Face and ModelScope list of a repository, and how to read it from them.

Plain HTTP for both: huggingface_hub does not check the hash of what it fetches, and serves one of the two only.
"""

import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from firered.errors import ModelError, OptionError
from firered.hub.catalogue import Published

_TIMEOUT_S = 60.0
# Of OSError not all: to write what was read may fail too, and to try again would not help that.
_PASSING = (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError)
_NEXT_PAGE = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')


class Unreachable(ModelError):
    """No answer from a hub, or one that broke off: to try again may help."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository as its hub lists it.

    `digest` is the SHA-256 of its content, or, with `git_blob`, the name that git gives it, both hexadecimal; empty
    where the hub tells none.
    """

    path: str
    size: int
    digest: str
    url: str
    git_blob: bool = False


class Hub(ABC):
    """A place where models are published."""

    title: str
    mirror_variable: str  # of the environment, as in the hub's own tools

    def __init__(self, endpoint: str, token: str | None) -> None:
        self.endpoint = (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")
        if not self.endpoint.startswith(("http://", "https://")):
            raise OptionError(f"{self.mirror_variable}: {endpoint!r} is not an http(s) address")
        self._token = token

    @abstractmethod
    def repository(self, published: Published) -> str | None:
        """The name of a published directory on this hub; None if it is not there."""

    def files(self, repository: str) -> list[HubFile]:
        """The files of a repository.

        Raises:
            Unreachable: the hub does not answer.
            ModelError: it has no such repository, or answers with something else.
        """
        try:
            return self._files(repository)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{self.endpoint} answers with something else than the files of {repository}") from error

    @abstractmethod
    def _files(self, repository: str) -> list[HubFile]: ...

    @contextmanager
    def open(self, url: str, start: int = 0) -> Iterator[http.client.HTTPResponse]:
        """The hub's answer for an address: the bytes from `start` on, where its status is 206, else all.

        Raises:
            Unreachable: no answer, or a passing trouble of the hub; also when reading the answer fails.
            ModelError: the hub refuses.
        """
        request = urllib.request.Request(url, headers={"User-Agent": "firered-download"})
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self._token:  # not for the storage that the hub redirects to
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                yield answer
        except urllib.error.HTTPError as error:
            kind = Unreachable if error.code >= 500 or error.code == http.HTTPStatus.TOO_MANY_REQUESTS else ModelError
            raise kind(f"{url}: {self.title} answers {error.code} {error.reason}") from error
        except _PASSING as error:
            raise Unreachable(f"{url}: {getattr(error, 'reason', None) or error}") from error

    def _json(self, url: str) -> tuple[Any, Mapping[str, str]]:
        with self.open(url) as answer:
            return json.load(answer), answer.headers


class HuggingFace(Hub):
    """huggingface.co, or the mirror that HF_ENDPOINT names."""

    title, mirror_variable = "Hugging Face", "HF_ENDPOINT"

    def __init__(self) -> None:
        super().__init__(os.environ.get(self.mirror_variable) or "https://huggingface.co", os.environ.get("HF_TOKEN"))

    def repository(self, published: Published) -> str:
        """The name of a published directory on this hub."""
        return published.hugging_face

    def _files(self, repository: str) -> list[HubFile]:
        url: str | None = f"{self.endpoint}/api/models/{repository}/tree/main?recursive=true"
        found = []
        while url:
            entries, headers = self._json(url)
            found += [self._file(repository, entry) for entry in entries if entry["type"] == "file"]
            following = _NEXT_PAGE.search(headers.get("Link", ""))
            url = self._here(following[1]) if following else None
        return found

    def _here(self, url: str) -> str:
        # A mirror may pass on the address that the original gave it.
        parts = urllib.parse.urlsplit(url)
        return url if url.startswith(self.endpoint + "/") else f"{self.endpoint}{parts.path}?{parts.query}"

    def _file(self, repository: str, entry: Mapping[str, Any]) -> HubFile:
        url = f"{self.endpoint}/{repository}/resolve/main/{urllib.parse.quote(entry['path'])}"
        if large := entry.get("lfs"):
            return HubFile(entry["path"], int(large["size"]), large["oid"].removeprefix("sha256:"), url)
        return HubFile(entry["path"], int(entry["size"]), entry["oid"], url, git_blob=True)


class ModelScope(Hub):
    """modelscope.cn, or the site that MODELSCOPE_ENDPOINT or MODELSCOPE_DOMAIN names."""

    title, mirror_variable = "ModelScope", "MODELSCOPE_ENDPOINT"

    def __init__(self) -> None:
        given = os.environ.get(self.mirror_variable) or os.environ.get("MODELSCOPE_DOMAIN")
        super().__init__(given or "https://www.modelscope.cn", os.environ.get("MODELSCOPE_API_TOKEN"))

    def repository(self, published: Published) -> str | None:
        """The name of a published directory on this hub; None if it is not there."""
        return published.modelscope

    def _files(self, repository: str) -> list[HubFile]:
        top = f"{self.endpoint}/api/v1/models/{repository}/repo"
        listing, _ = self._json(f"{top}/files?Revision=master&Recursive=True")
        return [
            HubFile(
                entry["Path"],
                int(entry["Size"]),
                entry.get("Sha256") or "",
                f"{top}?{urllib.parse.urlencode({'Revision': 'master', 'FilePath': entry['Path']})}",
            )
            for entry in listing["Data"]["Files"]
            if entry["Type"] != "tree"
        ]


HUBS = {"hf": HuggingFace, "modelscope": ModelScope}
