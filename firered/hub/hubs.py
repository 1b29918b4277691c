"""The two hubs where models are published, each through its own client library, behind the same three methods."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from firered.errors import ModelError, OptionError

_TIMEOUT_S = 20.0  # without a byte
_TRIES = 5  # in a row that bring nothing new
_PAUSE_S = 1.0  # after the first of them; then twice as long each time


class Unreachable(ModelError):
    """No response from a hub, or an incomplete one: trying again may help."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository as its hub lists it.

    `digest` is the SHA-256 of its content or, with `git_blob`, the SHA-1 that git names it by; empty if not listed.
    """

    path: str
    size: int
    digest: str
    revision: str
    git_blob: bool = False


class HuggingFace:
    """huggingface.co, or the mirror that HF_ENDPOINT names.

    Files come through huggingface_hub's session rather than its `hf_hub_download`, which discards what it has of a
    file when it is interrupted: model files have gigabytes.
    """

    name, title, mirror_variable = "hf", "Hugging Face", "HF_ENDPOINT"
    workers = 4  # files at the same time
    repository = attrgetter("hugging_face")  # of a published directory

    def __init__(self) -> None:
        self.endpoint = _address(self.mirror_variable, os.environ.get("HF_ENDPOINT") or "https://huggingface.co")

    def files(self, repository: str) -> list[HubFile]:
        """The files of a repository; raises Unreachable, or ModelError if the hub refuses."""
        from huggingface_hub import HfApi

        with self._errors(repository):
            info = HfApi(endpoint=self.endpoint).model_info(repository, files_metadata=True, timeout=_TIMEOUT_S)
        files = []
        for entry in info.siblings or []:
            if entry.size is None:
                raise ValueError(f"no size of {entry.rfilename}")
            digest = entry.lfs.sha256 if entry.lfs else entry.blob_id or ""
            files.append(HubFile(entry.rfilename, entry.size, digest, info.sha or "main", git_blob=not entry.lfs))
        return files

    def fetch(self, repository: str, file: HubFile, folder: Path, stop: threading.Event) -> None:
        """Fetch a file to `<folder>/<file.path>`, resuming what an earlier call left; its content is not checked.

        Raises:
            Unreachable: the connection keeps breaking, or `stop` was set; the part received is kept for the next call.
            ModelError: the hub refuses, or sends more than it lists.
        """
        path, failures = folder / file.path, 0
        while (have := size_of(path)) != file.size or not path.exists():
            try:
                with self._errors(f"{repository}/{file.path}"):
                    self._append(repository, file, path, stop)
            except Unreachable:
                failures = 0 if size_of(path) > have else failures + 1
                if failures == _TRIES or stop.wait(_PAUSE_S * 2**failures):
                    raise

    def _append(self, repository: str, file: HubFile, path: Path, stop: threading.Event) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, http_stream_backoff

        url = hf_hub_url(repository, file.path, revision=file.revision, endpoint=self.endpoint)
        headers = build_hf_headers() | {"Accept-Encoding": "identity"}  # compressed, a range would be of something else
        if 0 < (start := size_of(path)) < file.size:
            headers["Range"] = f"bytes={start}-"
        with http_stream_backoff(  # which waits as long as 429 asks for; what else may pass, `fetch` tries again
            "GET", url, headers=headers, timeout=_TIMEOUT_S, retry_on_exceptions=(), retry_on_status_codes=429
        ) as answer:
            hf_raise_for_status(answer)
            with path.open("ab" if answer.status_code == 206 else "wb") as out:
                for block in answer.iter_bytes():
                    if out.tell() + len(block) > file.size:
                        raise ModelError(f"{url}: longer than the {file.size} bytes that {self.title} lists")
                    out.write(block)
                    if stop.is_set():
                        raise Unreachable(f"{url}: stopped")
        if size_of(path) < file.size:
            raise Unreachable(f"{url}: the connection ended after {size_of(path)} of {file.size} bytes")

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        import httpx2
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except HfHubHTTPError as error:
            status = error.response.status_code
            kind = Unreachable if status >= 500 or status == 429 else ModelError
            raise kind(f"{what}: {self.title} answers {status} {error.response.reason_phrase}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ConnectionError) as error:
            raise Unreachable(f"{self.endpoint}, {what}: {str(error) or type(error).__name__}") from error


class ModelScope:
    """modelscope.cn, or the site that MODELSCOPE_ENDPOINT or MODELSCOPE_DOMAIN names."""

    name, title, mirror_variable = "modelscope", "ModelScope", "MODELSCOPE_ENDPOINT"
    workers = 1  # its client itself fetches a large file in parallel pieces
    repository = attrgetter("modelscope")  # of a published directory; None if it is not there

    def __init__(self) -> None:
        given = os.environ.get("MODELSCOPE_ENDPOINT") or os.environ.get("MODELSCOPE_DOMAIN")
        self.endpoint = _address(self.mirror_variable, given or "https://www.modelscope.cn")
        try:
            from modelscope_hub import HubApi, HubConfig
        except ImportError as error:
            raise OptionError("--hub modelscope needs its client: pip install 'modelscope>=1.40'") from error
        self._api = HubApi(HubConfig(endpoint=self.endpoint))

    def files(self, repository: str) -> list[HubFile]:
        """The files of a repository; raises as for Hugging Face."""
        with self._errors(repository):
            entries = self._api.list_repo_files(repository, "model", revision="master")
        return [HubFile(entry.path, entry.size, entry.sha256 or "", "master") for entry in entries if not entry.is_dir]

    def fetch(self, repository: str, file: HubFile, folder: Path, stop: threading.Event) -> None:
        """Fetch a file to `<folder>/<file.path>` as for Hugging Face, but without `stop`, which its client lacks."""
        with self._errors(f"{repository}/{file.path}"):
            self._api.download_file(
                repository, "model", file.path, revision=file.revision, local_dir=folder, file_size=file.size
            )

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        from modelscope_hub.errors import HubError
        from requests import RequestException

        try:
            yield
        except (HubError, RequestException) as error:
            kind = Unreachable if getattr(error, "retryable", True) else ModelError
            raise kind(f"{self.endpoint}, {what}: {error}") from error


Hub = HuggingFace | ModelScope
HUBS = {hub.name: hub for hub in (HuggingFace, ModelScope)}


def _address(variable: str, endpoint: str) -> str:
    address = (endpoint if "://" in endpoint else f"https://{endpoint}").rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise OptionError(f"{variable}: {endpoint!r} is not an http(s) address")
    return address


def size_of(path: Path) -> int:
    """The bytes of a file; 0 if there is none."""
    return path.stat().st_size if path.is_file() else 0
