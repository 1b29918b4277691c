"""Kaldi archives: matrices read and written in blocks of rows, so that hours-long recordings stay out of memory."""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import kaldiio
import numpy as np
from kaldiio import matio

from firered.errors import DataError

_DTYPES: dict[bytes, np.dtype] = {b"FM ": np.dtype("<f4"), b"DM ": np.dtype("<f8")}
_HEADER = struct.Struct("<2s3sbibi")  # "\0B", "FM ", then size-prefixed rows and columns
_ROW_RANGE = re.compile(r"\[(\d+):(\d+)\]\Z")  # at the end of an extended file name
BLOCK_ROWS = 8192


def read_matrix(rxfilename: str) -> np.ndarray:
    """(T, D) matrix of an extended file name; a vector comes as (T, 1).

    The name is `file.ark:offset` or a file, and may end in a range of rows `[first:last]`, the last included. Pipes are
    refused: a feats.scp must not be able to run commands.

    Raises:
        DataError: the archive is missing, cut short, or not a Kaldi matrix.
    """
    matrix = _load(rxfilename)
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind != "f" or matrix.ndim not in (1, 2):
        raise DataError(f"{rxfilename}: not a Kaldi matrix of numbers")
    return matrix[:, None] if matrix.ndim == 1 else matrix


def _load(rxfilename: str) -> object:
    if rxfilename.rstrip().endswith("|") or rxfilename.lstrip().startswith("|"):
        raise DataError(f"{rxfilename}: pipes are not read here; write the matrices to an archive first")
    try:
        # Opened here: by itself kaldiio would run `command |:0` or `command |[0:9]`, and unpickle what is marked so.
        # Its public readers all open the file themselves, so the two below are private ones (hence its ceiling in
        # pyproject.toml): what splits an extended file name, and what reads one matrix from an open file.
        path, offset, ranges = matio._parse_arkpath(rxfilename)
        with Path(path).open("rb") as file:
            file.seek(offset or 0)
            if file.peek(3)[:3] == b"PKL":
                raise DataError(f"{rxfilename}: a Python pickle, not read here: it could run code")
            return matio._load_mat(file, None, ranges)
    except OSError as error:
        raise DataError(f"{rxfilename}: {error.strerror or error}") from error
    except (
        ValueError,
        RuntimeError,
        AssertionError,
        struct.error,
        LookupError,
        EOFError,
        MemoryError,
        OverflowError,
    ) as error:
        raise DataError(f"{rxfilename}: not a readable Kaldi matrix ({error or type(error).__name__})") from error


def read_matrix_blocks(rxfilename: str, rows: int = BLOCK_ROWS) -> Iterator[np.ndarray]:
    """Float32 blocks of at most `rows` rows of one matrix.

    Plain binary matrices are mapped, not loaded; compressed ones and text have to be read whole.
    """
    mapped = _map_plain(rxfilename)
    matrix = read_matrix(rxfilename) if mapped is None else mapped
    for start in range(0, len(matrix), rows):
        yield np.array(matrix[start : start + rows], dtype=np.float32)


def rows_of(rxfilename: str, first: int, count: int) -> str:
    """The extended file name of some rows of a matrix: Kaldi's `[first:last]`, the last included."""
    return f"{rxfilename}[{first}:{first + count - 1}]"


def _map_plain(rxfilename: str) -> np.ndarray | None:
    """Memory map of a plain binary matrix or of a range of its rows; None for every other kind of archive entry."""
    row_range = _ROW_RANGE.search(rxfilename)
    name = rxfilename[: row_range.start()] if row_range else rxfilename
    path, _, offset = name.rpartition(":")
    if not path or not offset.isdigit():
        path, offset = name, "0"
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        file.seek(int(offset))
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return None
        magic, kind, _, rows, _, cols = _HEADER.unpack(head)
        if magic != b"\0B" or kind not in _DTYPES or rows <= 0 or cols <= 0:
            return None
        try:
            whole = np.memmap(file, _DTYPES[kind], "r", int(offset) + _HEADER.size, (rows, cols))
        except (ValueError, OverflowError) as error:
            raise DataError(f"{rxfilename}: the archive is cut short ({rows} rows promised)") from error
    if row_range is None:
        return whole
    first, last = int(row_range[1]), int(row_range[2])
    if not first <= last < rows:
        raise DataError(f"{rxfilename}: there is no such range, the matrix has {rows} rows")
    return whole[first : last + 1]


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
        self._file: BinaryIO = ark.open("wb" if append_at is None else "r+b")
        if append_at is not None:
            if self._file.seek(0, 2) < append_at:
                self._file.close()
                raise DataError(f"{ark}: shorter than an earlier run left it (--no-resume starts afresh)")
            self._file.truncate(append_at)
            self._file.seek(append_at)

    def write(self, key: str, blocks: Iterable[np.ndarray]) -> tuple[str, int]:
        """`path:offset` for the scp, and the number of rows. On any exception the archive is as it was before."""
        start = self._file.tell()
        try:
            rows = self._write_compressed(key, blocks) if self.compress else self._write_plain(key, blocks)
            self._file.flush()
        except BaseException:
            self._file.truncate(start)
            self._file.seek(start)
            raise
        return f"{self.ark}:{start + len(key.encode()) + 1}", rows

    def _write_plain(self, key: str, blocks: Iterable[np.ndarray]) -> int:
        self._file.write(key.encode() + b" ")
        header_at = self._file.tell()
        self._file.write(bytes(_HEADER.size))
        rows = cols = 0
        for block in blocks:
            self._file.write(np.ascontiguousarray(block, dtype="<f4").data)
            rows, cols = rows + len(block), block.shape[1]
        end = self._file.tell()
        self._file.seek(header_at)
        self._file.write(_HEADER.pack(b"\0B", b"FM ", 4, rows, 4, cols))
        self._file.seek(end)
        return rows

    def _write_compressed(self, key: str, blocks: Iterable[np.ndarray]) -> int:
        matrix = np.concatenate(list(blocks)).astype(np.float32)
        kaldiio.save_ark(self._file, {key: matrix}, compression_method=2)
        return len(matrix)

    def tell(self) -> int:
        """Bytes written so far: where a later run can resume."""
        return self._file.tell()

    def close(self) -> None:
        """Close the archive."""
        self._file.close()

    def __enter__(self) -> "MatrixWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    """Write one double matrix as a file of its own, as Kaldi writes `cmvn.ark` from `compute-cmvn-stats ... global`."""
    rows, cols = matrix.shape
    path.write_bytes(_HEADER.pack(b"\0B", b"DM ", 4, rows, 4, cols) + np.ascontiguousarray(matrix, "<f8").tobytes())


def feature_blocks(table: Mapping[str, str], utterance: str) -> Iterator[np.ndarray]:
    """Float32 row blocks of one utterance of a feats.scp.

    Raises:
        DataError: the utterance is not in the table.
    """
    if utterance not in table:
        raise DataError(f"{utterance} is not in feats.scp")
    return read_matrix_blocks(table[utterance])
