"""The CTC head's tokenizer of Fun-ASR-Nano: byte-pair pieces from a `.tiktoken` file and SenseVoice's special tokens.

The merging itself is the tiktoken library's.
"""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path

import tiktoken

from firered.errors import ModelError
from firered.text.files import read_file

_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"  # GPT-2's
_LANGUAGES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue minnan wuyu dialect zh/en en/zh"
)
_EVENTS = "ASR AED SER Speech /Speech BGM /BGM Laughter /Laughter Applause /Applause HAPPY SAD ANGRY NEUTRAL"
_TASKS = "translate transcribe startoflm startofprev nospeech notimestamps"
_LARGEST = 64 << 20  # bytes; the published file has 0.9 MB
_FIRST_TIME = "<|0.00|>"
NO_SPEECH = "<|nospeech|>"
SPECIAL = tuple(
    f"<|{name}|>"
    for name in (
        "endoftext",
        "startoftranscript",
        *_LANGUAGES.split(),
        *_EVENTS.split(),
        *_TASKS.split(),
        *(f"SPECIAL_TOKEN_{number}" for number in range(1, 51)),
        *(f"{0.02 * number:.2f}" for number in range(1501)),
    )
)  # their ids follow those of the pieces, in this order


class BpeTokenizer:
    """Text to ids of pieces and back.

    Args:
        ranks: the pieces' bytes and their ids.
        source: the file that messages name.
    """

    def __init__(self, ranks: dict[bytes, int], source: Path | str = "tiktoken") -> None:
        if sorted(ranks.values()) != list(range(len(ranks))):
            raise ModelError(f"{source}: ranks do not count from 0 to {len(ranks) - 1}")
        lacking = [byte for byte in range(256) if bytes([byte]) not in ranks]
        if lacking:
            raise ModelError(f"{source}: {len(lacking)} single bytes are missing, 0x{lacking[0]:02x} for one")
        self._encoding = tiktoken.Encoding(
            "fun-asr", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={}, explicit_n_vocab=len(ranks)
        )
        self._bytes = [piece for piece, _ in sorted(ranks.items(), key=lambda item: item[1])]
        self._last_spelt = len(ranks) + SPECIAL.index(_FIRST_TIME)  # ids from here on are times, which no text has

    @classmethod
    def from_file(cls, path: Path) -> "BpeTokenizer":
        """The tokenizer of a file with a line `base64(bytes) rank` for each piece.

        Raises:
            ModelError: it is missing, cut short or no such file; the line is named.
        """
        lines = read_file(path, _LARGEST).split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        ranks: dict[bytes, int] = {}
        for number, line in enumerate(lines, 1):
            piece, rank = _parsed(line, f"{path}:{number}")
            if piece in ranks:
                raise ModelError(f"{path}:{number}: a piece that an earlier line has")
            ranks[piece] = rank
        return cls(ranks, path)

    def __len__(self) -> int:
        """Number of ids, the special ones included."""
        return len(self._bytes) + len(SPECIAL)

    def encode(self, text: str) -> list[int]:
        """Ids of the pieces of a text; special tokens in it are spelt out."""
        return self._encoding.encode_ordinary(text)

    def bytes_of(self, ids: Sequence[int]) -> list[bytes]:
        """Each id's bytes: a special token's name, nothing for those of times."""
        return [self._one(int(number)) for number in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids; bytes that are no character become U+FFFD."""
        return b"".join(self.bytes_of(ids)).decode(errors="replace")

    def _one(self, number: int) -> bytes:
        if number < len(self._bytes):
            return self._bytes[number]
        return b"" if number >= self._last_spelt else SPECIAL[number - len(self._bytes)].encode()


def _parsed(line: bytes, where: str) -> tuple[bytes, int]:
    """The piece and its rank of one line."""
    try:
        piece, rank = line.split()
        return base64.b64decode(piece, validate=True), int(rank)
    except (ValueError, binascii.Error) as error:
        raise ModelError(f"{where}: `base64 rank` expected ({error}); fetch the file again") from error
