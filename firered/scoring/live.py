"""Live recognition against a reference with times: delays of words, what is taken back, ends of speech, errors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from firered.data.datadir import DataDir
from firered.errors import DataError, Problem
from firered.results import Word
from firered.scoring.asr import AsrScore, score_texts
from firered.scoring.config import LiveScoreConfig, SampleConfig, VadScoreConfig
from firered.scoring.endpoints import Endpoints, endpoints, without_short_pauses
from firered.scoring.inputs.labels import Span, read_labels
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.live import Stream, read_live
from firered.scoring.inputs.pair import Side, read_text
from firered.scoring.inputs.timed import reference_words, token_times
from firered.scoring.live_stream import Emission, Emitted, StreamScore, score_stream
from firered.scoring.metrics.bootstrap import Interval, interval
from firered.scoring.metrics.timed_alignment import Timed, align_in_time
from firered.scoring.text.normalise import Normalizer
from firered.text.joining import join_texts

CORRECT, SUBSTITUTED, DELETED = "correct", "substituted", "deleted"
FIRST, SETTLED, DECLARED, FINAL = "first", "settled", "declared", "final"  # emissions of a word

_AT_ONCE = 200  # words of the reference that the rule sees together
_ROUNDING_S = 1e-6  # times are differences of decimals


@dataclass(frozen=True)
class ScoredWord:
    """A token of the reference, and the token of the finals that stands against it; None where it is deleted."""

    recording: str
    token: str
    start_s: float
    end_s: float
    emitted: Emitted | None

    @property
    def kind(self) -> str:
        """Whether it is correct, substituted or deleted."""
        if self.emitted is None:
            return DELETED
        return CORRECT if self.emitted.token == self.token else SUBSTITUTED

    def delay(self, what: str, *, clock: bool, wait: bool = True) -> float | None:
        """Seconds from its end to an emission of it; None where there is none, or no clock.

        Args:
            what: FIRST, SETTLED, DECLARED or FINAL.
            clock: by the clock, with computation; else by what had been heard.
            wait: with the time that a final waited for the endpoint.
        """
        if self.emitted is None:
            return None
        emission: Emission = getattr(self.emitted, what)
        given_s = emission.clock_s if clock else emission.heard_s
        waited_s = 0.0 if wait or emission is not self.emitted.final else self.emitted.wait_s
        return None if given_s is None else given_s - waited_s - self.end_s


@dataclass
class LiveRecording:
    """The score of one recording: of its stream, of the reference's words, and of the ends of speech."""

    stream: StreamScore
    words: list[ScoredWord] = field(default_factory=list)
    endpoints: Endpoints = field(default_factory=Endpoints)

    def delays(self, what: str, *, clock: bool, wait: bool = True) -> np.ndarray:
        """The delays (see `ScoredWord.delay`) of the words that are correct, as far as they are known."""
        known = (word.delay(what, clock=clock, wait=wait) for word in self.words if word.kind == CORRECT)
        return np.array([delay for delay in known if delay is not None], float)


@dataclass(frozen=True)
class LiveScore:
    """The score of all recordings.

    Attributes:
        recordings: of the reference, by id.
        text: the score of the texts of the finals.
        untimed: recordings whose words have no times in the reference.
        problems: lines that could not be used.
        speech_of: what the ends of speech are by: rttm, ctm or segments; None where there is nothing of the kind.
        config: the options.
        flicker_interval: of the flicker, by resampling recordings.
    """

    recordings: dict[str, LiveRecording]
    text: AsrScore
    untimed: list[str]
    problems: list[Problem]
    speech_of: str | None
    config: LiveScoreConfig
    flicker_interval: Interval | None

    @cached_property
    def streams(self) -> list[StreamScore]:
        """The streams of all recordings."""
        return [own.stream for own in self.recordings.values()]

    @cached_property
    def words(self) -> list[ScoredWord]:
        """The words of all recordings."""
        return [word for own in self.recordings.values() for word in own.words]

    @cached_property
    def correct(self) -> list[ScoredWord]:
        """The words of the reference that the finals have right."""
        return [word for word in self.words if word.kind == CORRECT]

    @cached_property
    def endpoints(self) -> Endpoints:
        """The ends of speech of all recordings."""
        found = Endpoints()
        for own in self.recordings.values():
            found.add(own.endpoints)
        return found

    def delays(self, what: str, *, clock: bool, wait: bool = True) -> np.ndarray:
        """Those of all recordings, one after the other."""
        parts = [own.delays(what, clock=clock, wait=wait) for own in self.recordings.values()]
        return np.concatenate([np.zeros(0), *parts])

    def share_within(self, what: str, seconds: float, *, clock: bool) -> float | None:
        """Percent of the correct words whose delay is at most so many seconds; None where there are none."""
        delays = self.delays(what, clock=clock)
        return float(100 * np.mean(delays <= seconds + _ROUNDING_S)) if len(delays) else None


