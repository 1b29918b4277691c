"""Parquet files of hubs: a row an utterance, with the bytes of its recording's file in one column."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from firered.corpora.files import check_fetched
from firered.errors import DataError

if TYPE_CHECKING:
    import pyarrow.parquet

SUFFIX = ".parquet"
_BATCH = 16  # rows with audio that are in memory at a time
# By their first bytes, for rows that give no name with a suffix.
_MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3", b"\xff\xf3": ".mp3"}


@dataclass(frozen=True)
class Row:
    """A row without its audio.

    Attributes:
        number: from 0.
        name: of the recording's file, without folder and suffix; empty where the row has none.
        columns: its other values by the names of their columns, in small letters.
    """

    number: int
    name: str
    columns: Mapping[str, Any]

    def text_of(self, *names: str) -> str | None:
        """The value of the first of these columns that holds text or a number; None where none does."""
        for name in names:
            value = self.columns.get(name)
            if isinstance(value, str | int) and str(value).strip():
                return str(value).strip()
        return None


def rows(path: Path) -> Iterator[Row]:
    """The rows of a parquet file; no audio is read.

    Raises:
        DataError: it cannot be read, or has no audio.
    """
    with _Opened(path) as file:
        names = [field.name for field in file.schema_arrow if _is_plain(field.type)]
        packed = _audio_column(path, file)
        if _has_paths(file, packed):
            names.append(f"{packed}.path")
        number = 0
        for batch in file.iter_batches(columns=names):
            for values in batch.to_pylist():
                named = (values.pop(packed, None) or {}).get("path") or values.get("path") or ""
                columns = {name.lower(): value for name, value in values.items()}
                yield Row(number, PurePosixPath(str(named)).stem, columns)
                number += 1


def extract(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, str, bytes]]:
    """Number, suffix and content of the recording of each row that is wanted.

    Raises:
        DataError: the file cannot be read, or has no audio.
    """
    numbers = {int(number) for number in wanted}
    with _Opened(path) as file:
        packed = _audio_column(path, file)
        first = 0
        for group in range(file.num_row_groups):
            of_group = range(first, first + file.metadata.row_group(group).num_rows)
            if not numbers.isdisjoint(of_group):
                number = first
                for batch in file.iter_batches(_BATCH, row_groups=[group], columns=[packed]):
                    for value in batch.column(0).to_pylist():
                        content = value.get("bytes") if isinstance(value, dict) else value
                        if number in numbers and content:
                            named = value.get("path") if isinstance(value, dict) else None
                            yield str(number), _suffix(named, content), content
                        number += 1
            first = of_group.stop


class _Opened:
    """A parquet file, open; errors of pyarrow become a DataError with its name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> "pyarrow.parquet.ParquetFile":
        import pyarrow.parquet

        check_fetched(self.path)
        self.errors = pyarrow.ArrowException, OSError
        try:
            self.file = pyarrow.parquet.ParquetFile(self.path)
        except self.errors as error:
            raise self._cannot_be_read(error) from None
        return self.file

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.file.close()
        if isinstance(error, self.errors):
            raise self._cannot_be_read(error) from None

    def _cannot_be_read(self, error: BaseException) -> DataError:
        return DataError(f"{self.path}: not a parquet file, or damaged: {str(error).strip()}")


def _audio_column(path: Path, file: "pyarrow.parquet.ParquetFile") -> str:
    """The name of the column with the recordings: `audio`, else the first that holds bytes."""
    schema = file.schema_arrow
    found = [field.name for field in schema if _holds_bytes(field.type)]
    if not found:
        raise DataError(f"{path}: no column holds audio; it has {', '.join(schema.names)}")
    return "audio" if "audio" in found else found[0]


def _holds_bytes(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no annotations
    import pyarrow.types as types

    if types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return types.is_binary(kind) or types.is_large_binary(kind)


def _has_paths(file: "pyarrow.parquet.ParquetFile", column: str) -> bool:
    kind = file.schema_arrow.field(column).type
    return hasattr(kind, "get_field_index") and kind.get_field_index("path") >= 0


def _is_plain(kind: Any) -> bool:  # noqa: ANN401
    import pyarrow.types as types

    plain = types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_dictionary
    return any(test(kind) for test in plain)


def _suffix(name: str | None, content: bytes) -> str:
    """The suffix of a file: that of its name, else by what it begins with."""
    by_name = PurePosixPath(name or "").suffix
    return by_name or next((suffix for magic, suffix in _MAGIC.items() if content.startswith(magic)), ".audio")
