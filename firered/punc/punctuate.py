"""Punctuation with the released model: `Punc`."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from firered.errors import ModelError, NoNumbersError, OptionError, Outcome, result_of
from firered.hub.catalogue import CHECKPOINT
from firered.hub.find import find_model
from firered.models.checkpoint import model_files, pick_device
from firered.models.punc_bert import BERT_CONFIG, PuncBert
from firered.punc.config import PuncConfig
from firered.punc.marking import Layout, Timed, timed
from firered.punc.text import build_text, rule_fix, sentence_ends, without_marks
from firered.punc.tokens import VOCABULARY, Piece, PieceTokenizer
from firered.results import PuncResult, Sentence, Word
from firered.runtime.batches import plan, run_batch
from firered.runtime.entry import Progress, listed_texts, need_texts, over_items
from firered.text.joining import join_texts
from firered.text.tokenizer import read_dict
from firered.text.width import sentence_width

TAGS = "out_dict"
PUBLISHED = "FireRedPunc"
_TEXTS_AT_ONCE = 1024  # of a batch call: between two calls of its progress


class Window(NamedTuple):
    """Tokens [start, end) go through the model together; the predictions of [first, last) are taken from there."""

    start: int
    end: int
    first: int
    last: int


class Punc:
    """Commas, full stops, question and exclamation marks for recognised text.

    Examples:
        >>> import firered
        >>> punc = firered.load("egs/mini/models/FireRedPunc")
        >>> punc("你好谁星期三去公园").punc_text
        '你好，谁星期三去公园？'
    """

    def __init__(
        self,
        model: PuncBert,
        tokenizer: PieceTokenizer,
        marks: Sequence[str],
        config: PuncConfig,
        device: torch.device,
    ) -> None:
        if config.overlap >= model.max_tokens:
            raise OptionError(f"overlap: {config.overlap} tokens, a window of this model has {model.max_tokens}")
        self.model = model.to(device, getattr(torch, config.dtype))
        self.tokenizer, self.marks, self.config, self.device = tokenizer, tuple(marks), config, device

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: PuncConfig | None = None, device: str = "auto") -> "Punc":
        """The punctuation of a model directory or of a published name.

        The directory holds model.pth.tar, chinese-lert-base, out_dict and the vocabulary.

        Raises:
            ModelError: the directory is missing, incomplete or of another kind.
            OptionError: the overlap is wider than the model's windows.
        """
        directory = find_model(model_dir, PUBLISHED)
        model_files(directory, CHECKPOINT, BERT_CONFIG, TAGS, VOCABULARY)  # one message names all that are missing
        model = PuncBert.load(directory)
        tokenizer = PieceTokenizer.from_dir(directory)
        tags = [tag.strip() for tag in read_dict(directory / TAGS)]  # that of no mark is a space
        vocabulary = model.bert.config.vocab_size
        if len(tokenizer) != vocabulary:
            raise ModelError(f"{directory / VOCABULARY}: {len(tokenizer)} tokens, the model has {vocabulary}")
        if len(tags) != model.args.odim or tags[0]:
            raise ModelError(f"{directory / TAGS}: not <space> and then the model's {model.args.odim - 1} marks")
        return cls(model, tokenizer, tags, config or PuncConfig(), pick_device(device))

    @property
    def batch_size(self) -> int:
        """Tokens of a batch, padded to its longest text."""
        return self.config.batch_size

    def __call__(self, text: str, uttid: str = "") -> PuncResult:
        """The text with punctuation; an empty one stays empty."""
        (result,) = self.punctuate([text], [uttid])
        return result_of(result)

    def batch(
        self, texts: Iterable[str], uttids: Sequence[str] | None = None, *, progress: Progress | None = None
    ) -> list[Outcome[PuncResult]]:
        """Each text with punctuation, in input order; where one failed, its FireRedError in the result's place.

        Args:
            texts: as they were recognised.
            uttids: ids in the results.
            progress: called with the number of texts that are done, and of all.

        Raises:
            OptionError: this is no list of texts, or there are not as many ids.
        """
        listed = listed_texts(texts)
        if uttids is not None and len(uttids) != len(listed):
            raise OptionError(f"uttids: {len(uttids)} ids for {len(listed)} texts")
        pairs = list(zip(listed, _ids(uttids, listed), strict=True))
        return over_items(pairs, self._punctuate_pairs, _TEXTS_AT_ONCE, progress)

    def _punctuate_pairs(self, pairs: list[tuple[str, str]]) -> list[Outcome[PuncResult]]:
        return self.punctuate([text for text, _ in pairs], [uttid for _, uttid in pairs])

    def punctuate(self, texts: Sequence[str], uttids: Sequence[str] | None = None) -> list[Outcome[PuncResult]]:
        """Each text with punctuation, or what went wrong; in batches by length, which change no result."""
        need_texts(texts)
        given = [self._given(text) for text in texts]
        cut = self.tokenizer.cut(given)
        written = self._as_published if self.config.published else self._written
        return [
            probs if isinstance(probs, Exception) else PuncResult(uttid, text, written(own, pieces, probs))
            for uttid, text, own, pieces, probs in zip(
                _ids(uttids, texts), texts, given, cut, self._probs(cut), strict=True
            )
        ]

    def sentences(
        self,
        utterances: Sequence[Sequence[Word]],
        uttids: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> list[Outcome[PuncResult]]:
        """Sentences with times of each utterance's words, or what went wrong; marks only come between words.

        Args:
            utterances: the words of each.
            uttids: ids in the results.
            texts: what they are the words of, for what is between them: white space, and marks that are there already.
        """
        ids = _ids(uttids, utterances)
        if self.config.published:
            return self._sentences_as_published(utterances, ids)
        kept = [[word for word in words if self._given(word.text)] for words in utterances]
        origins = [join_texts(word.text for word in words) for words in kept] if texts is None else texts
        laid = [
            timed(
                [replace(word, text=self._given(word.text)) for word in words],
                None if texts is None else self._given(text),
            )
            for words, text in zip(kept, origins, strict=True)
        ]
        cut = self.tokenizer.cut([one.layout.text for one in laid])
        return [
            probs if isinstance(probs, Exception) else self._timed_result(uttid, origin, one, pieces, probs)
            for uttid, origin, one, pieces, probs in zip(ids, origins, laid, cut, self._probs(cut), strict=True)
        ]

    def _given(self, text: str) -> str:
        return " ".join((without_marks(text) if self.config.strip else text).split())

    def _written(self, text: str, pieces: Sequence[Piece], probs: np.ndarray) -> str:
        """The text with marks after its words."""
        layout = Layout(text)
        rows, _ = _at_ends(layout, pieces, probs)
        return "".join(layout.marked([self.marks[tag] for tag in rows.argmax(1)]))

    def _timed_result(
        self, uttid: str, origin: str, given: Timed, pieces: Sequence[Piece], probs: np.ndarray
    ) -> PuncResult:
        """A text's sentences, each of which ends with a mark that is put after a word or is there already."""
        rows, last_pieces = _at_ends(given.layout, pieces, probs)
        widths = [sentence_width(pieces[number].text) for number in last_pieces]
        ends = sentence_ends(rows, widths, self.config.sentence_max_length)
        written = given.layout.marked([self.marks[ends.get(number, 0)] for number in range(len(rows))])
        sentences = []
        first = 0
        for end in ends:
            text = "".join(written[first : end + 1]).strip()
            sentences.append(Sentence(text, given.times[first][0], given.times[end][1]))
            first = end + 1
        return PuncResult(uttid, origin, "".join(written), sentences)

    def _as_published(self, _: str, pieces: Sequence[Piece], probs: np.ndarray) -> str:
        # What comes after a part of a character has no place to be put in.
        tags = [int(tag) if piece.text else 0 for piece, tag in zip(pieces, probs.argmax(1), strict=True)]
        return self._text(pieces, tags)

    def _sentences_as_published(
        self, utterances: Sequence[Sequence[Word]], ids: Sequence[str]
    ) -> list[Outcome[PuncResult]]:
        cut = self._cut_words(utterances)
        probs = self._probs([[piece for _, pieces in words for piece in pieces] for words in cut])
        return [
            found if isinstance(found, Exception) else self._in_sentences(uttid, words, found)
            for uttid, words, found in zip(ids, cut, probs, strict=True)
        ]

    def _cut_words(self, utterances: Sequence[Sequence[Word]]) -> list[list[tuple[Word, list[Piece]]]]:
        """The words of each utterance with their pieces, each cut on its own; words without text are left out."""
        cut = iter(self.tokenizer.cut([self._given(word.text) for words in utterances for word in words]))
        pairs = [[(word, next(cut)) for word in words] for words in utterances]
        return [[(word, pieces) for word, pieces in words if pieces] for words in pairs]

    def _in_sentences(self, uttid: str, words: list[tuple[Word, list[Piece]]], probs: np.ndarray) -> PuncResult:
        last_pieces = np.cumsum([len(pieces) for _, pieces in words], dtype=int) - 1
        widths = [sentence_width(pieces[-1].text) for _, pieces in words]
        ends = sentence_ends(probs[last_pieces], widths, self.config.sentence_max_length)
        pieces = [piece for _, own in words for piece in own]
        tags = [0] * len(pieces)
        sentences = []
        first_word = first_piece = 0
        for end, tag in ends.items():
            end_piece = last_pieces[end] + 1
            tags[end_piece - 1] = tag
            text = self._text(pieces[first_piece:end_piece], tags[first_piece:end_piece])
            sentences.append(Sentence(text, words[first_word][0].start_s, words[end][0].end_s))
            first_word, first_piece = end + 1, end_piece
        origin = join_texts(word.text for word, _ in words)
        return PuncResult(uttid, origin, self._text(pieces, tags), sentences)

    def _text(self, pieces: Sequence[Piece], tags: Sequence[int]) -> str:
        return rule_fix(build_text(pieces, [self.marks[tag] for tag in tags]))

    def _probs(self, texts: Sequence[Sequence[Piece]]) -> list[Outcome[np.ndarray]]:
        """Probabilities (L, tags) of the tags after each of a text's L pieces."""
        split = [token_windows(len(pieces), self.model.max_tokens, self.config.overlap) for pieces in texts]
        rows = [
            [piece.id for piece in pieces[window.start : window.end]]
            for pieces, own in zip(texts, split, strict=True)
            for window in own
        ]
        found: dict[int, Outcome[np.ndarray]] = {}
        for batch in plan([(number, 1 + len(row)) for number, row in enumerate(rows)], self.config.batch_size):
            found.update(zip(batch, run_batch([rows[number] for number in batch], self._predict), strict=True))
        outcomes = iter([found[number] for number in range(len(rows))])
        return [self._joined(own, [next(outcomes) for _ in own]) for own in split]

    def _joined(self, own: list[Window], outcomes: list[Outcome[np.ndarray]]) -> Outcome[np.ndarray]:
        """A text's probabilities from those of its windows."""
        taken: list[np.ndarray] = []
        for window, outcome in zip(own, outcomes, strict=True):
            if isinstance(outcome, Exception):
                return outcome
            taken.append(outcome[window.first - window.start : window.last - window.start])
        return np.concatenate(taken) if taken else np.zeros((0, len(self.marks)), np.float32)

    @torch.inference_mode()
    def _predict(self, rows: list[list[int]]) -> list[np.ndarray]:
        """Probabilities (L, tags) for token ids of different lengths, [CLS] put in front of each."""
        lengths = torch.tensor([1 + len(row) for row in rows])
        mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        ids = torch.zeros_like(mask)  # (N, L)
        for row, given in zip(ids, rows, strict=True):
            row[: 1 + len(given)] = torch.tensor([self.model.args.cls_id, *given])
        logits = self.model(ids.to(self.device), mask.to(self.device))
        probs = logits.float().softmax(-1).cpu().numpy()
        if not np.isfinite(probs[mask.bool().numpy()]).all():
            raise NoNumbersError
        return [padded[1 : 1 + len(row)] for padded, row in zip(probs, rows, strict=True)]


