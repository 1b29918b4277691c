"""Punctuation with the released model: `Punc`."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from firered.errors import ModelError, OptionError, result_of
from firered.models.checkpoint import model_files, pick_device
from firered.models.punc_bert import BERT_CONFIG, PuncBert
from firered.pretrained import CHECKPOINT
from firered.punc.config import PuncConfig
from firered.punc.text import build_text, rule_fix, sentence_ends, strip_marks, width
from firered.punc.tokens import VOCABULARY, Piece, PieceTokenizer
from firered.results import PuncResult, Sentence, Word
from firered.runtime.batches import plan, run_batch
from firered.text.joining import join_texts
from firered.text.tokenizer import read_dict

TAGS = "out_dict"


class Window(NamedTuple):
    """Tokens [start, end) go through the model together; the predictions of [first, last) are taken from there."""

    start: int
    end: int
    first: int
    last: int


class Punc:
    """Commas, full stops, question and exclamation marks for recognised text."""

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
        """The punctuation of a published model directory (model.pth.tar, chinese-lert-base, out_dict, vocabulary).

        Raises:
            ModelError: the directory is incomplete or of another kind.
            OptionError: the overlap is wider than the model's windows.
        """
        directory = Path(model_dir)
        model_files(directory, CHECKPOINT, BERT_CONFIG, TAGS, VOCABULARY)  # names all that are missing at once
        model = PuncBert.load(directory)
        tokenizer = PieceTokenizer.from_dir(directory)
        tags = [tag.strip() for tag in read_dict(directory / TAGS)]  # that of no mark is a space
        vocabulary = model.bert.config.vocab_size
        if len(tokenizer) != vocabulary:
            raise ModelError(f"{directory / VOCABULARY}: {len(tokenizer)} tokens, the model has {vocabulary}")
        if len(tags) != model.args.odim or tags[0]:
            raise ModelError(f"{directory / TAGS}: not <space> and then the model's {model.args.odim - 1} marks")
        return cls(model, tokenizer, tags, config or PuncConfig(), pick_device(device))

    def __call__(self, text: str, uttid: str = "") -> PuncResult:
        """The text with punctuation; an empty one stays empty."""
        (result,) = self.punctuate([text], [uttid])
        return result_of(result)

    def punctuate(self, texts: Sequence[str], uttids: Sequence[str] | None = None) -> list[PuncResult | Exception]:
        """Each text with punctuation, or what went wrong; batched by length, alone what they are in company."""
        cut = self.tokenizer.cut([self._given(text) for text in texts])
        results: list[PuncResult | Exception] = []
        for uttid, text, pieces, probs in zip(_ids(uttids, texts), texts, cut, self._probs(cut), strict=True):
            if isinstance(probs, Exception):
                results.append(probs)
                continue
            # What comes after a part of a character has no place to be put in.
            tags = [int(tag) if piece.text else 0 for piece, tag in zip(pieces, probs.argmax(1), strict=True)]
            results.append(PuncResult(uttid, text, self._text(pieces, tags)))
        return results

    def sentences(
        self, utterances: Sequence[Sequence[Word]], uttids: Sequence[str] | None = None
    ) -> list[PuncResult | Exception]:
        """Sentences with times of each utterance's words, or what went wrong; marks only come between words."""
        cut = self._cut_words(utterances)
        probs = self._probs([[piece for _, pieces in words for piece in pieces] for words in cut])
        ids = _ids(uttids, utterances)
        return [
            found if isinstance(found, Exception) else self._in_sentences(uttid, words, found)
            for uttid, words, found in zip(ids, cut, probs, strict=True)
        ]

    def _given(self, text: str) -> str:
        return strip_marks(text) if self.config.strip else text

    def _cut_words(self, utterances: Sequence[Sequence[Word]]) -> list[list[tuple[Word, list[Piece]]]]:
        """The words of each utterance with their pieces, each cut on its own; words without text are left out."""
        cut = iter(self.tokenizer.cut([self._given(word.text) for words in utterances for word in words]))
        pairs = [[(word, next(cut)) for word in words] for words in utterances]
        return [[(word, pieces) for word, pieces in words if pieces] for words in pairs]

    def _in_sentences(self, uttid: str, words: list[tuple[Word, list[Piece]]], probs: np.ndarray) -> PuncResult:
        last_pieces = np.cumsum([len(pieces) for _, pieces in words], dtype=int) - 1
        widths = [width(pieces[-1].text) for _, pieces in words]
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

    def _probs(self, texts: Sequence[Sequence[Piece]]) -> list[np.ndarray | Exception]:
        """Probabilities (L, tags) of the tags after each of a text's L pieces."""
        split = [token_windows(len(pieces), self.model.max_tokens, self.config.overlap) for pieces in texts]
        rows = [
            [piece.id for piece in pieces[window.start : window.end]]
            for pieces, own in zip(texts, split, strict=True)
            for window in own
        ]
        found: dict[int, np.ndarray | Exception] = {}
        for batch in plan([(number, 1 + len(row)) for number, row in enumerate(rows)], self.config.batch_size):
            found.update(zip(batch, run_batch([rows[number] for number in batch], self._predict), strict=True))
        outcomes = iter([found[number] for number in range(len(rows))])
        return [self._joined(own, [next(outcomes) for _ in own]) for own in split]

    def _joined(self, own: list[Window], outcomes: list[np.ndarray | Exception]) -> np.ndarray | Exception:
        """A text's probabilities from those of its windows."""
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                return outcome
        taken = [probs[w.first - w.start : w.last - w.start] for w, probs in zip(own, outcomes, strict=True)]
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
        return [one[1 : 1 + len(row)] for one, row in zip(probs, rows, strict=True)]


def token_windows(length: int, size: int, overlap: int) -> list[Window]:
    """Windows of at most `size` tokens over `length` that share `overlap`, with the tokens each is to predict.

    Those that two windows share are predicted where they are farther from the window's edge.
    """
    starts = range(0, max(length - overlap, min(length, 1)), size - overlap)
    firsts = [start + overlap // 2 if start else 0 for start in starts]
    lasts = [*firsts, length][1:]
    return [Window(s, min(s + size, length), first, last) for s, first, last in zip(starts, firsts, lasts, strict=True)]


def _ids(uttids: Sequence[str] | None, texts: Sequence) -> Sequence[str]:
    return [""] * len(texts) if uttids is None else uttids
