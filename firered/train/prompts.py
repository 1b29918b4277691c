"""firered-rl-data: the utterances that reinforcement learning is to learn from (FunAudio-ASR report, section 4.4.3)."""

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from firered.data.datadir import DataDir, write_table
from firered.data.lines import read_lines
from firered.data.partition import subset
from firered.errors import DataError, OptionError
from firered.options import write_settings
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import Side, read_text
from firered.scoring.metrics.error_rate import align_texts
from firered.scoring.metrics.hotwords import Phrases
from firered.train.data.rl_config import PromptConfig
from firered.train.data.text import KEYWORDS, SEPARATOR, phrases
from firered.train.rewards.hallucination import Hallucination
from firered.train.rewards.reward import Wanted, rule

log = logging.getLogger(__name__)

REASONS = ("hard", "hallucination", "keywords", "long", "regular")
_MORE = 3  # tokens by which a text is too long at least

Texts = Mapping[str, str]


@dataclass(frozen=True)
class Utterances:
    """What is known of utterances, all by id.

    `references` are transcripts, or what the other systems agree on; `keywords` are those that DATA gives or that are
    in the list, of utterances that have some.
    """

    references: Texts
    ours: Texts
    others: Sequence[Texts]
    languages: Texts
    seconds: Mapping[str, float]
    keywords: Mapping[str, tuple[str, ...]]


def choose_prompts(data: Path, ours: Path, out: Path, config: PromptConfig) -> int:
    """Write a data directory of the chosen utterances: their text, `utt2reason` and `keywords`. The exit status.

    Raises:
        DataError: something cannot be read, or nothing is chosen.
        OptionError: there is no transcript, and no two other systems that could agree on one.
    """
    if out.resolve() in (data.resolve(), ours.resolve()):
        raise OptionError(f"{out}: is what is read; give another folder to write")
    source = DataDir(data)
    known = _read(source, ours, config)
    by_reason = candidates(known, config)
    reasons = chosen(by_reason, config.each, config.seed)
    if not reasons:
        raise DataError(f"{data}: no utterance has a transcript, or one that the other systems agree on")
    subset(source, sorted(reasons), out)
    write_table(out / "text", {key: known.references[key] for key in reasons})
    write_table(out / "utt2reason", reasons)
    write_table(out / KEYWORDS, {k: f"{SEPARATOR} ".join(v) for k, v in known.keywords.items() if k in reasons})
    write_settings(out / "config.yaml", "firered-rl-data", config)
    for reason in REASONS:
        count = sum(own == reason for own in reasons.values())
        log.info("%s: %d utterances, of %d that fit", reason, count, len(by_reason[reason]))
    log.info("%s: %d utterances", out, len(reasons))
    return 0


def _read(source: DataDir, path: Path, config: PromptConfig) -> Utterances:
    ours, others = read_text(path, False).table, [dict(read_text(Path(other), False).table) for other in config.other]
    keys = source.utterances()
    if strangers := sorted(ours.keys() - set(keys)):
        log.warning("%s: %d utterances are not in %s, such as %s", path, len(strangers), source.path, strangers[0])
    if missing := [key for key in keys if key not in ours]:
        log.warning("%s: nothing for %d utterances, such as %s", path, len(missing), missing[0])
    references = source.text
    if references is None:
        if len(others) < 2:
            raise OptionError(f"{source.path}: has no text; --other of two systems at least could agree on one")
        agreed = _agreed(others, _languages(source, others[0]), config.agree)
        references = {key: text for key, text in others[0].items() if key in agreed}
        log.info("%s: no text; %d utterances have one that the others agree on", source.path, len(references))
    references = {key: references[key] for key in keys if key in references}
    languages = _languages(source, references)
    keywords = _keywords(source, references, languages, config.keywords)
    return Utterances(references, ours, others, languages, source.durations(), keywords)


