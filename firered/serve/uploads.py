"""A request's form with its file, read as it comes: no more than is allowed, no slower, and nothing left behind."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import IO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from firered.serve.errors import ApiError, invalid

_FIELD_BYTES, _FIELDS_BYTES = 1 << 18, 1 << 20  # of one text field, of all
_HEADER_BYTES, _PARTS = 1 << 14, 2000
_LONGEST_NAME = 100


@dataclass
class Upload:
    """A file that was sent."""

    name: str
    file: IO[bytes]
    size: int = 0


@dataclass
class Form:
    """The fields of a form in their order, and its file."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    file: Upload | None = None


@dataclass(frozen=True)
class Bounds:
    """What an upload may be: bytes, and seconds without any and in all."""

    size: int
    silent_s: float
    whole_s: float


@contextlib.asynccontextmanager
async def form_of(request: Request, bounds: Bounds, new_file: Callable[[], IO[bytes]]) -> AsyncIterator[Form]:
    """The form of a request; its file is closed with the block.

    Args:
        request: with a body of multipart/form-data.
        bounds: of the body.
        new_file: opens what the file is written to.

    Raises:
        ApiError: it is no such form, or more than is allowed.
        ClientDisconnect: the client has left.
    """
    reader = _Reader(new_file, _boundary(request))
    try:
        yield await _read(request, bounds, reader)
    finally:
        if reader.form.file is not None:
            reader.form.file.file.close()


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise ApiError(
            400, "the body has to be multipart/form-data, with the audio as `file`", code="invalid_content_type"
        )
    boundary = options.get(b"boundary", b"")
    if not boundary or len(boundary) > 200:
        raise ApiError(400, "multipart/form-data without a boundary", code="invalid_content_type")
    return boundary


async def _read(request: Request, bounds: Bounds, reader: "_Reader") -> Form:
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > bounds.size:
        raise _too_large(bounds)
    size, until = 0, time.monotonic() + bounds.whole_s
    chunks = request.stream()
    while True:
        wait_s = min(bounds.silent_s, until - time.monotonic())
        try:
            chunk = await asyncio.wait_for(anext(chunks), max(0.0, wait_s))
        except StopAsyncIteration:
            break
        except asyncio.TimeoutError:
            raise ApiError(408, "the upload takes too long", code="request_timeout") from None
        size += len(chunk)
        if size > bounds.size:
            raise _too_large(bounds)
        reader.take(chunk)
    return reader.finish()


def _too_large(bounds: Bounds) -> ApiError:
    return ApiError(
        413, f"the upload is larger than {bounds.size / 1e6:g} MB, the most that is taken", code="file_too_large"
    )


class _Reader:
    """Takes the bytes of a form."""

    def __init__(self, new_file: Callable[[], IO[bytes]], boundary: bytes) -> None:
        self.form = Form()
        self._new_file = new_file
        self._headers: dict[str, bytes] = {}
        self._header = [b"", b""]  # name and value of the one that is being read
        self._name, self._text, self._upload = "", bytearray(), False
        self._parts = self._texts = self._in_headers = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": lambda data, start, end: self._header_data(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._header_data(1, data[start:end]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_end,
                "on_part_data": lambda data, start, end: self._data(data[start:end]),
                "on_part_end": self._part_ends,
                "on_end": self._ends,
            },
        )

    def take(self, data: bytes) -> None:
        """The next bytes.

        Raises:
            ApiError: they are no form.
        """
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def finish(self) -> Form:
        """The form, at the end of the bytes."""
        try:
            self._parser.finalize()
        except FormParserError as error:
            raise _malformed(str(error)) from None
        if not self._ended:
            raise _malformed("it ends before its last boundary")
        if self.form.file is not None:
            self.form.file.file.flush()
        return self.form

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > _PARTS:
            raise _malformed(f"more than {_PARTS} parts")
        self._headers, self._header, self._in_headers = {}, [b"", b""], 0

    def _header_data(self, place: int, data: bytes) -> None:
        self._header[place] += data
        self._in_headers += len(data)
        if self._in_headers > _HEADER_BYTES:
            raise _malformed(f"a part with more than {_HEADER_BYTES} bytes of headers")

    def _header_ends(self) -> None:
        name, value = self._header
        self._headers[name.decode("latin-1").strip().lower()] = value
        self._header = [b"", b""]

    def _headers_end(self) -> None:
        kind, options = parse_options_header(self._headers.get("content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part without `Content-Disposition: form-data; name=...`")
        self._name = _text(options[b"name"], "the name of a field")
        self._text, self._upload = bytearray(), b"filename" in options
        if not self._upload:
            return
        if self._name != "file":
            raise invalid(self._name[:_LONGEST_NAME], "a file, where only `file` is one", "unknown_parameter")
        if self.form.file is not None:
            raise invalid("file", "more than one")
        self.form.file = Upload(_shown_name(options[b"filename"]), self._new_file())

    def _data(self, data: bytes) -> None:
        if self._upload and self.form.file is not None:
            try:
                self.form.file.file.write(data)
            except OSError as error:
                reason = f"there is no room for the upload ({error.strerror})"
                raise ApiError(503, reason, code="no_room", retry_after_s=60) from None
            self.form.file.size += len(data)
            return
        self._text += data
        self._texts += len(data)
        if len(self._text) > _FIELD_BYTES or self._texts > _FIELDS_BYTES:
            raise invalid(self._name[:_LONGEST_NAME], f"text fields of more than {_FIELD_BYTES} bytes")

    def _part_ends(self) -> None:
        if not self._upload:
            self.form.fields.append((self._name, _text(bytes(self._text), self._name[:_LONGEST_NAME])))

    def _ends(self) -> None:
        self._ended = True


def _malformed(reason: str) -> ApiError:
    return ApiError(400, f"multipart/form-data: {reason}", code="invalid_body")


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _malformed(f"{what} is not UTF-8") from None


def _shown_name(name: bytes) -> str:
    """The name of a file, for messages and results: no folders, nothing that cannot be shown."""
    text = name.decode(errors="replace").replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in text if character.isprintable())[:_LONGEST_NAME] or "audio"
