"""What is known of an utterance that Fun-ASR-Nano is trained on, from the tables of its data directory."""

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from firered.data.datadir import DataDir
from firered.data.hotwords import TABLES
from firered.data.utterance import Utterance
from firered.errors import DataError, Problem
from firered.hotwords.lists import HotwordList
from firered.punc.text import bare
from firered.results import Word
from firered.runs.ctm import utterance_words
from firered.runs.hotwords import lists_of
from firered.runs.inputs import Inputs
from firered.text.languages import CHINESE_NAME, code_of
from firered.train.data.ask_config import GrowingConfig, KnownConfig
from firered.train.data.config import FunAsrDataConfig
from firered.train.data.fun_asr import Line
from firered.train.data.growing import word_ends
from firered.train.data.text import KEYWORDS, phrases, rows_of, table_of, why_not
from firered.train.data.transcribed import Targets
from firered.train.rewards.reward import Wanted

log = logging.getLogger(__name__)

MESSAGES = "messages.jsonl"  # of a data directory: lines of published training data with their `uttid`
CONTEXTS = "contexts.jsonl"  # of firered-context
_YES, _NO, _IRRELEVANT = "yes", "no", "irrelevant"


@dataclass(frozen=True)
class Asked:
    """What is known of an utterance.

    Attributes:
        key: its id.
        text: to be written.
        language: code of one that a prompt can name; None: unknown.
        itn: whether numbers and marks in it are as usual in writing; None: as the settings say.
        line: of published training data, whose instruction is used as it is.
        history: what was said before it.
        one_pass: what a first pass reads in it.
        hotwords: of its list, or its keywords.
        contexts: texts that were written for it.
        foreign: texts that were written for others and chosen for it.
        wanted: what rewards compare with; None: there are none.
        ends: places in the text after each word, and when it ends in seconds; none: not known.
    """

    key: str
    text: str
    language: str | None = None
    itn: bool | None = None
    line: Line | None = None
    history: str = ""
    one_pass: str = ""
    hotwords: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    wanted: Wanted | None = None
    ends: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Wish:
    """What is to be read beside texts and languages: context and times, as far as their shares are above 0."""

    known: KnownConfig = field(default_factory=KnownConfig)
    growing: GrowingConfig = field(default_factory=GrowingConfig)


def asked_of(paths: str, utterances: Sequence[Utterance], left_out: list[Problem], wish: Wish) -> dict[str, Asked]:
    """What data directories say of their utterances, by id; those that cannot be used go to `left_out`.

    Raises:
        DataError: a directory has neither `text` nor `messages.jsonl`, or a list of hotwords cannot be read.
    """
    lines = lines_of(paths, left_out)
    of_text = " ".join(path for path in paths.split() if not (Path(path) / MESSAGES).is_file())
    texts = table_of(of_text, "text", left_out) | {key: line.text for key, line in lines.items()}
    languages, itn = (rows_of(paths, name, left_out) for name in ("utt2lang", "utt2itn"))
    known = _Known.read(paths, utterances, texts, wish.known, left_out) if wish.known.share else _Known()
    ends = _word_ends(paths, utterances, texts, wish.growing.alignment) if wish.growing.share else {}
    found: dict[str, Asked] = {}
    for key in (utterance.id for utterance in utterances):
        if key not in texts:
            left_out.append(Problem(key, "not in text"))
        elif itn.get(key, _YES) not in (_YES, _NO):
            left_out.append(Problem(key, f"utt2itn: {itn[key]!r} is not {_YES} or {_NO}"))
        else:
            code = code_of(languages.get(key, ""))
            found[key] = Asked(
                key=key,
                text=texts[key],
                language=code if code in CHINESE_NAME else None,
                itn=itn[key] == _YES if key in itn else None,
                line=lines.get(key),
                history=known.history.get(key, ""),
                one_pass=known.one_pass.get(key, ""),
                hotwords=known.hotwords.get(key, ()),
                contexts=known.contexts.get(key, ()),
                foreign=known.foreign.get(key, ()),
                ends=ends.get(key, ()),
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


@dataclass
class _Known:
    """What is known of utterances beforehand, by id."""

    history: dict[str, str] = field(default_factory=dict)
    one_pass: dict[str, str] = field(default_factory=dict)
    hotwords: dict[str, tuple[str, ...]] = field(default_factory=dict)
    contexts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    foreign: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        paths: str,
        utterances: Sequence[Utterance],
        texts: Mapping[str, str],
        config: KnownConfig,
        left_out: list[Problem],
    ) -> "_Known":
        """What the directories have of it."""
        said = {key: phrases(value) for key, value in rows_of(paths, KEYWORDS, left_out).items()}
        found = cls(
            history=_before(utterances, texts, config.previous_gap) | rows_of(paths, "previous", left_out),
            one_pass=rows_of(paths, "one_pass", left_out),
            hotwords=said | _lists(paths, utterances),
        )
        for path in paths.split():
            for key, lines in (DataDir(Path(path), left_out).lines(CONTEXTS) or {}).items():
                kinds: dict[bool, list[str]] = defaultdict(list)
                for line in map(json.loads, lines):
                    kinds[line.get("kind") == _IRRELEVANT].append(str(line.get("text", "")))
                found.contexts[key], found.foreign[key] = tuple(kinds[False]), tuple(kinds[True])
        return found