def _languages(source: DataDir, texts: Texts) -> dict[str, str]:
    return languages_of(Side(source.path, dict(texts), source))


def _keywords(source: DataDir, references: Texts, languages: Texts, path: str) -> dict[str, tuple[str, ...]]:
    """Keywords of each utterance: those that it is given, and those of the list that its reference has."""
    given = source.table(KEYWORDS) or {}
    listed = [" ".join(line.split()) for _, line in read_lines(Path(path))] if path else []
    by_language = {
        language: Phrases({phrase: rule()(phrase, language) for phrase in listed if phrase})
        for language in set(languages.values())
    }
    found = {}
    for key, text in references.items():
        said = by_language[languages[key]].find(rule()(text, languages[key])) if listed else []
        own = dict.fromkeys([*phrases(given.get(key, "")), *(occurrence.phrase for occurrence in said)])
        if own:
            found[key] = tuple(own)
    return found


def candidates(known: Utterances, config: PromptConfig) -> dict[str, set[str]]:
    """The utterances that fit each reason; one may fit several."""
    wanted = {
        "hard": _hard(known, config),
        "hallucination": _hallucinating(known, config.too_long),
        "keywords": set(known.keywords),
        "long": {key for key, seconds in known.seconds.items() if seconds > config.long_seconds},
        "regular": set(known.references),
    }
    return {reason: keys & known.references.keys() for reason, keys in wanted.items()}


def _hard(known: Utterances, config: PromptConfig) -> set[str]:
    """Those of which the other systems, two at least, say the same and ours says something else."""
    if len(known.others) < 2:
        return set()
    keys = _agreed(known.others, known.languages, config.agree) & known.ours.keys()
    for other in known.others:
        apart = error_rates(other, known.ours, known.languages, keys)
        keys = {key for key in keys if apart[key] > config.differ}
    return keys


def _agreed(others: Sequence[Texts], languages: Texts, agree: float) -> set[str]:
    keys = set.intersection(*(set(other) for other in others))
    for one, other in combinations(others, 2):
        apart = error_rates(one, other, languages, keys)
        keys = {key for key in keys if apart[key] < agree}
    return keys


def error_rates(references: Texts, hypotheses: Texts, languages: Texts, keys: Collection[str]) -> dict[str, float]:
    """The error rate of each utterance in percent; infinite where the reference is empty and the hypothesis is not."""
    one, other = ({key: texts[key] for key in keys} for texts in (references, hypotheses))
    rates = {}
    for aligned in align_texts(one, other, rule(), languages):
        rate = aligned.counts.rate
        rates[aligned.key] = rate if rate is not None else math.inf if aligned.counts.errors else 0.0
    return rates


def _hallucinating(known: Utterances, too_long: float) -> set[str]:
    """Those whose text is far too long or repeats itself, and those whose reference truly looks so."""
    invented, found = Hallucination(), set()
    for key, reference in known.references.items():
        language, text = known.languages.get(key, ""), known.ours.get(key, "")
        length, most = len(rule()(text, language)), len(rule()(reference, language))
        runs_on = length > too_long * most and length > most + _MORE
        invents = invented.spans(text, Wanted(reference, language))
        if runs_on or invents or invented.spans(reference, Wanted("", language)):
            found.add(key)
    return found


def chosen(by_reason: Mapping[str, set[str]], each: int, seed: int) -> dict[str, str]:
    """The reason of each chosen utterance.

    An utterance is chosen once. Reasons that fewer fit choose first, and `regular`, which all fit, last.
    """
    order = sorted(REASONS[:-1], key=lambda reason: (len(by_reason[reason]), reason))
    rng = np.random.default_rng(seed)
    reasons: dict[str, str] = {}
    for reason in (*order, REASONS[-1]):
        left = sorted(by_reason[reason] - reasons.keys())
        for place in rng.permutation(len(left))[:each].tolist():
            reasons[left[place]] = reason
    return reasons
