"""firered-context: keywords and contexts of utterances, for contextual training (FunAudio-ASR report, section 4.3)."""

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from firered.corpora.made.asking import deciding, note_all
from firered.corpora.made.context_config import ENDPOINT, ContextConfig
from firered.corpora.made.endpoint import Endpoint
from firered.corpora.made.keywords import finder, holds
from firered.data.datadir import DataDir, write_lines, write_table
from firered.data.lines import read_lines
from firered.data.utterance import Utterance
from firered.data.write import json_line
from firered.errors import DataError, OptionError
from firered.options import write_settings
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs
from firered.runs.journal import Run
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import Side
from firered.text.scripts import CHINESE
from firered.train.data.text import KEYWORDS, SEPARATOR, phrases

log = logging.getLogger(__name__)

CONTEXTS, DROPPED = "contexts.jsonl", "contexts_dropped"
RELEVANT, CONVERSATION, IRRELEVANT = "relevant", "conversation", "irrelevant"

_WITH_KEYWORDS = (
    "You prepare data for speech recognition. You are given an utterance of a conversation and keywords of it. Write "
    "{count} different short pieces of context that could stand beside such a conversation: what was said before it, "
    "the subject of a meeting, notes, a message. Each names all of the keywords exactly as they are written, and none "
    "repeats the utterance. Write in the language of the utterance. Answer with a JSON list of texts and nothing else."
)
_WITHOUT_KEYWORDS = (
    "You prepare data for speech recognition. You are given an utterance of a conversation. Write {count} different "
    "short pieces of context that could stand beside it: what was said before, the subject of a meeting, notes. None "
    "repeats the utterance. Write in the language of the utterance. Answer with a JSON list of texts and nothing else."
)


def make_contexts(data: Path, out: Path, config: ContextConfig, job: RunConfig) -> int:
    """Write a data directory like DATA with the table `keywords` and `contexts.jsonl`; the exit status.

    Each line of `contexts.jsonl` has `id`, `utterance`, `kind`, `keywords` and `text`. The kinds are `relevant` (it
    holds all keywords), `conversation` (of an utterance without keywords) and `irrelevant` (written for another
    utterance, and without keywords of this one). Contexts that were written and lack a keyword are dropped; they are
    listed in `contexts_dropped`, with the reason.

    Raises:
        DataError: there are no transcripts.
        EndpointError: the endpoint cannot be reached.
    """
    source = DataDir(data, [])
    texts = source.text
    if not texts:
        raise DataError(f"{data}: no text; contexts are written for transcripts")
    if out.resolve() == data.resolve():
        raise OptionError(f"{out}: is what is read; give another folder to write")
    texts = {key: texts[key] for key in source.utterances() if key in texts}
    languages = languages_of(Side(data, texts, source))
    files = [Path(config.keyword_list)] if config.keyword_list else []
    with Run[dict[str, Any]](out, fingerprint("firered-context", deciding(config), *files), job, "utterances") as run:
        inputs = Inputs([Utterance(key, key) for key in texts], source.problems or [], source)
        given = {key: phrases(value) for key, value in (source.table(KEYWORDS) or {}).items()}
        run.take(inputs, lambda key: f"{texts[key]} {given.get(key)}")
        _write_all(texts, languages, given, config, run)
        made = {key: run.results[key] for key in texts if key in run.results}
        inputs.write_tables(made, out)
        write_table(
            out / KEYWORDS, {k: f"{SEPARATOR} ".join(own["keywords"]) for k, own in made.items() if own["keywords"]}
        )
        write_lines(out / CONTEXTS, [json_line(line) for line in _lines(made, languages, config)])
        dropped = [f"{key} lacks {lost}: {text}" for key, own in made.items() for text, lost in own["dropped"]]
        write_lines(out / DROPPED, dropped)
        write_settings(out / "config.yaml", "firered-context", config)
        _report(made, dropped, out)
        return run.finish()


def _report(made: Mapping[str, dict[str, Any]], dropped: Sequence[str], out: Path) -> None:
    with_keywords = sum(bool(own["keywords"]) for own in made.values())
    written = sum(len(own["contexts"]) for own in made.values())
    log.info("%d of %d utterances have keywords; %d contexts written", with_keywords, len(made), written)
    if dropped:
        log.warning("%d contexts lack a keyword and were dropped: see %s", len(dropped), out / DROPPED)


