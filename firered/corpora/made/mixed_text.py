"""firered-mixed-text: sentences that mix two languages (FunAudio-ASR report, section 5.4)."""

import logging
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firered.corpora.made.asking import deciding, note_all
from firered.corpora.made.endpoint import Endpoint, EndpointError
from firered.corpora.made.keywords import holds
from firered.corpora.made.mixed_config import ENDPOINT, MixedTextConfig
from firered.data.datadir import write_table
from firered.data.lines import read_lines
from firered.data.utterance import Utterance
from firered.errors import DataError
from firered.options import write_settings
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs
from firered.runs.journal import Run
from firered.train.data.text import KEYWORDS, SEPARATOR

log = logging.getLogger(__name__)

Writer = Callable[[str, Sequence[str]], str]

TRAIN, TEST = "train", "test"
_PLACE = "{}"
_BEFORE_MARKS = re.compile(r" (?=[，。？！、；：]|[,.?!;:](?: |$))")
_INSTRUCTION = (
    "You write sentences for speech recognition, as people say them who mix languages. You are given phrases. Write "
    "one sentence of 8 to 30 words in {language} that uses all of them, exactly as they are written and not "
    "translated. Answer with the sentence and nothing else."
)


def read_phrases(path: Path) -> dict[str, list[str]]:
    """The phrases of each domain.

    Args:
        path: lines `DOMAIN<tab>PHRASE`.

    Raises:
        DataError: a line is none, or there are none.
    """
    found: dict[str, dict[str, None]] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        domain, _, phrase = line.partition("\t")
        if not domain.split() or len(domain.split()) > 1 or not phrase.strip():
            raise DataError(f"{path}, line {number}: expected a domain (a word), a tab and a phrase: {line[:60]!r}")
        found.setdefault(domain.strip(), {})[" ".join(phrase.split())] = None
    if not found:
        raise DataError(f"{path}: has no phrases; needed are lines with a domain, a tab and a phrase")
    return {domain: list(phrases) for domain, phrases in found.items()}


def write_mixed_text(phrases: Path, out: Path, config: MixedTextConfig, job: RunConfig) -> int:
    """Write OUT/train and OUT/test with `text`, `keywords` (the phrases) and `utt2domain`; the exit status.

    No phrase is in both. A sentence that lacks one of its phrases has failed.

    Args:
        phrases: lines `DOMAIN<tab>PHRASE`.
        out: the folder.
        config: how many, and what writes them.
        job: how the command runs.

    Raises:
        DataError: there are no phrases, or none for testing, or a pattern has no place for one.
    """
    drawn = _drawn(read_phrases(phrases), config)
    files = [phrases, *([Path(config.patterns)] if config.patterns else [])]
    with Run[dict[str, Any]](out, fingerprint("firered-mixed-text", deciding(config), *files), job, "sentences") as run:
        run.take(Inputs([Utterance(key, key) for key in drawn]), lambda key: " ".join(drawn[key]))
        write = _by_endpoint(config) if config.write == ENDPOINT else _by_grammar(config)

        def result(key: str) -> dict[str, Any]:
            domain, *own = drawn[key]
            sentence = write(key, own)
            if lacking := [phrase for phrase in own if not holds(sentence, phrase, "zh")]:
                raise EndpointError(f"the sentence lacks {', '.join(lacking)}: {sentence}")
            return {"text": sentence, "domain": domain, "keywords": own}

        note_all([key for key in drawn if key not in run.results], result, run, config.parallel)
        for name in (TRAIN, TEST):
            made = {key: run.results[key] for key in drawn if key in run.results and key.startswith(name)}
            if made:
                _write(out / name, made)
        write_settings(out / "config.yaml", "firered-mixed-text", config)
        return run.finish()


def _write(folder: Path, made: Mapping[str, dict[str, Any]]) -> None:
    write_table(folder / "text", {key: own["text"] for key, own in made.items()})
    write_table(folder / "utt2domain", {key: own["domain"] for key, own in made.items()})
    write_table(folder / KEYWORDS, {key: f"{SEPARATOR} ".join(own["keywords"]) for key, own in made.items()})


def _drawn(by_domain: Mapping[str, Sequence[str]], config: MixedTextConfig) -> dict[str, list[str]]:
    """Of each sentence the domain, and the phrases that are to be in it."""
    parts: dict[str, dict[str, list[str]]] = {TRAIN: {}, TEST: {}}
    for domain, phrases in by_domain.items():
        order = _rng(config, domain).permutation(len(phrases)).tolist()
        kept = round(config.test_share * len(phrases))
        parts[TEST][domain] = [phrases[number] for number in order[:kept]]
        parts[TRAIN][domain] = [phrases[number] for number in order[kept:]]
    drawn: dict[str, list[str]] = {}
    for part, count in ((TRAIN, config.sentences), (TEST, config.test_sentences)):
        domains = {domain: phrases for domain, phrases in parts[part].items() if phrases}
        if count and not domains:
            none = f"no phrases are kept for testing (test_share {config.test_share:g})"
            raise DataError(f"{none}: give more phrases, or --test-sentences 0")
        for number in range(count):
            rng = _rng(config, f"{part}-{number}")
            domain = list(domains)[int(rng.integers(len(domains)))]
            most = min(config.most_phrases, len(domains[domain]))
            chosen = rng.permutation(len(domains[domain]))[: 1 + int(rng.integers(most))].tolist()
            drawn[f"{part}-{number:06d}"] = [domain, *(domains[domain][one] for one in chosen)]
    return drawn


def _by_grammar(config: MixedTextConfig) -> Writer:
    """What writes the sentence of an id that is to hold phrases, by a pattern that is drawn for it."""
    path = Path(config.patterns) if config.patterns else Path(__file__).with_name("mixed_patterns.txt")
    by_places: dict[int, list[str]] = {}
    for number, line in read_lines(path):
        if line.strip() and not line.startswith("#"):
            if _PLACE not in line:
                raise DataError(f"{path}, line {number}: a pattern without a place for a phrase ({_PLACE})")
            by_places.setdefault(line.count(_PLACE), []).append(line.strip())

    def write(key: str, phrases: Sequence[str]) -> str:
        patterns = by_places.get(len(phrases))
        if patterns is None:
            raise DataError(f"{path}: no pattern has {len(phrases)} places for phrases (--most-phrases)")
        pattern = patterns[int(_rng(config, f"{key} pattern").integers(len(patterns)))]
        for phrase in phrases:
            pattern = pattern.replace(_PLACE, f" {phrase} ", 1)
        return _BEFORE_MARKS.sub("", " ".join(pattern.split()))

    return write


def _by_endpoint(config: MixedTextConfig) -> Writer:
    """The same by a language model."""
    endpoint = Endpoint(config)

    def write(key: str, phrases: Sequence[str]) -> str:
        return " ".join(endpoint.ask(_INSTRUCTION.format(language=config.language), "; ".join(phrases)).split())

    return write


def _rng(config: MixedTextConfig, name: str) -> np.random.Generator:
    return np.random.default_rng([config.seed, zlib.crc32(name.encode())])
