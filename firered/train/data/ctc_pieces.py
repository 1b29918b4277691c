"""The text that Fun-ASR-Nano's CTC head is taught, and pieces that are learnt from such texts.

The published vocabulary has 58,836 pieces; small models want fewer. A file of pieces has a line `base64(bytes) rank`.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer

from firered.data.datadir import write_lines
from firered.text.llm_tokenizer import bytes_of_token

_MARKS = re.compile(r"[^\w\s']+")


def spoken(text: str) -> str:
    """A transcript as the CTC head writes it: lower case, without marks, one space between words."""
    return " ".join(_MARKS.sub(" ", text).replace("_", " ").split()).lower()


def learn_pieces(texts: Iterable[str], count: int) -> list[bytes]:
    """Pieces of byte-pair encoding in the order of their ranks, the 256 bytes first.

    They are merged within what the tokenizer of the CTC head cuts a text into (`BpeTokenizer`), GPT-2's pattern.

    Args:
        texts: to learn from.
        count: of pieces; there are fewer where the texts have no more to merge.
    """
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet(), key=lambda letter: bytes_of_token(letter) or b"")
    trainer = BpeTrainer(vocab_size=count, initial_alphabet=alphabet, show_progress=False, special_tokens=[])
    tokenizer.train_from_iterator(sorted(texts), trainer)
    ranked = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    learnt = [bytes_of_token(piece) for piece, _ in ranked]
    single = [bytes([number]) for number in range(256)]
    return [*single, *(piece for piece in learnt if piece and len(piece) > 1)]


def write_pieces(path: Path, pieces: Sequence[bytes]) -> None:
    """Write pieces in the order of their ranks."""
    write_lines(path, [f"{base64.b64encode(piece).decode()} {rank}" for rank, piece in enumerate(pieces)])
