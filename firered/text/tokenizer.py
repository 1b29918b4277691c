"""Text to tokens and back: Chinese by the character, all else by SentencePiece, ids from a model's dict.txt."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import sentencepiece

from firered.errors import ModelError
from firered.text.files import check_file, read_file
from firered.text.units import IDEOGRAPH, is_ideograph

DICT = "dict.txt"
PIECES_MODEL = "train_bpe1000.model"
SPECIAL = ("<blank>", "<unk>", "<pad>", "<sos>", "<eos>")  # their places in every dictionary are their ids
BLANK_ID, UNK_ID, PAD_ID, SOS_ID, EOS_ID = range(len(SPECIAL))
NO_SPEECH = ("<blank>", "<sil>")  # symbols that stand for no text
WORD_START = "▁"
_LARGEST = 64 << 20  # bytes of a dictionary or a SentencePiece model

_TO_SPACE = str.maketrans(dict.fromkeys("，。？！,.?!", " "))
_AT_IDEOGRAPHS = re.compile(f"({IDEOGRAPH.pattern})")


class Tokens(NamedTuple):
    """The pieces of a text, as they stand in it, and their ids: `<unk>`'s for a piece the dictionary lacks."""

    tokens: list[str]
    ids: list[int]


class Pieces(Protocol):
    """What splits a stretch of text into pieces, as `sentencepiece.SentencePieceProcessor` does."""

    def encode(self, stretch: str, /, *, out_type: type[str]) -> list[str]:
        """The pieces as text."""


class Tokenizer:
    """Text to tokens and back with one model's dictionary (FireRedASR2S paper section 3.1, "Tokenization").

    Args:
        symbols: the dictionary in the order of its ids, beginning with `SPECIAL`.
        pieces: the SentencePiece model; None splits all text in characters. A word's beginning is then kept as a token
            of its own: `▁` before every word if the dictionary has that, else a space (`<space>` in dict.txt) between
            two words, and nothing if it has neither.
        source: the file that messages name.

    Raises:
        ModelError: the special tokens are not where they belong, or a symbol comes twice.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        pieces: Pieces | None = None,
        source: str | Path = DICT,
    ) -> None:
        self.symbols = tuple(symbols)
        self.source = source
        self._pieces = pieces
        self._ids: dict[str, int] = {}
        for number, symbol in enumerate(self.symbols):
            if number < len(SPECIAL) and symbol != SPECIAL[number]:
                raise ModelError(f"{source}:{number + 1}: {SPECIAL[number]!r} belongs here, not {symbol!r}")
            if symbol in self._ids:
                raise ModelError(
                    f"{source}:{number + 1}: {symbol!r} a second time (line {self._ids[symbol] + 1} has it)"
                )
            self._ids[symbol] = number
        if len(self.symbols) < len(SPECIAL):
            missing = ", ".join(SPECIAL[len(self.symbols) :])
            raise ModelError(f"{source}:{len(self.symbols) + 1}: the dictionary ends here, {missing} missing")

    @classmethod
    def from_dir(cls, model_dir: str | Path) -> "Tokenizer":
        """The tokenizer of a model directory: `dict.txt`, and `train_bpe1000.model` where the dictionary is of pieces.

        Raises:
            ModelError: a file is missing, damaged, or does not fit the other; with the line where it has one.
        """
        directory = Path(model_dir)
        if not directory.is_dir():
            raise ModelError(f"{directory}: no such model directory")
        path, model = directory / DICT, directory / PIECES_MODEL
        symbols = read_dict(path)
        if model.exists():
            pieces = _load_pieces(model)
            if not any(pieces.IdToPiece(number) in symbols for number in range(len(pieces))):
                raise ModelError(f"{model}: of another dictionary, {path} has none of its pieces")
            return cls(symbols, pieces, path)
        # Word labels of another task (language identification) are no pieces: those begin with the mark.
        for number, symbol in enumerate(symbols):
            if symbol.startswith(WORD_START) and symbol != WORD_START:
                raise ModelError(
                    f"{model}: not there, but {path}:{number + 1} has the piece {symbol!r}, which only it can make"
                )
        return cls(symbols, None, path)

    def __len__(self) -> int:
        """Number of tokens in the dictionary, the special ones included: the model's `odim`."""
        return len(self.symbols)

    def tokenize(self, text: str, *, follows: bool = False) -> Tokens:
        """Tokens and ids of a text: upper-cased, its punctuation dropped, every Chinese character a token of its own.

        Other stretches between Chinese characters are cut in pieces; white space around them is lost.

        Args:
            text: any.
            follows: other tokens are before it, so that a dictionary's `<space>` may begin it.
        """
        tokens: list[str] = []
        for stretch in _AT_IDEOGRAPHS.split(text.upper().translate(_TO_SPACE)):
            if stretch := stretch.strip():
                first = not (tokens or follows)
                tokens += [stretch] if is_ideograph(stretch) else self._cut(stretch, first)
        return Tokens(tokens, self.ids_of(tokens))

    def _cut(self, stretch: str, first: bool) -> list[str]:
        if self._pieces is not None:
            return self._pieces.encode(stretch, out_type=str)
        mark = next((symbol for symbol in (WORD_START, " ") if symbol in self._ids), None)
        tokens: list[str] = []
        for word in stretch.split():
            if mark == WORD_START or (mark and (tokens or not first)):
                tokens.append(mark)
            tokens += word
        return tokens

    def ids_of(self, tokens: Sequence[str]) -> list[int]:
        """Ids of tokens, that of `<unk>` for those the dictionary lacks."""
        return [self._ids.get(token, UNK_ID) for token in tokens]

    def tokens_of(self, ids: Sequence[int]) -> list[str]:
        """Tokens of ids; `ids` may be a tensor or array of shape (L,).

        Raises:
            ModelError: an id that the dictionary does not reach: it belongs to another model.
        """
        ids = [int(number) for number in ids]
        for number in ids:
            if not 0 <= number < len(self.symbols):
                raise ModelError(f"{self.source}: has {len(self.symbols)} tokens, so none with the id {number}")
        return [self.symbols[number] for number in ids]

    def texts(self) -> list[str | None]:
        """What each token of the dictionary writes, with a space for a word's beginning; None for what is no text."""
        silent = {*SPECIAL, *NO_SPEECH}
        return [None if symbol in silent else symbol.replace(WORD_START, " ") for symbol in self.symbols]

    def text_of(self, tokens: Sequence[str] | Sequence[int]) -> str:
        """Text of tokens or ids as results show it: lower-case, `<blank>` and `<sil>` dropped, `<unk>` as it is."""
        text = self.raw_text_of(tokens)
        for symbol in NO_SPEECH:
            text = text.replace(symbol, "")
        return text.lower()

    def raw_text_of(self, tokens: Sequence[str] | Sequence[int]) -> str:
        """Text of tokens or ids with every symbol and the dictionary's case kept; the input of `is_speech`."""
        symbols = [token for token in tokens if isinstance(token, str)]
        if len(symbols) < len(tokens):
            symbols = self.tokens_of([int(number) for number in tokens])
        return "".join(symbols).replace(WORD_START, " ").strip()


