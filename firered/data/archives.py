"""Kaldi archives: matrices read and written in blocks of rows, so that hours-long recordings stay out of memory."""

import contextlib
import logging
import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import kaldiio
import numpy as np
from kaldiio import matio

from firered.data.atomic import replacing
from firered.data.files import is_pipe, trouble_with
from firered.errors import DataError, FireRedError, writing

log = logging.getLogger(__name__)

_DTYPES: dict[bytes, np.dtype] = {b"FM ": np.dtype("<f4"), b"DM ": np.dtype("<f8")}
_HEADER = struct.Struct("<2s3sbibi")  # "\0B", "FM ", then size-prefixed rows and columns
_RANGE = re.compile(r"\[([^\[\]]*)\]\Z")  # at the end of an extended file name
_SPAN = re.compile(r"(\d+):(\d+)|:?")  # of rows or columns; nothing: all of them
# What kaldiio runs into in files that are damaged.
_DAMAGE = (
    ValueError,
    RuntimeError,
    AssertionError,
    struct.error,
    LookupError,
    EOFError,
    MemoryError,
    OverflowError,
)
BLOCK_ROWS = 8192
OVERSHOOT_ROWS = 50  # 0.5 s: so much may a range of rows end after its matrix


class _Place(NamedTuple):
    """What an extended file name says: a file, a place in it, and the rows and columns wanted, the last included."""

    path: Path
    offset: int
    rows: tuple[int, int] | None
    columns: tuple[int, int] | None


def _place_of(rxfilename: str) -> _Place:
    if is_pipe(rxfilename) or rxfilename.lstrip().startswith("|"):
        raise DataError(f"{rxfilename}: pipes are not read here; write the matrices to an archive first")
    rows = columns = None
    name = rxfilename
    if found := _RANGE.search(rxfilename):
        spans = [_SPAN.fullmatch(span) for span in found[1].split(",")]
        if len(spans) > 2 or None in spans:
            raise DataError(f"{rxfilename}: not a range [first:last] of rows, or [first:last,first:last] with columns")
        rows, columns, *_ = [(int(span[1]), int(span[2])) if span and span[1] else None for span in [*spans, None]]
        name = rxfilename[: found.start()]
    path, _, offset = name.rpartition(":")
    if not path or not offset.isdecimal():
        path, offset = name, "0"
    return _Place(Path(path), int(offset), rows, columns)


def read_matrix(rxfilename: str, overshoot: int = OVERSHOOT_ROWS) -> np.ndarray:
    """(T, D) matrix of an extended file name; a vector comes as (T, 1).

    The name is `file.ark:offset` or a file, and may end in a range of rows `[first:last]`, the last included, which is
    cut, with a warning, where it ends at most `overshoot` rows after the matrix. Pipes are refused: a feats.scp must
    not be able to run commands. So is what is no file: a device has no end.

    Raises:
        DataError: the archive is missing, cut short, or not a Kaldi matrix; there is no such range.
    """
    place = _place_of(rxfilename)
    if trouble := trouble_with(place.path):
        raise DataError(f"{rxfilename}: {trouble}")
    matrix = _map_plain(rxfilename, place)
    if matrix is None:
        matrix = _load(rxfilename, place)
    if place.columns:
        matrix = _in_range(matrix.T, place.columns, 0, f"{rxfilename}: there is no such range, columns:").T
    if place.rows:
        matrix = _in_range(matrix, place.rows, overshoot, f"{rxfilename}: there is no such range, rows of the matrix:")
    return matrix


def _in_range(matrix: np.ndarray, wanted: tuple[int, int], overshoot: int, complaint: str) -> np.ndarray:
    first, last = wanted
    size = len(matrix)
    if not first <= last or first >= size or last - size >= overshoot:
        raise DataError(f"{complaint} {size}")
    if last >= size:
        log.warning("%s %d; cut there", complaint.replace("there is no such range", "ends after the matrix"), size)
    return matrix[first : last + 1]


