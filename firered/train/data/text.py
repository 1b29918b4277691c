"""Text of the training data as token ids, and sentences as a corpus of their own."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from firered.data.datadir import DataDir
from firered.data.lines import read_lines
from firered.data.utterance import Utterance
from firered.errors import DataError, OptionError, Problem
from firered.text.tokenizer import EOS_ID, PAD_ID, SOS_ID, UNK_ID, Tokenizer
from firered.train.data.batch import NO_TARGET, Batch
from firered.train.data.config import LlmDataConfig, TokenDataConfig

log = logging.getLogger(__name__)

KEYWORDS = "keywords"  # table of a data directory: an utterance's keywords between semicolons
SEPARATOR = ";"


def table_of(paths: str, name: str, left_out: list[Problem] | None) -> dict[str, str]:
    """Rows of the file `name` of data directories; lines that cannot be used go to `left_out`, or are errors.

    Raises:
        DataError: a directory has no such file.
    """
    rows: dict[str, str] = {}
    for path in paths.split():
        table = DataDir(Path(path), left_out).table(name)
        if table is None:
            raise DataError(f"{path}: no {name} here")
        rows |= table
    return rows


def rows_of(paths: str, name: str, left_out: list[Problem] | None) -> dict[str, str]:
    """The same of a file that a directory need not have."""
    rows: dict[str, str] = {}
    for path in paths.split():
        rows |= DataDir(Path(path), left_out).table(name) or {}
    return rows


def phrases(value: str) -> tuple[str, ...]:
    """The keywords of a row of `keywords`."""
    return tuple(phrase for part in value.split(SEPARATOR) if (phrase := " ".join(part.split())))


def sentences_of(paths: str, what: str, left_out: list[Problem] | None = None) -> dict[str, str]:
    """Texts by id: the `text` of data directories, and the lines of plain text files, named `file:line`.

    Lines that cannot be used go to `left_out`, or are errors; empty lines of plain text are no texts.

    Raises:
        OptionError: nothing is given.
        DataError: something is not there, or not UTF-8.
    """
    if not paths.split():
        raise OptionError(f"data.{what}: no data directory and no text file given")
    found: dict[str, str] = {}
    for path in map(Path, paths.split()):
        if path.is_dir():
            found |= table_of(str(path), "text", left_out)
            continue
        found |= {f"{path.name}:{number}": line.strip() for number, line in read_lines(path) if line.strip()}
    return found


def why_not(text: str, ids: Sequence[int], config: TokenDataConfig | LlmDataConfig) -> str:
    """Why a transcript is not trained on; empty if it is."""
    if not ids and config.empty == "skip":
        what = f"nothing to say in {text!r}" if text.strip() else "an empty transcript"
        return f"{what} (data.empty: non_speech trains on it)"
    if len(ids) > config.max_tokens:
        return f"too long: {len(ids)} tokens, max_tokens is {config.max_tokens}"
    return ""


class TokenTargets:
    """Token ids of texts, with the rules for texts that are too long or have unknown characters."""

    def __init__(self, tokenizer: Tokenizer, config: TokenDataConfig, left_out: list[Problem]) -> None:
        self._tokenizer, self._config, self._left_out = tokenizer, config, left_out
        self._unknown: Counter[str] = Counter()
        self._texts = 0

    def ids(self, key: str, text: str) -> list[int] | None:
        """Ids of a text; None where it is skipped.

        Raises:
            DataError: it has characters outside the dictionary, and `unknown` is refuse.
        """
        tokens, ids = self._tokenizer.tokenize(text)
        unknown = [token for token, number in zip(tokens, ids, strict=True) if number == UNK_ID]
        if unknown and self._config.unknown == "refuse":
            raise DataError(
                f"{key}: {' '.join(unknown)} not in {self._tokenizer.source} (data.unknown: unk trains on <unk>, skip "
                "skips such texts)"
            )
        self._unknown.update(unknown)
        self._texts += bool(unknown)
        if unknown and self._config.unknown == "skip":
            self._left_out.append(Problem(key, f"not in the dictionary: {' '.join(unknown)}"))
            return None
        if reason := why_not(text, ids, self._config):
            self._left_out.append(Problem(key, reason))
            return None
        return ids

    def log_unknown(self, what: str) -> None:
        """Log how many texts had characters outside the dictionary."""
        if self._texts:
            often = " ".join(f"{token} ({count})" for token, count in self._unknown.most_common(10))
            fate = "skipped" if self._config.unknown == "skip" else "trained on as <unk>"
            log.warning("%s: %d texts with tokens outside the dictionary, %s: %s", what, self._texts, fate, often)


def transcripts(
    utterances: Sequence[Utterance], texts: dict[str, str], targets: TokenTargets, what: str, left_out: list[Problem]
) -> dict[str, list[int]]:
    """Token ids of the utterances that have a usable transcript."""
    found: dict[str, list[int]] = {}
    for utterance in utterances:
        if utterance.id not in texts:
            left_out.append(Problem(utterance.id, "not in text"))
        elif (ids := targets.ids(utterance.id, texts[utterance.id])) is not None:
            found[utterance.id] = ids
    targets.log_unknown(what)
    return found


def teacher_forcing(sequences: Iterable[Sequence[int]]) -> dict[str, Tensor]:
    """`tokens` (N, U) from sos on, padded with pad, and `targets` (N, U) up to eos, padded with NO_TARGET."""
    sequences = [list(ids) for ids in sequences]
    tokens = [torch.tensor([SOS_ID, *ids]) for ids in sequences]
    targets = [torch.tensor([*ids, EOS_ID]) for ids in sequences]
    return {
        "tokens": pad_sequence(tokens, batch_first=True, padding_value=PAD_ID),
        "targets": pad_sequence(targets, batch_first=True, padding_value=NO_TARGET),
    }


class SentenceCorpus:
    """Token sequences, each between sos and eos."""

    sampling = None

    def __init__(self, sequences: dict[str, list[int]]) -> None:
        self.keys = list(sequences)
        self._sequences = list(sequences.values())
        self._sizes = np.array([len(ids) + 1 for ids in self._sequences], np.int64)

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) numbers of tokens, eos included."""
        return self._sizes

    def item(self, index: int, epoch: int | None) -> Any:  # noqa: ANN401 - what `collate` takes
        """Id and token ids."""
        return self.keys[index], self._sequences[index]

    def collate(self, items: list[tuple[str, list[int]]]) -> Batch:
        """Padded inputs and targets."""
        sequences = [ids for _, ids in items]
        return Batch([key for key, _ in items], teacher_forcing(sequences), sum(len(ids) + 1 for ids in sequences))