def is_speech(raw_text: str) -> bool:
    """Whether the whole pipeline keeps an utterance: its raw text holds no `<blank>` and no `<sil>`."""
    return not any(symbol in raw_text for symbol in NO_SPEECH)


def read_dict(path: Path) -> list[str]:
    """Symbols of a dict.txt in the order of their ids, which count the lines from 0; `<space>` is " ".

    Raises:
        ModelError: the file is missing, a line is not `token id` or `token` in UTF-8, or an id is out of order.
    """
    lines = read_file(path, _LARGEST).removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if lines[-1].strip() == b"":
        lines.pop()  # what follows the last line's end
    return [_symbol(line, number, f"{path}:{number + 1}") for number, line in enumerate(lines)]


def _symbol(line: bytes, number: int, where: str) -> str:
    try:
        # Spaces and tabs only: a token may be a character that str.split() takes for white space.
        fields = [field for field in re.split("[ \t]+", line.decode().rstrip("\r")) if field]
    except UnicodeDecodeError as error:
        raise ModelError(f"{where}: not valid UTF-8 ({error.reason} at byte {error.start})") from error
    if not 1 <= len(fields) <= 2:
        raise ModelError(f"{where}: `token id` or `token` expected, not {' '.join(fields)!r}")
    if len(fields) == 2 and not (fields[1].isascii() and fields[1].isdigit()):
        raise ModelError(f"{where}: the id of {fields[0]!r} is no number but {fields[1]!r}")
    if len(fields) == 2 and (fields[1].lstrip("0") or "0") != str(number):
        raise ModelError(f"{where}: ids count from 0 without a gap, {number} belongs here, not {fields[1][:40]}")
    return " " if fields[0] == "<space>" else fields[0]


def _load_pieces(path: Path) -> sentencepiece.SentencePieceProcessor:
    pieces = sentencepiece.SentencePieceProcessor()
    check_file(path)
    try:
        # Not the constructor: it takes an empty file for no file, and fails at the first text.
        pieces.LoadFromSerializedProto(read_file(path, _LARGEST))
    except RuntimeError as error:
        raise ModelError(f"{path}: not a readable SentencePiece model ({error})") from error
    return pieces