def _load(rxfilename: str, place: _Place) -> np.ndarray:
    """A matrix that cannot be mapped: compressed, text, or a vector."""
    try:
        # Opened here: kaldiio's public readers all open the file themselves, and would run what looks like a command.
        # So the one below is a private one (hence its ceiling in pyproject.toml). Nor does it see what is no matrix:
        # it would unpickle what is marked so, and read text to its end.
        with place.path.open("rb") as file:
            file.seek(place.offset)
            head = file.peek(_HEADER.size)[: _HEADER.size]
            if head.startswith(b"PKL"):
                raise DataError(f"{rxfilename}: a Python pickle, not read here: it could run code")
            if not head.startswith((b"\0B", b"NPY")) and not head.lstrip().startswith(b"["):
                raise DataError(f"{rxfilename}: not a readable Kaldi matrix (it begins with {head[:8]!r})")
            matrix = None if head.startswith(b"\0B\4") else matio._load_mat(file, None)  # 4: a vector of integers
    except OSError as error:
        raise DataError(f"{rxfilename}: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise DataError(f"{rxfilename}: not a readable Kaldi matrix ({error or type(error).__name__})") from error
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind != "f" or matrix.ndim not in (1, 2):
        raise DataError(f"{rxfilename}: not a Kaldi matrix of numbers")
    return matrix[:, None] if matrix.ndim == 1 else matrix


def read_matrix_blocks(
    rxfilename: str, rows: int = BLOCK_ROWS, overshoot: int = OVERSHOOT_ROWS
) -> Iterator[np.ndarray]:
    """Float32 blocks of at most `rows` rows of one matrix; see `read_matrix`.

    Plain binary matrices are mapped, not loaded; compressed ones and text have to be read whole.
    """
    matrix = read_matrix(rxfilename, overshoot)
    for start in range(0, len(matrix), rows):
        yield np.array(matrix[start : start + rows], dtype=np.float32)


def feature_blocks(rxfilename: str, bins: int, overshoot: int = OVERSHOOT_ROWS) -> Iterator[np.ndarray]:
    """Float32 blocks (T, bins) of an utterance's stored features.

    Raises:
        DataError: they cannot be read, have another number of columns, or hold NaN or infinite values.
    """
    for block in read_matrix_blocks(rxfilename, overshoot=overshoot):
        if block.shape[1] != bins:
            raise DataError(f"{rxfilename}: {block.shape[1]} columns, filterbanks here have {bins}")
        if not np.isfinite(block).all():
            raise DataError(f"{rxfilename}: holds NaN or infinite values")
        yield block


def rows_of(rxfilename: str, first: int, count: int) -> str:
    """The extended file name of some rows of a matrix: Kaldi's `[first:last]`, the last included."""
    return f"{rxfilename}[{first}:{first + count - 1}]"


def archive_of(rxfilename: str) -> str:
    """The path of the archive that an extended file name is in.

    Raises:
        DataError: it is no such name.
    """
    return str(_place_of(rxfilename).path)


def _map_plain(rxfilename: str, place: _Place) -> np.ndarray | None:
    """Memory map of a plain binary matrix; None for every other kind of archive entry."""
    try:
        with place.path.open("rb") as file:
            file.seek(place.offset)
            head = file.read(_HEADER.size)
            if len(head) < _HEADER.size:
                return None
            magic, kind, _, rows, _, cols = _HEADER.unpack(head)
            if magic != b"\0B" or kind not in _DTYPES or rows <= 0 or cols <= 0:
                return None
            return np.memmap(file, _DTYPES[kind], "r", place.offset + _HEADER.size, (rows, cols))
    except OSError as error:
        raise DataError(f"{rxfilename}: {error.strerror or error}") from error
    except (ValueError, OverflowError) as error:
        raise DataError(f"{rxfilename}: the archive is cut short ({rows} rows promised)") from error


class MatrixWriter:
    """Writes `ark` and `scp` side by side, each matrix in blocks as they come.

    Kaldi's header comes before the data and holds the number of rows, so it is patched when a matrix is complete; a
    matrix that fails halfway is cut off again, so that the archive holds whole matrices only.
    Compression (Kaldi's 8-bit format) needs the whole matrix in memory.
    """

    def __init__(self, ark: Path, compress: bool = False, append_at: int | None = None) -> None:
        """Start a new archive, or continue after byte `append_at` of an existing one."""
        self.ark = ark
        self.compress = compress
        with writing(ark):
            self._file: BinaryIO = ark.open("wb" if append_at is None else "r+b")
        if append_at is not None:
            size = self._file.seek(0, 2)
            if size < append_at:
                self._file.close()
                raise DataError(f"{ark}: shorter than an earlier run left it (--no-resume starts afresh)")
            if size > append_at:  # else the file stays as it is, time and all: others may depend on it
                self._file.truncate(append_at)
            self._file.seek(append_at)

    def write(self, key: str, blocks: Iterable[np.ndarray]) -> tuple[str, int]:
        """`path:offset` for the scp, and the number of rows. On any exception the archive is as it was before."""
        start, before = self._file.tell(), os.fstat(self._file.fileno())
        try:
            rows = self._write_compressed(key, blocks) if self.compress else self._write_plain(key, blocks)
            with writing(self.ark):
                self._file.flush()
        except BaseException:
            with contextlib.suppress(OSError):  # of a full disk again: what is left to be flushed
                self._file.truncate(start)
                self._file.seek(start)
                os.utime(self._file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
            raise
        return place_in(self.ark, start + len(key.encode()) + 1), rows

    def _write_plain(self, key: str, blocks: Iterable[np.ndarray]) -> int:
        with writing(self.ark):
            self._file.write(key.encode() + b" ")
            header_at = self._file.tell()
            self._file.write(bytes(_HEADER.size))
        rows = cols = 0
        for block in blocks:
            with writing(self.ark):
                self._file.write(np.ascontiguousarray(block, dtype="<f4").data)
            rows, cols = rows + len(block), block.shape[1]
        with writing(self.ark):
            end = self._file.tell()
            self._file.seek(header_at)
            self._file.write(_HEADER.pack(b"\0B", b"FM ", 4, rows, 4, cols))
            self._file.seek(end)
        return rows

    def _write_compressed(self, key: str, blocks: Iterable[np.ndarray]) -> int:
        matrix = np.concatenate(list(blocks)).astype(np.float32)
        with writing(self.ark):
            kaldiio.save_ark(self._file, {key: matrix}, compression_method=2)
        return len(matrix)

    def tell(self) -> int:
        """Bytes written so far: where a later run can resume."""
        return self._file.tell()

    def close(self) -> None:
        """Close the archive.

        Raises:
            FireRedError: the last of it cannot be written, or it was removed in the meantime.
        """
        if self._file.closed:
            return
        with writing(self.ark):
            state = os.fstat(self._file.fileno())
            self._file.close()
        if not self.ark.exists() or not os.path.samestat(state, self.ark.stat()):
            raise FireRedError(f"{self.ark}: was removed or replaced while it was being written")

    def __enter__(self) -> "MatrixWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(*((OSError, FireRedError) if error else ())):  # the first error says more
            self.close()


def place_in(ark: Path, offset: int | str) -> str:
    """The extended file name of what stands in an archive at an offset."""
    path = str(ark)
    return f"{'./' if path[0] in ' |' else ''}{path}:{offset}"  # a table's values lose blanks, and a bar means a pipe


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    """Write one double matrix as a file of its own, as Kaldi writes `cmvn.ark` from `compute-cmvn-stats ... global`."""
    rows, cols = matrix.shape
    head = _HEADER.pack(b"\0B", b"DM ", 4, rows, 4, cols)
    with replacing(path) as unfinished:
        unfinished.write_bytes(head + np.ascontiguousarray(matrix, "<f8").tobytes())


def write_integers(ark: Path, vectors: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Write vectors of int32, such as alignments, as one archive; the place of each in it."""
    places = {}
    with replacing(ark) as unfinished, unfinished.open("wb") as file:
        for key, vector in vectors.items():
            places[key] = place_in(ark, file.tell() + len(key.encode()) + 1)
            kaldiio.save_ark(file, {key: vector})
    return places
