"""The text of the LLM variant: prompt, placeholder for speech, and tokens back to text (published inference code)."""

import codecs
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast

from transformers import AddedToken, AutoTokenizer, PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

from firered.errors import ModelError
from firered.text.files import first_line, read_json
from firered.text.tokenizer import WORD_START

SPEECH, BOS, EOS, PAD = "<speech>", "<|im_start|>", "<|im_end|>", "<|endoftext|>"
PROMPT = f"{BOS}user\n{SPEECH}请转写音频为文字{EOS}\n{BOS}assistant\n"

TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
_MORE_FILES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_AS_BYTES = "firered-as-bytes"
T = TypeVar("T", bound="ChatTokenizer")
_BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}


def bytes_of_token(token: str | None) -> bytes | None:
    """The bytes of a token that is written in the alphabet of byte-level tokenizers, or stands for itself."""
    if token is None:
        return None
    if all(character in _BYTE_OF for character in token):
        return bytes(_BYTE_OF[character] for character in token)
    return token.encode()  # an added token stands for itself


class ChatTokenizer:
    """The tokenizer of a Qwen chat model.

    Raises:
        ModelError: the tokenizer lacks a token of the chat format.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, source: Path | str = "tokenizer") -> None:
        self._tokenizer, self._source = tokenizer, source
        self._marks = self._marks_of(tokenizer)
        vocabulary = tokenizer.get_vocab()
        self.eos_id, self.pad_id = (vocabulary[self._marks[token]] for token in (EOS, PAD))

    def _marks_of(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
        """The tokenizer's own token for each of the chat format."""
        missing = [token for token in (BOS, EOS, PAD) if token not in tokenizer.get_vocab()]
        if missing:
            raise ModelError(f"{self._source}: the tokenizer has no {', '.join(missing)}: not one of a Qwen chat model")
        return {token: token for token in (BOS, EOS, PAD)}

    @classmethod
    def from_dir(cls: type[T], folder: Path) -> T:
        """The tokenizer of a Hugging Face folder.

        Raises:
            ModelError: its files are missing or damaged.
        """
        with _named(folder):
            tokenizer = cls(load_tokenizer(folder), folder)
            # Options of the wrong types are noticed when they are used.
            tokenizer.text_of(tokenizer.ids_of(f"{BOS}user\n{EOS}"))
        return tokenizer

    def check_size(self, tokens: int) -> None:
        """Raise ModelError where a language model of so many tokens has no embedding for one of the prompt's."""
        largest = max(*self._needed(), self.eos_id, self.pad_id)
        if largest >= tokens:
            raise ModelError(f"{self._source}: its tokenizer has the id {largest}, its model {tokens} tokens")

    def _needed(self) -> list[int]:
        """Ids that every prompt has."""
        return self.ids_of(f"{BOS}system\nuser\nassistant\n")

    def ids_of(self, text: str) -> list[int]:
        """Ids of a text, in which special tokens are recognised."""
        return self._tokenizer.encode(text, add_special_tokens=False)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids as it is, without special tokens."""
        return cast("str", self._tokenizer.decode(list(ids), skip_special_tokens=True))  # of one sequence: one text

    def text_of(self, ids: Sequence[int]) -> str:
        """Plain decoding without special tokens; white space of any kind and length is one space."""
        return " ".join(self.decode(ids).split())

    def tokens_of(self, ids: Sequence[int]) -> list[str]:
        """Tokens to look at: `▁` for a space, and SentencePiece's `<0xE4>` for each byte of less than a character."""
        tokens = self._tokenizer.convert_ids_to_tokens(list(ids))
        return [self._readable(token, number) for token, number in zip(tokens, ids, strict=True)]

    def texts(self, size: int) -> list[bytes | None]:
        """The bytes that each of a model's tokens writes; None for special ones, and those that have no text."""
        special = set(self._tokenizer.all_special_ids)
        tokens = self._tokenizer.convert_ids_to_tokens(list(range(size)))
        return [None if number in special else bytes_of_token(token) for number, token in enumerate(tokens)]

    @staticmethod
    def _readable(token: str | None, number: int) -> str:
        if token is None:
            return f"<{number}>"  # the table of embeddings is longer than the vocabulary
        text = token  # an added token stands for itself
        if all(character in _BYTE_OF for character in token):
            text = bytes(_BYTE_OF[character] for character in token).decode(errors=_AS_BYTES)
        text = text.replace(" ", WORD_START)
        return "".join(_spelt(character.encode()) if character.isspace() else character for character in text)


class LlmTokenizer(ChatTokenizer):
    """A tokenizer with one more special token, which stands for speech and has no embedding.

    A language model that does not know the chat format of Qwen has its own beginning and end of a text in the places
    of that format's tokens.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, source: Path | str = "tokenizer") -> None:
        super().__init__(tokenizer, source)
        tokenizer.add_tokens([AddedToken(SPEECH, special=True)], special_tokens=True)
        self.speech_id: int = tokenizer.get_vocab()[SPEECH]
        prompt = PROMPT.replace(BOS, self._marks[BOS]).replace(EOS, self._marks[EOS])
        self._prompt = self.ids_of(prompt)
        self.last_id = self._prompt[-1]  # of every prompt

    def _marks_of(self, tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
        vocabulary = tokenizer.get_vocab()
        if BOS in vocabulary or EOS in vocabulary or getattr(tokenizer, "eos_token", None) not in vocabulary:
            return super()._marks_of(tokenizer)
        end = str(tokenizer.eos_token)
        pad = str(tokenizer.pad_token) if tokenizer.pad_token in vocabulary else end
        return {BOS: str(tokenizer.bos_token or ""), EOS: end, PAD: pad}

    def prompt(self, speech: int) -> list[int]:
        """Ids of the prompt with room for so many speech embeddings; what is generated follows it."""
        at = self._prompt.index(self.speech_id)
        return [*self._prompt[:at], *[self.speech_id] * speech, *self._prompt[at + 1 :]]

    def _needed(self) -> list[int]:
        return [number for number in self._prompt if number != self.speech_id]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a Hugging Face folder as it is there.

    Raises:
        ModelError: its files are missing or damaged.
    """
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise ModelError(f"{folder}: no tokenizer here ({' or '.join(TOKENIZER_FILES)})")
    for path in (folder / name for name in (*TOKENIZER_FILES, *_MORE_FILES) if (folder / name).exists()):
        read_json(path)
    with _named(folder):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Errors of a tokenizer inside the block name its folder."""
    try:
        yield
    except (ModelError, KeyboardInterrupt, SystemExit):
        raise
    except (
        BaseException
    ) as error:  # the tokenizers library raises the bare Exception, and panics that are not even that
        raise ModelError(f"{folder}: no tokenizer that can be loaded ({first_line(error)})") from error


def _spelt(raw: bytes) -> str:
    return "".join(f"<0x{byte:02X}>" for byte in raw)


def _spell_undecodable(error: UnicodeError) -> tuple[str, int]:
    """For `bytes.decode`: the replacement of bytes that are no character, and where decoding continues."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _spelt(error.object[error.start : error.end]), error.end


codecs.register_error(_AS_BYTES, _spell_undecodable)