def _before(utterances: Iterable[Utterance], texts: Mapping[str, str], gap_s: float) -> dict[str, str]:
    """The text of the segment before each in the same recording, where that ended so many seconds ago at most."""
    cut: dict[tuple[str, str], list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        if utterance.id != utterance.recording:
            cut[utterance.recording, utterance.rxfilename].append(utterance)
    found = {}
    for own in cut.values():
        for before, after in pairwise(sorted(own, key=lambda one: one.start_s)):
            if after.start_s - before.end_s <= gap_s and texts.get(before.id):
                found[after.id] = texts[before.id]
    return found


def _lists(paths: str, utterances: Sequence[Utterance]) -> dict[str, tuple[str, ...]]:
    """The hotwords of each utterance that a list is named for."""
    found: dict[str, tuple[str, ...]] = {}
    same: dict[HotwordList, tuple[str, ...]] = {}  # many utterances have one list
    for path in map(Path, paths.split()):
        if any((path / name).is_file() for name in TABLES):
            data = DataDir(path, [])
            there = set(data.utterances())
            lists = lists_of(Inputs([own for own in utterances if own.id in there], [], data))
            found |= {key: same.setdefault(own, tuple(own.texts)) for key, own in lists.items()}
    return found


def _word_ends(
    paths: str, utterances: Sequence[Utterance], texts: Mapping[str, str], name: str
) -> dict[str, tuple[tuple[int, float], ...]]:
    """Where the words of utterances end in text and audio, by the alignments that directories have."""
    found: dict[str, tuple[tuple[int, float], ...]] = {}
    starts = {utterance.id: utterance.start_s for utterance in utterances}
    for path in map(Path, paths.split()):
        if not (path / name).is_file():
            log.info("%s: no %s, so texts of streams are cut by the share of the audio", path, name)
            continue
        data = DataDir(path, [])
        own = {key: texts[key] for key in data.utterances() if key in texts and key in starts}
        timed = utterance_words(path / name, own, data, [])
        if timed.reasons:
            key, reason = next(iter(timed.reasons.items()))
            log.warning("%s: %d texts are cut by the share of the audio: %s: %s", path, len(timed.reasons), key, reason)
        for key, words in timed.words.items():
            moved = [Word(word.text, word.start_s, word.end_s - starts[key]) for word in words]
            found[key] = word_ends(own[key], moved, bare)
    return found


def targets_of(data: FunAsrDataConfig, ids_of: Callable[[str], list[int]], wish: Wish) -> Targets:
    """A function from utterances to what is known of them, with a text that is neither empty nor too long.

    Args:
        data: section `data`.
        ids_of: a text's tokens.
        wish: what is to be read beside it; the times of words of the training set alone.
    """

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, Asked]:
        found = {}
        own_wish = wish if what == "train" else Wish(wish.known)
        for key, own in asked_of(getattr(data, what), utterances, left_out, own_wish).items():
            if reason := why_not(own.text, ids_of(own.text), data):
                left_out.append(Problem(key, reason))
            else:
                found[key] = own
        return found

    return targets


def ctc_targets_of(data: FunAsrDataConfig, ids_of: Callable[[str], list[int]]) -> Targets:
    """A function from utterances to the tokens of their texts; see `targets_of`."""
    asked = targets_of(data, ids_of, Wish())

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, list[int]]:
        return {key: ids_of(own.text) for key, own in asked(utterances, what, left_out).items()}

    return targets