def _write_all(
    texts: Mapping[str, str],
    languages: Mapping[str, str],
    given: Mapping[str, tuple[str, ...]],
    config: ContextConfig,
    run: Run[dict[str, Any]],
) -> None:
    """Find the keywords of every utterance that no earlier run has done, and write its contexts."""
    find, write = finder(texts, languages, config), _writer(config)

    def result(key: str) -> dict[str, Any]:
        language = languages.get(key, "")
        keywords = [*dict.fromkeys(given.get(key) or find(key))][: config.most_keywords]
        contexts, dropped = [], []
        for text in dict.fromkeys(write(key, texts[key], keywords, language)):
            lacking = [word for word in keywords if not holds(text, word, language)]
            if lacking:
                dropped.append((text, ", ".join(lacking)))
            else:
                contexts.append(text)
        return {"keywords": keywords, "contexts": contexts, "dropped": dropped}

    note_all((key for key in texts if key not in run.results), result, run, config.parallel if config.endpoint else 1)


def _writer(config: ContextConfig) -> Callable[[str, str, Sequence[str], str], list[str]]:
    """What writes the contexts of an utterance, of its id, text, keywords and language."""
    if config.write == ENDPOINT:
        endpoint = Endpoint(config)

        def ask(key: str, text: str, keywords: Sequence[str], language: str) -> list[str]:
            instruction = (_WITH_KEYWORDS if keywords else _WITHOUT_KEYWORDS).format(count=config.contexts)
            named = f"\nKeywords: {', '.join(keywords)}" if keywords else ""
            return endpoint.ask_list(instruction, f"Utterance: {text}{named}")

        return ask

    def fill(key: str, text: str, keywords: Sequence[str], language: str) -> list[str]:
        if not keywords:
            return []
        chinese = language in CHINESE
        sentences = _sentences()["zh" if chinese else "en"]
        order = _rng(config, key).permutation(len(sentences))[: config.contexts]
        named = ("、" if chinese else ", ").join(keywords)
        return [sentences[number].replace("{}", named) for number in order]

    return fill


@cache
def _sentences() -> dict[str, list[str]]:
    """Sentences with a place for keywords, by language."""
    found: dict[str, list[str]] = {}
    for _, line in read_lines(Path(__file__).with_name("context_sentences.tsv")):
        if line.strip() and not line.startswith("#"):
            language, sentence = line.split("\t")
            found.setdefault(language, []).append(sentence.strip())
    return found


def _rng(config: ContextConfig, key: str) -> np.random.Generator:
    return np.random.default_rng([config.seed, zlib.crc32(key.encode())])


def _lines(
    made: Mapping[str, dict[str, Any]], languages: Mapping[str, str], config: ContextConfig
) -> Iterator[dict[str, Any]]:
    """The lines of `contexts.jsonl`: what was written for each utterance, and what is mixed in of others."""
    written: dict[str, list[tuple[str, str]]] = {}
    for key, own in made.items():
        written.setdefault(languages.get(key, ""), []).extend((key, text) for text in own["contexts"])
    for key, own in made.items():
        kind = RELEVANT if own["keywords"] else CONVERSATION
        lines = [(kind, text) for text in own["contexts"]]
        lines += [(IRRELEVANT, text) for text in _others(key, own["keywords"], written, languages, config)]
        for number, (kind, text) in enumerate(lines, 1):
            yield {"id": f"{key}-{number}", "utterance": key, "kind": kind, "keywords": own["keywords"], "text": text}


def _others(
    key: str,
    keywords: Sequence[str],
    written: Mapping[str, Sequence[tuple[str, str]]],
    languages: Mapping[str, str],
    config: ContextConfig,
) -> list[str]:
    """Contexts of other utterances of its language, each of another one, that have no keyword of this one."""
    found: dict[str, str] = {}
    rng, language = _rng(config, f"{key} others"), languages.get(key, "")
    there = written.get(language, ())
    for _ in range(10 * config.irrelevant):  # where nearly all of them hold its keywords there are fewer
        if len(found) == config.irrelevant or not there:
            break
        other, text = there[int(rng.integers(len(there)))]
        if other != key and other not in found and not any(holds(text, word, language) for word in keywords):
            found[other] = text
    return list(found.values())
