"""What is known of an utterance that Fun-ASR-Nano is trained on, from the tables of its data directory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from firered.data.datadir import DataDir
from firered.data.utterance import Utterance
from firered.errors import DataError, Problem
from firered.text.languages import CHINESE_NAME, code_of
from firered.train.data.config import FunAsrDataConfig
from firered.train.data.fun_asr import Line
from firered.train.data.text import rows_of, table_of, why_not
from firered.train.data.transcribed import Targets

MESSAGES = "messages.jsonl"  # of a data directory: lines of published training data with their `uttid`
_YES, _NO = "yes", "no"


@dataclass(frozen=True)
class Asked:
    """What is known of an utterance.

    Attributes:
        text: to be written.
        language: code of one that a prompt can name; None: unknown.
        itn: whether numbers and marks in it are as usual in writing; None: as the settings say.
        line: of published training data, whose instruction is used as it is.
    """

    text: str
    language: str | None = None
    itn: bool | None = None
    line: Line | None = None


def asked_of(paths: str, utterances: Sequence[Utterance], left_out: list[Problem]) -> dict[str, Asked]:
    """What data directories say of their utterances, by id; those that cannot be used go to `left_out`.

    Raises:
        DataError: a directory has neither `text` nor `messages.jsonl`.
    """
    lines = lines_of(paths, left_out)
    of_text = " ".join(path for path in paths.split() if not (Path(path) / MESSAGES).is_file())
    texts = table_of(of_text, "text", left_out)
    languages, itn = (rows_of(paths, name, left_out) for name in ("utt2lang", "utt2itn"))
    found: dict[str, Asked] = {}
    for key in (utterance.id for utterance in utterances):
        line = lines.get(key)
        if line is None and key not in texts:
            left_out.append(Problem(key, "not in text"))
        elif itn.get(key, _YES) not in (_YES, _NO):
            left_out.append(Problem(key, f"utt2itn: {itn[key]!r} is not {_YES} or {_NO}"))
        else:
            code = code_of(languages.get(key, ""))
            found[key] = Asked(
                text=texts[key] if line is None else line.text,
                language=code if code in CHINESE_NAME else None,
                itn=itn[key] == _YES if key in itn else None,
                line=line,
            )
    return found


def lines_of(paths: str, left_out: list[Problem]) -> dict[str, Line]:
    """The published lines of data directories by utterance; lines that are none go to `left_out`."""
    found: dict[str, Line] = {}
    for path in paths.split():
        for key, lines in (DataDir(Path(path), left_out).lines(MESSAGES) or {}).items():
            try:
                found[key] = Line.parse(lines[0], f"{path}/{MESSAGES}: {key}")
            except DataError as error:
                left_out.append(Problem(key, str(error)))
    return found


def targets_of(data: FunAsrDataConfig, ids_of: Callable[[str], list[int]]) -> Targets:
    """A function from utterances to what is known of them, with a text that is neither empty nor too long.

    Args:
        data: section `data`.
        ids_of: a text's tokens.
    """

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, Asked]:
        found = {}
        for key, own in asked_of(getattr(data, what), utterances, left_out).items():
            if reason := why_not(own.text, ids_of(own.text), data):
                left_out.append(Problem(key, reason))
            else:
                found[key] = own
        return found

    return targets


def ctc_targets_of(data: FunAsrDataConfig, ids_of: Callable[[str], list[int]]) -> Targets:
    """A function from utterances to the tokens of their texts; see `targets_of`."""
    asked = targets_of(data, ids_of)

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, list[int]]:
        return {key: ids_of(own.text) for key, own in asked(utterances, what, left_out).items()}

    return targets
