"""How much of an audio file is not there: what its header promises, against where the file ends."""

import struct
from typing import BinaryIO

# of containers made of chunks: where the first one starts, the head of a chunk, the chunk of samples, alignment
_CHUNKED = {
    b"RIFF": (12, "<4sI", b"data", 2),
    b"RF64": (12, "<4sI", b"data", 2),  # beyond 4 GiB; its chunk of samples has the size of a stream's
    b"RIFX": (12, ">4sI", b"data", 2),
    b"FORM": (12, ">4sI", b"SSND", 2),  # AIFF, AIFF-C
    b"caff": (8, ">4sq", b"data", 1),  # Core Audio
}
# Just below 2 or 4 GiB: what pipes write for "not known yet" (sox 0x7FFFF000, ffmpeg 0xFFFFFFFF); CAF writes -1.
_STREAMED_SIZES = (range(0x7FFF0000, 0x80000000), range(0xFFFF0000, 0x100000000), range(-1, 0))
# A file of empty chunks, or of zeros, costs whoever walks through it a step every 8 bytes: hours for gigabytes.
_MOST_CHUNKS = 10_000
_ZEROS = 1 << 16
_OGG_PAGE_HEAD = 27  # bytes before the table of its segments
_OGG_LONGEST_PAGE = _OGG_PAGE_HEAD + 255 + 255 * 255


def missing_bytes(file: BinaryIO) -> int:
    """Bytes that the header of a wav, AIFF, CAF or Ogg file promises beyond its end; 0 where none, or not known.

    An Ogg stream that ends with a complete page counts as complete, although recorders that were stopped may leave it
    without the end-of-stream flag.
    """
    try:
        return examined(file)
    except ValueError:
        return 0


def examined(file: BinaryIO) -> int:
    """The same.

    Raises:
        ValueError: the file is no audio, and to find that out by decoding would take without end.
    """
    size = file.seek(0, 2)
    file.seek(0)
    magic = file.read(4)
    if magic in _CHUNKED:
        return _missing_samples(file, size, *_CHUNKED[magic])
    return _missing_of_page(file, size) if magic == b"OggS" else 0


def _missing_samples(file: BinaryIO, size: int, start: int, head: str, samples: bytes, alignment: int) -> int:
    file.seek(start)
    for _ in range(_MOST_CHUNKS):
        found = file.read(struct.calcsize(head))
        if len(found) < struct.calcsize(head):
            return 0
        if not any(found) and not any(file.read(_ZEROS)):
            raise ValueError("zeros where its samples should begin: room was set aside for it and never written")
        name, length = struct.unpack(head, found)
        left = size - file.tell()
        if name == samples:
            streamed = any(length in sizes for sizes in _STREAMED_SIZES)
            return 0 if streamed else max(0, length - left)
        if not 0 <= length <= left:
            return 0  # nothing can be concluded from a damaged header; decoding the file reports it
        file.seek(length + length % alignment, 1)
    raise ValueError(f"damaged: {_MOST_CHUNKS} chunks and no samples among them")


def _missing_of_page(file: BinaryIO, size: int) -> int:
    """Bytes of the last page of an Ogg file that are not there."""
    file.seek(max(0, size - _OGG_LONGEST_PAGE))
    tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < _OGG_PAGE_HEAD:
        return _OGG_PAGE_HEAD - len(page)
    segments = page[_OGG_PAGE_HEAD - 1]
    table = page[_OGG_PAGE_HEAD : _OGG_PAGE_HEAD + segments]
    return max(0, _OGG_PAGE_HEAD + segments + sum(table) - len(page))
