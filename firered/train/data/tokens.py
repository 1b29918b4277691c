"""A dictionary and a SentencePiece model from text, in the published layout: dict.txt and train_bpe1000.model."""

import io
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from firered.data.atomic import replacing
from firered.data.datadir import write_lines
from firered.errors import DataError
from firered.text.tokenizer import DICT, PIECES_MODEL, SPECIAL, Tokenizer
from firered.text.units import is_ideograph
from firered.train.data.config import TokensConfig
from firered.train.data.text import sentences_of

log = logging.getLogger(__name__)

_CONTROL = ("<unk>", "<s>", "</s>")  # of SentencePiece; the dictionary has its own


class _Unsplit:
    """Takes the place of a SentencePiece model and leaves every stretch of text whole."""

    def encode(self, stretch: str, *, out_type: type[str]) -> list[str]:
        """The stretch itself."""
        return [stretch]


def split_text(texts: Iterable[str]) -> tuple[Counter[str], list[str]]:
    """Counts of Chinese characters, and the stretches of other text between them, as the tokenizer splits it."""
    tokenizer = Tokenizer(SPECIAL, _Unsplit())
    characters: Counter[str] = Counter()
    stretches: list[str] = []
    for text in texts:
        for token in tokenizer.tokenize(text).tokens:
            if is_ideograph(token):
                characters[token] += 1
            else:
                stretches.append(token)
    return characters, stretches


def learn_pieces(stretches: Sequence[str], config: TokensConfig) -> bytes:
    """A serialised SentencePiece model.

    Raises:
        DataError: there is too little text for so many pieces.
    """
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(stretches),
            model_writer=model,
            model_type="bpe",
            vocab_size=config.pieces,
            character_coverage=1.0,
            input_sentence_size=config.max_sentences,
            shuffle_input_sentence=True,
            max_sentence_length=1 << 16,
            minloglevel=2,
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[-1]
        raise DataError(
            f"{config.pieces} pieces cannot be learnt of this text, try fewer --pieces: {reason}"
        ) from error
    return model.getvalue()


def dictionary(pieces: Sequence[str], characters: Counter[str], min_count: int) -> list[str]:
    """Symbols in the order of their ids: special tokens, pieces, characters by descending frequency."""
    often = sorted((c for c in characters if characters[c] >= min_count), key=lambda c: (-characters[c], c))
    return [*SPECIAL, *(piece for piece in pieces if piece not in _CONTROL), *often]


def make_tokens(paths: str, out: Path, config: TokensConfig) -> None:
    """Write dict.txt, and train_bpe1000.model where there is text that is not Chinese, to `out`.

    Raises:
        DataError: there is no text, or too little for the pieces.
    """
    characters, stretches = split_text(sentences_of(paths, "train").values())
    if not characters and not stretches:
        raise DataError(f"{paths}: no text here")
    pieces: list[str] = []
    if stretches:
        model = learn_pieces(stretches, config)
        loaded = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = [loaded.id_to_piece(number) for number in range(len(loaded))]
        with replacing(out / PIECES_MODEL) as unfinished:
            unfinished.write_bytes(model)
    else:
        (out / PIECES_MODEL).unlink(missing_ok=True)
    symbols = dictionary(pieces, characters, config.min_count)
    write_lines(out / DICT, [f"{symbol} {number}" for number, symbol in enumerate(symbols)])
    rare = sum(count < config.min_count for count in characters.values())
    log.info("%s: %d tokens, %d characters left to <unk>", out / DICT, len(symbols), rare)
