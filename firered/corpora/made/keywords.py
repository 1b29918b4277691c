"""Keywords of transcripts: words that a recogniser often gets wrong, as names, terms, numbers and times."""

import logging
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from firered.corpora.made.context_config import LIST, RULE, ContextConfig
from firered.corpora.made.endpoint import Endpoint
from firered.data.lines import read_lines
from firered.errors import DataError
from firered.scoring.metrics.hotwords import Phrases
from firered.train.rewards.reward import rule

Finder = Callable[[str], Sequence[str]]  # of an utterance's id

# Chinese, a number with its unit, a word of other scripts.
_PIECE = re.compile(r"[\u4e00-\u9fff]+|\d[\d.,:%]*\d?[年月日点分秒号元%]?|[^\W\d_]+(?:['’-][^\W\d_]+)*")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_LEAST_LETTERS, _LEAST_CHARACTERS = 4, 2

_INSTRUCTION = (
    "You prepare data for speech recognition. You are given the transcript of an utterance. Name the words and phrases "
    "in it that a recogniser is likely to get wrong: names of people, places, organisations and products, technical "
    "terms, and times. Copy them exactly as they are written there, {most} at most. Answer with a JSON list of texts "
    "and nothing else; an empty list if there are none."
)


def finder(texts: Mapping[str, str], languages: Mapping[str, str], config: ContextConfig) -> Finder:
    """What finds the keywords of an utterance.

    Args:
        texts: transcripts by id.
        languages: of them, as firered-score knows them.
        config: how they are found.

    Raises:
        DataError: the list of phrases is empty.
    """
    if config.keywords == RULE:
        return _by_rule(texts, config)
    if config.keywords == LIST:
        return _by_list(texts, languages, config)
    endpoint = Endpoint(config)

    def ask(key: str) -> Sequence[str]:
        said = endpoint.ask_list(_INSTRUCTION.format(most=config.most_keywords), texts[key])
        return [one for one in dict.fromkeys(said) if holds(texts[key], one, languages.get(key, ""))]

    return ask


def holds(text: str, phrase: str, language: str) -> bool:
    """Whether a phrase is in a text, by the rule by which texts are compared: case and marks are no difference."""
    tokens = rule()(phrase, language)
    return bool(tokens) and bool(Phrases({phrase: tokens}).find(rule()(text, language)))


def _by_rule(texts: Mapping[str, str], config: ContextConfig) -> Finder:
    """Numbers and times, then words that few utterances have, the rarest first, in Chinese at large too."""
    words = {key: _words(text) for key, text in texts.items()}
    common = Counter(word for own in words.values() for word in {word.casefold() for word in own})
    most = max(1, config.rare * len(texts))

    def rare(key: str) -> list[str]:
        own = {word: common[word.casefold()] for word in words[key]}
        found = [word for word in own if own[word] <= most or word[0].isdigit()]
        return sorted(found, key=lambda word: (not word[0].isdigit(), own[word], _usual(word)))

    return rare


def _by_list(texts: Mapping[str, str], languages: Mapping[str, str], config: ContextConfig) -> Finder:
    listed = [" ".join(line.split()) for _, line in read_lines(Path(config.keyword_list)) if line.strip()]
    if not listed:
        raise DataError(f"{config.keyword_list}: has no words or phrases")
    by_language = {
        language: Phrases({phrase: rule()(phrase, language) for phrase in listed})
        for language in set(languages.values()) | {""}
    }

    def listed_in(key: str) -> list[str]:
        language = languages.get(key, "")
        return [found.phrase for found in by_language[language].find(rule()(texts[key], language))]

    return listed_in


def _words(text: str) -> list[str]:
    """The words of a text that could be keywords: numbers, and words that are not short."""
    found: list[str] = []
    for piece in _PIECE.findall(text):
        if _CHINESE.match(piece):
            found += [word for word in _jieba().lcut(piece) if len(word) >= _LEAST_CHARACTERS]
        elif piece[0].isdigit() or len(piece) >= _LEAST_LETTERS:
            found.append(piece)
    return found


def _usual(word: str) -> int:
    """How often a Chinese word is in the text that jieba's dictionary was counted in; 0 of others."""
    return int(_jieba().get_FREQ(word) or 0) if _CHINESE.match(word) else 0


@cache
def _jieba() -> Any:  # noqa: ANN401 - a module without types
    """What cuts Chinese into words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the package that it looks for its dictionary with
        import jieba
    jieba.setLogLevel(logging.ERROR)
    return jieba
