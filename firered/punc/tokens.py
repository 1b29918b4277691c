"""Text to the tokens of a BERT, each with the characters of the text that it stands for."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from firered.errors import ModelError
from firered.text.tokenizer import read_dict

VOCABULARY = "chinese-bert-wwm-ext_vocab.txt"
_UNKNOWN = "[UNK]"
_LONGEST_WORD = 100  # characters; a longer one is unknown as a whole (BERT's WordPiece)
_LATIN = re.compile("[a-zA-Z0-9]+")
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")


class Piece(NamedTuple):
    """A token.

    The texts of a text's pieces are the text itself without white space, whatever normalisation did to the tokens.
    `text` is empty where a character is cut into several tokens (a Korean syllable) and this is not its last.
    """

    id: int
    text: str
    latin: bool  # ASCII letters and digits only, accents aside
    continues: bool  # continues the word of the piece before (`##`)


class PieceTokenizer:
    """BERT's own cleaning, lower-casing and WordPiece (Devlin et al. 2019), with nothing lost on the way.

    Args:
        vocabulary: the tokens in the order of their ids.
        source: the file that messages name.

    Raises:
        ModelError: it lacks `[UNK]`, or has a token twice.
    """

    def __init__(self, vocabulary: Sequence[str], source: str | Path = VOCABULARY) -> None:
        ids: dict[str, int] = {}
        for number, token in enumerate(vocabulary):
            if ids.setdefault(token, number) != number:
                raise ModelError(f"{source}:{number + 1}: {token!r} a second time (line {ids[token] + 1} has it)")
        if _UNKNOWN not in ids:
            raise ModelError(f"{source}: no {_UNKNOWN}, so not the vocabulary of a BERT")
        self.unknown = ids[_UNKNOWN]
        self._tokenizer = Tokenizer(WordPiece(ids, unk_token=_UNKNOWN, max_input_chars_per_word=_LONGEST_WORD))
        self._tokenizer.normalizer = BertNormalizer(lowercase=True)
        self._tokenizer.pre_tokenizer = BertPreTokenizer()

    @classmethod
    def from_dir(cls, directory: Path) -> "PieceTokenizer":
        """The tokenizer of a published model directory.

        Raises:
            ModelError: its vocabulary is missing or damaged.
        """
        return cls(read_dict(directory / VOCABULARY), directory / VOCABULARY)

    def __len__(self) -> int:
        """Number of tokens in the vocabulary."""
        return self._tokenizer.get_vocab_size()

    def cut(self, texts: Sequence[str]) -> list[list[Piece]]:
        """The pieces of each text; none of a text that is nothing but white space."""
        # Half a character (a lone surrogate) is not Unicode text; the tokenizer drops what stands in for it.
        whole = [_HALF_CHARACTERS.sub("\ufffd", text) for text in texts]
        encodings = self._tokenizer.encode_batch(whole, add_special_tokens=False)
        return [self._pieces(text, encoding) for text, encoding in zip(texts, encodings, strict=True)]

    def _pieces(self, text: str, encoding: Encoding) -> list[Piece]:
        if not encoding.ids:
            kept = _without_space(text)  # such as a lone zero-width joiner, of which BERT makes no token
            return [Piece(self.unknown, kept, False, False)] if kept else []
        # Each piece reaches to the start of the next, so that it takes in what BERT's cleaning drops in between.
        bounds = [0, *(start for start, _ in encoding.offsets[1:]), len(text)]
        pieces = []
        for number, (id_, token) in enumerate(zip(encoding.ids, encoding.tokens, strict=True)):
            own = _without_space(text[bounds[number] : bounds[number + 1]])
            form = own if id_ == self.unknown else token.removeprefix("##")
            pieces.append(Piece(id_, own, bool(_LATIN.fullmatch(form)), token.startswith("##")))
        return pieces


def _without_space(text: str) -> str:
    return "".join(text.split())
