"""Hotwords of an utterance on their way through a recogniser: chosen by a first pass, searched for, corrected, told."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeVar, cast

from torch import Tensor

from firered.asr.corrected import corrected_by
from firered.asr.hotword_config import CORRECTION, GRAPH, PROMPT, HotwordConfig
from firered.asr.listening import Decided, Head, Listening
from firered.hotwords.correction import Limits, applied, decisions
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.occurrences import occurrences
from firered.hotwords.retrieval import Candidate, Units, retriever_of
from firered.results import AsrResult, Hotword
from firered.search import context_graph
from firered.search.context_graph import ContextGraph
from firered.search.hotwords import Hotwords, HotwordScorer
from firered.search.scorers import Scorer
from firered.search.vocabulary import Vocabulary
from firered.text.replacing import Match, replaced
from firered.text.spelling import spell_phrase

Found = TypeVar("Found")
_GRAPHS = 256  # that are kept: segments of a recording often have the same few
_MORE_JUDGED, _LEAST_JUDGED = 3, 0.02  # candidates that a CTC head is asked about: times as many, and how likely


@dataclass(frozen=True)
class Told:
    """What one window's search was told, and what is to be corrected in its text.

    Attributes:
        text: the window's.
        chosen: the entries that it was told to expect.
        ways: how it was told.
        heard: entries that may be in its text by its sound.
        matches: corrections of the text.
    """

    text: str = ""
    chosen: tuple[Phrase, ...] = ()
    ways: tuple[str, ...] = ()
    heard: tuple[Candidate, ...] = ()
    matches: tuple[Match, ...] = ()


class Biasing:
    """How a recogniser uses hotwords.

    Args:
        config: its options.
        tokens: gives the text of each of its tokens (see `Vocabulary`), where its search takes a graph.
        prompts: whether its model takes hotwords in the prompt.
        head: the tokens of its CTC head, if it has one.
    """

    def __init__(
        self,
        config: HotwordConfig,
        tokens: Callable[[], Sequence[str | bytes | None]] | None,
        *,
        prompts: bool = False,
        head: Head | None = None,
    ) -> None:
        able = {GRAPH: tokens is not None, PROMPT: prompts, CORRECTION: True}
        self.config, self._tokens, self._head = config, tokens, head
        self._spotter = lru_cache(maxsize=_GRAPHS)(head.spotter) if head else None
        self.uses = tuple(way for way, can in able.items() if can and way in config.ways)
        self._limits = Limits(bonus=config.hotword_score)
        self._graph = lru_cache(maxsize=_GRAPHS)(self._new_graph)

    def wanted(self, hotwords: Sequence[HotwordList]) -> bool:
        """Whether any of a batch has a list of which some use is to be made."""
        return bool(self.uses) and any(hotwords)

    @property
    def searches(self) -> bool:
        """Whether the search or its prompt is to know of hotwords."""
        return GRAPH in self.uses or PROMPT in self.uses

    def listening(self, log_probs: Tensor | None) -> Listening | None:
        """One window through the CTC head, by its log-softmax (T, V); None where there is none."""
        return None if self._head is None or log_probs is None else Listening(self._head, log_probs)

    def choose(self, hotwords: HotwordList, first_pass: str, heard: Listening | None = None) -> tuple[Phrase, ...]:
        """The entries that a window is decoded with: all of a short list, of a long one those its first pass suggests.

        Args:
            hotwords: the utterance's list.
            first_pass: what the window's text is without it.
            heard: the window through a CTC head.
        """
        config = self.config
        if len(hotwords) <= config.hotword_candidates:
            return tuple(hotwords)
        likely: dict[Phrase, float] = {}
        for decision in self._decided(hotwords, first_pass, heard).decisions:
            phrase = decision.candidate.phrase
            likely[phrase] = max(likely.get(phrase, 0.0), decision.match.score)
        best = sorted(likely, key=lambda phrase: -likely[phrase])[: config.hotword_candidates]
        return tuple(phrase for phrase in best if likely[phrase] >= config.hotword_threshold)

    def decode(
        self,
        hotwords: Sequence[HotwordList],
        search: Callable[[Sequence[int], list[tuple[Phrase, ...]]], list[Found]],
        text_of: Callable[[Found], str],
        first_pass: Sequence[str] | None = None,
        heard: Sequence[Listening | None] | None = None,
    ) -> tuple[list[Found], list[tuple[Phrase, ...]]]:
        """What each window decodes to, and the entries that its search knew of.

        Where there is no first pass and a list is long, a window is decoded without the list, and once more with the
        entries that this text suggests, if there are any.

        Args:
            hotwords: the list of each window's utterance.
            search: decodes the windows of these numbers with these entries.
            text_of: the text of what a window decodes to.
            first_pass: the windows' texts by a quicker search, such as a CTC head's.
            heard: the windows through that head.
        """
        numbers = range(len(hotwords))
        chosen: list[tuple[Phrase, ...]] = [()] * len(hotwords)
        if not (self.searches and any(hotwords)):
            return search(numbers, chosen), chosen
        plain: dict[int, Found] = {}
        if first_pass is None:
            long = [number for number in numbers if len(hotwords[number]) > self.config.hotword_candidates]
            plain = dict(zip(long, search(long, [()] * len(long)), strict=True)) if long else {}
            first_pass = [text_of(plain[number]) if number in plain else "" for number in numbers]
        known = zip(hotwords, first_pass, heard or [None] * len(hotwords), strict=True)
        chosen = [self.choose(*own) for own in known]
        rest = [number for number in numbers if chosen[number] or number not in plain]
        found = search(rest, [chosen[number] for number in rest]) if rest else []
        plain |= dict(zip(rest, found, strict=True))
        return [plain[number] for number in numbers], chosen

    def scorers(self, chosen: Sequence[tuple[Phrase, ...]], beams: int) -> list[Scorer]:
        """The graphs of a batch as a term of its search; none where no window has any entry."""
        graphs = self.graphs(chosen)
        return [HotwordScorer(graphs, beams)] if any(graphs) else []

    def graphs(self, chosen: Sequence[tuple[Phrase, ...]]) -> list[Hotwords | None]:
        """The graph of each window's entries; None where it has none, or the search takes none."""
        return [self._graph(phrases) if phrases and GRAPH in self.uses else None for phrases in chosen]

    def unwritable(self, hotwords: HotwordList) -> dict[str, str]:
        """The entries that the search cannot write, and the characters that the model has no tokens for."""
        if GRAPH not in self.uses:
            return {}
        lacking = ((text, self._vocabulary.lacks(text)) for text in hotwords.texts)
        return {text: characters for text, characters in lacking if characters}

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return Vocabulary(self._tokens() if self._tokens else [])

    def _new_graph(self, phrases: tuple[Phrase, ...]) -> Hotwords:
        spelt = [
            context_graph.Phrase(spell_phrase(phrase.text), self.config.hotword_score * phrase.weight)
            for phrase in phrases
            if not self._vocabulary.lacks(phrase.text)
        ]
        return Hotwords(ContextGraph(spelt, self.config.hotword_depth), self._vocabulary)

    def told(
        self, hotwords: HotwordList, chosen: tuple[Phrase, ...], text: str, heard: Listening | None = None
    ) -> Told | None:
        """What a window's text shows of the list; None where there is no list.

        Args:
            hotwords: the utterance's list.
            chosen: what its search knew of.
            text: what it decodes to.
            heard: the window through a CTC head.
        """
        if not (hotwords and self.uses):
            return None
        found = self._decided(hotwords, text, heard)
        matches = applied(found.decisions) if CORRECTION in self.uses else []
        ways = tuple(way for way in self.uses if way != CORRECTION)
        return Told(text, chosen, ways, tuple(found.candidates), tuple(matches))

    def _decided(self, hotwords: HotwordList, text: str, heard: Listening | None) -> Decided:
        """What becomes of the candidates for a text; a first pass and the text itself are often the same."""
        known = None if heard is None else heard.decided
        if known is None or (known.hotwords, known.text) != (hotwords, text):
            candidates = self._heard(hotwords, text, heard)
            judge = None if heard is None else heard.judge
            found = decisions(text, candidates, hotwords, judge, self._limits)
            known = Decided(hotwords, text, candidates, found)
            if heard is not None:
                heard.decided = known
        return known

    def _heard(self, hotwords: HotwordList, text: str, heard: Listening | None) -> list[Candidate]:
        """The entries that a text sounds like, and those that a CTC head may have heard, which is to judge them all."""
        config = self.config
        limit, threshold = config.hotword_candidates, config.hotword_threshold
        if heard is not None:
            limit, threshold = _MORE_JUDGED * limit, min(threshold, _LEAST_JUDGED)
        found = retriever_of(hotwords, cast("Units", config.hotword_units)).candidates(text, limit, threshold)
        if heard is None or self._spotter is None:
            return found
        return found + heard.candidates(self._spotter(hotwords), hotwords, text, config.hotword_candidates)


