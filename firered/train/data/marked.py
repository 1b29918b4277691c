"""Texts with punctuation as tokens and the marks that follow them."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from torch.nn.utils.rnn import pad_sequence

from firered.punc.text import strip_marks
from firered.punc.tokens import PieceTokenizer
from firered.train.data.batch import NO_TARGET, Batch
from firered.train.data.config import PuncDataConfig

MARKS = ("，", "。", "？", "！")  # of tags 1 to 4; tag 0 is no mark
_AS = {"，": ",、;；:：", "。": "..．…", "？": "?", "！": "!"}
_TAG_OF = {sign: tag for tag, mark in enumerate(MARKS, 1) for sign in mark + _AS[mark]}
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_NOT_SPOKEN = ("Ps", "Pe", "Pi", "Pf", "Pd")  # brackets, quotation marks and dashes
_DEV = 1 << 31  # stands where training has the epoch

Example = tuple[np.ndarray, np.ndarray]  # token ids and tags, (L,) each


def cut_marks(text: str) -> tuple[str, list[tuple[int, int]]]:
    """A text as recognition would give it, and its marks: (characters before it but for white space, tag).

    Marks between clauses count as a comma, an ellipsis as a full stop; of several marks in a row the first counts.
    Points and commas within numbers and names stay, as in inference.
    """
    text = "".join(_spoken(text, at) for at in range(len(text)))
    bare = strip_marks(text)  # a space for every mark
    marks: dict[int, int] = {}
    before = 0
    for sign, left in zip(text, bare, strict=True):
        if sign != left and before:
            marks.setdefault(before, _TAG_OF[sign])
        before += not left.isspace()
    return bare, sorted(marks.items())


def _spoken(text: str, at: int) -> str:
    """The character, or a space for one that transcripts do not have."""
    sign = text[at]
    if sign in "'’":
        return "'" if text[at - 1 : at].isalpha() and text[at + 1 : at + 2].isalpha() else " "
    if sign == "-" and text[at - 1 : at].isalnum() and text[at + 1 : at + 2].isalnum():
        return sign
    return " " if sign == '"' or unicodedata.category(sign) in _NOT_SPOKEN else sign


def tagged(texts: Sequence[str], tokenizer: PieceTokenizer) -> list[Example]:
    """Tokens of each text, and the tag of the mark after each."""
    bare = [cut_marks(text) for text in texts]
    cut = tokenizer.cut([text for text, _ in bare])
    found = []
    for pieces, (_, marks) in zip(cut, bare, strict=True):
        ends = np.cumsum([len(piece.text) for piece in pieces], dtype=np.int64)
        tags = np.zeros(len(pieces), np.int8)
        for place, tag in marks:
            tags[np.searchsorted(ends, place)] = tag
        found.append((np.array([piece.id for piece in pieces], np.int32), tags))
    return found


def learn_vocabulary(texts: Iterable[str], size: int) -> list[str]:
    """WordPiece tokens of texts, BERT's special ones first."""
    tokenizer = Tokenizer(WordPiece(unk_token=_SPECIAL[1]))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(lowercase=True), BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=size, special_tokens=list(_SPECIAL), show_progress=False)
    tokenizer.train_from_iterator((cut_marks(text)[0] for text in texts), trainer)
    ids = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


class MarkedCorpus:
    """Texts concatenated at random, as sentences follow one another in speech without a sign of where each ends.

    Every text comes once in an epoch; evaluation concatenates at random too, always in the same way.
    """

    sampling = None

    def __init__(self, examples: Mapping[str, Example], config: PuncDataConfig, cls_id: int, seed: int) -> None:
        self.keys = list(examples)
        self._examples = list(examples.values())
        self._config, self._cls_id, self._seed = config, cls_id, seed
        self._epoch: int | None = -1
        self._groups: list[list[int]] = []

    def groups(self, epoch: int | None) -> list[list[int]]:
        """The indices of the texts of every example of an epoch."""
        if self._epoch != epoch:
            self._epoch, self._groups = epoch, self._drawn(_DEV if epoch is None else epoch)
        return self._groups

    def _drawn(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng([self._seed, epoch])
        order = rng.permutation(len(self._examples))
        wanted = rng.integers(1, self._config.join + 1, len(order)).tolist()
        groups: list[list[int]] = []
        tokens = full = 0
        for index in order.tolist():
            own = len(self._examples[index][0])
            if groups and len(groups[-1]) < full and tokens + own <= self._config.max_tokens:
                groups[-1].append(index)
                tokens += own
            else:
                tokens, full = own, wanted[len(groups)]
                groups.append([index])
        return groups

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) numbers of tokens, [CLS] included."""
        return np.array([1 + sum(len(self._examples[i][0]) for i in group) for group in self.groups(epoch)], np.int64)

    def item(self, index: int, epoch: int | None) -> tuple[str, np.ndarray, np.ndarray]:
        """Ids of the texts, tokens and tags."""
        group = self.groups(epoch)[index]
        ids, tags = (np.concatenate(parts) for parts in zip(*(self._examples[i] for i in group), strict=True))
        return "+".join(self.keys[i] for i in group), ids, tags

    def collate(self, items: list[tuple[str, np.ndarray, np.ndarray]]) -> Batch:
        """Padded `ids` (N, 1 + L) with [CLS] in front, `mask`, and `targets` (N, L)."""
        ids = [torch.tensor([self._cls_id, *ids.tolist()]) for _, ids, _ in items]
        targets = [torch.from_numpy(tags).long() for _, _, tags in items]
        tensors = {
            "ids": pad_sequence(ids, batch_first=True),
            "mask": pad_sequence([torch.ones_like(tokens) for tokens in ids], batch_first=True),
            "targets": pad_sequence(targets, batch_first=True, padding_value=NO_TARGET),
        }
        return Batch([key for key, _, _ in items], tensors, sum(len(tags) for tags in targets))