def token_windows(length: int, size: int, overlap: int) -> list[Window]:
    """Windows of at most `size` tokens over `length` that share `overlap`, with the tokens each is to predict.

    Those that two windows share are predicted where they are farther from the window's edge.
    """
    starts = range(0, max(length - overlap, min(length, 1)), size - overlap)
    firsts = [start + overlap // 2 if start else 0 for start in starts]
    lasts = [*firsts, length][1:]
    return [Window(s, min(s + size, length), first, last) for s, first, last in zip(starts, firsts, lasts, strict=True)]


def _at_ends(layout: Layout, pieces: Sequence[Piece], probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (S, tags) of the tags after each of a text's stretches, and the numbers (S,) of their last tokens.

    After a mark of the text's own a mark is certain, where none may be added none is.
    """
    written = np.cumsum([not character.isspace() for character in layout.text], dtype=int)
    lasts = [max(0, stretch.last - 1) for stretch in layout.stretches]
    ends = np.cumsum([len(piece.text) for piece in pieces], dtype=int)
    last_pieces = np.searchsorted(ends, written[lasts]) if lasts else np.zeros(0, int)
    rows = probs[last_pieces].copy()
    for row, stretch in zip(rows, layout.stretches, strict=True):
        if stretch.closed:
            row[:] = 0
            row[int(stretch.pauses)] = 1
    return rows, last_pieces


def _ids(uttids: Sequence[str] | None, texts: Sequence) -> Sequence[str]:
    return [""] * len(texts) if uttids is None else uttids