def with_hotwords(result: AsrResult, windows: Sequence[Told | None]) -> AsrResult:
    """An utterance's result with the corrections of its windows, and what is known of each hotword."""
    parts = [told for told in windows if told is not None]
    if not parts:
        return result
    matches: list[Match] = []
    place = 0
    for told in parts:
        place = max(place, result.text.find(told.text, place))
        matches += [_moved(match, place) for match in told.matches]
        place += len(told.text)
    return replace(corrected_by(result, matches), hotwords=_found(result.text, parts, matches))


def _moved(match: Match, by: int) -> Match:
    return Match(match.start + by, match.end + by, match.original, match.replacement, match.score)


def _found(text: str, windows: Sequence[Told], matches: Sequence[Match]) -> list[Hotword]:
    """What is known of each entry that the windows were told of, or that they sound like.

    Args:
        text: before it was corrected.
        windows: of the utterance.
        matches: how the text was corrected.
    """
    text, originals = replaced(text, matches), _places_now(matches)
    ways: dict[str, Sequence[str]] = {phrase.text: told.ways for told in windows for phrase in told.chosen}
    scores: dict[str, float] = {}
    for candidate in (candidate for told in windows for candidate in told.heard):
        entry = candidate.phrase.text
        scores[entry] = max(scores.get(entry, 0.0), candidate.score)
    found: list[Hotword] = []
    for entry in sorted(ways.keys() | scores.keys()):
        used, score = [*ways.get(entry, ())], scores.get(entry)
        places = occurrences(entry, text)
        for span in places:
            changed = [CORRECTION] * (span in originals)
            found.append(Hotword(entry, used + changed, score, *span, originals.get(span)))
        if not places:
            found.append(Hotword(entry, used, score))
    return found


def _places_now(matches: Sequence[Match]) -> dict[tuple[int, int], str]:
    """What was replaced, by the place of what stands there now."""
    places, shift = {}, 0
    for match in matches:
        start = match.start + shift
        places[start, start + len(match.replacement)] = match.original
        shift += len(match.replacement) - (match.end - match.start)
    return places