def flicker(streams: Iterable[StreamScore]) -> float | None:
    """Normalised erasure: tokens taken back over tokens of the finals; None where these have none."""
    pairs = [(stream.erased, len(stream.emitted)) for stream in streams]
    erased, tokens = map(sum, zip(*pairs, strict=True)) if pairs else (0, 0)
    return erased / tokens if tokens else None


def score_live(
    reference: Path, hypothesis: Path, rule: Normalizer, config: LiveScoreConfig, sample: SampleConfig
) -> LiveScore:
    """The score of live.jsonl against a directory with `ctm`, `text`, or both, and perhaps `rttm` or `segments`.

    Raises:
        DataError: one side cannot be read, or they have no recording in common.
    """
    if not reference.is_dir():
        raise DataError(f"{reference}: no such directory; REF is one with ctm, text, or both")
    data = DataDir(reference)
    words = reference_words(data)
    texts = _texts(reference, data, words)
    speech_of = _speech_of(reference, words)
    speech = _speech(reference, speech_of, words, config)
    streams, problems = read_live(hypothesis)
    folder = hypothesis if hypothesis.is_dir() else hypothesis.parent
    finals = Side(hypothesis, {key: stream.text() for key, stream in streams.items()}, DataDir(folder))
    text = score_texts(texts, finals, rule, sample)
    languages = languages_of(texts)
    recordings = {}
    for key in sorted(texts.table):
        stream = streams.get(key, Stream())
        ends = endpoints(stream, speech.get(key, [])) if speech_of else Endpoints()
        own = LiveRecording(score_stream(stream, rule, languages[key], ends.delays_s), endpoints=ends)
        own.words = list(_scored_words(key, words.get(key, []), own.stream.emitted, rule, languages[key]))
        recordings[key] = own
    untimed = sorted(key for key in texts.table if key not in words and texts.table[key].strip())
    taken_back = np.array([(own.stream.erased, len(own.stream.emitted)) for own in recordings.values()], np.int64)
    between = interval(taken_back.reshape(-1, 2), lambda sums: sums[:, 0] / sums[:, 1], sample)
    return LiveScore(recordings, text, untimed, problems, speech_of, config, between)


def _texts(reference: Path, data: DataDir, words: Mapping[str, Sequence[Word]]) -> Side:
    """The texts of the recordings: of `text`, else the words of the ctm."""
    if (reference / "text").is_file():
        return read_text(reference, by_recording=True)
    if not words:
        raise DataError(f"{reference}: neither a ctm with words nor text here")
    return Side(reference / "ctm", {key: join_texts(word.text for word in own) for key, own in words.items()}, data)


def _speech_of(reference: Path, words: Mapping[str, Sequence[Word]]) -> str | None:
    """The file that says where there is speech: labels are made for that, segments may be wider than it."""
    if words and not (reference / "rttm").is_file():
        return "ctm"
    return next((name for name in ("rttm", "segments") if (reference / name).is_file()), None)


def _speech(
    reference: Path, speech_of: str | None, words: Mapping[str, Sequence[Word]], config: LiveScoreConfig
) -> dict[str, list[Span]]:
    """The stretches of speech of each recording: of its words, where the file has none of it."""
    spans = {key: [(word.start_s, word.end_s) for word in own] for key, own in words.items()}
    if speech_of and speech_of != "ctm":
        labels = read_labels(reference / speech_of, VadScoreConfig()).spans
        spans |= {key: own for key, own in labels.items() if own}
    return {key: without_short_pauses(own, config.pause_s) for key, own in spans.items()}


def _scored_words(
    recording: str, words: Sequence[Word], emitted: Sequence[Emitted], rule: Normalizer, language: str
) -> Iterator[ScoredWord]:
    """The reference's tokens, each with the token of the finals that stands against it."""
    tokens: list[str] = []
    parts = [np.zeros((0, 2))]
    for first in range(0, len(words), _AT_ONCE):
        some = words[first : first + _AT_ONCE]
        of_some = rule(join_texts(word.text for word in some), language)
        tokens += of_some
        parts.append(token_times(of_some, some, rule, language))
    times = np.concatenate(parts)
    found = Timed([one.token for one in emitted], np.array([one.middle_s for one in emitted], float))
    partner = dict(align_in_time(Timed(tokens, times.mean(axis=1)), found))
    for number, (token, (start_s, end_s)) in enumerate(zip(tokens, times.tolist(), strict=True)):
        against = partner.get(number)
        yield ScoredWord(recording, token, start_s, end_s, None if against is None else emitted[against])
