"""The system's modules, and what they make of segments together: `Modules`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from firered.asr.recogniser import Recogniser
from firered.errors import Outcome
from firered.lid.identify import Lid
from firered.punc.own_marks import sentences_by_own_marks
from firered.punc.punctuate import Punc
from firered.results import AsrResult, LidResult, PuncResult
from firered.runtime.batches import run_batch
from firered.system.assemble import Segment
from firered.system.stretches import Stretch, told
from firered.vad.detect import Mvad, Vad

# Recognises segments of one recogniser, whose name comes first; in order.
Texts: TypeAlias = Callable[[str, Recogniser, Sequence[Stretch]], Sequence[Outcome[AsrResult]]]


@dataclass
class Modules:
    """The system's parts; one that is None is switched off."""

    vad: Vad | None = None
    mvad: Mvad | None = None
    lid: Lid | None = None
    asr: Recogniser | None = None
    punc: Punc | None = None
    routes: Mapping[str, Recogniser] = field(default_factory=dict)  # by language or dialect

    @property
    def recognisers(self) -> list[Recogniser]:
        """All of them, the main one first."""
        return [*([self.asr] if self.asr else []), *self.routes.values()]

    def recognise(self, stretches: Sequence[Stretch], segments: Sequence[Segment], texts: Texts) -> None:
        """Put into each segment what its recogniser makes of it, told of its language where that is known."""
        for name, recogniser, own in self._routed(segments):
            routed = [told(stretches[number], segments[number].lid, recogniser) for number in own]
            for number, text in zip(own, texts(name, recogniser, routed), strict=True):
                segments[number].asr = text

    def punctuate(self, segments: Sequence[Segment], own_marks: bool = True) -> None:
        """Put into each recognised segment its text with punctuation.

        Args:
            segments: as `recognise` leaves them.
            own_marks: texts of recognisers that punctuate are cut into sentences by their own marks.
        """
        for _, recogniser, own in self._routed(segments) if own_marks else ():
            for segment in [segments[number] for number in own] if recogniser.punctuates else ():
                if isinstance(segment.asr, AsrResult):
                    text = segment.asr
                    segment.punc = sentences_by_own_marks(text.uttid, text.text, text.words or ())
        if self.punc is not None:
            _by_model(self.punc, segments)

    def _routed(self, segments: Sequence[Segment]) -> Iterator[tuple[str, Recogniser, list[int]]]:
        """Each recogniser with the numbers of the segments that are for it."""
        if self.asr is None:
            return
        by_route: dict[str, list[int]] = {"": [], **{name: [] for name in self.routes}}
        for number, segment in enumerate(segments):
            by_route[self.route(segment)].append(number)
        for name, own in by_route.items():
            if own:
                yield name, self.routes.get(name, self.asr), own

    def route(self, segment: Segment) -> str:
        """The dialect or else the language of a segment, where that has a model of its own."""
        codes = [segment.lid.dialect, segment.lid.language] if isinstance(segment.lid, LidResult) else []
        return next((code for code in codes if code and code in self.routes), "")


def _by_model(punc: Punc, segments: Sequence[Segment]) -> None:
    """Punctuate what has no punctuation yet."""
    left = [segment for segment in segments if segment.punc is None]
    timed = [segment for segment in left if segment.words]
    plain = [segment for segment in left if segment.text and not segment.words]

    def in_sentences(segments: Sequence[Segment]) -> list[Outcome[PuncResult]]:
        return punc.sentences([segment.words for segment in segments], texts=[segment.text for segment in segments])

    outcomes: list[Outcome[PuncResult]] = [
        *run_batch(timed, in_sentences),
        *run_batch([segment.text for segment in plain], punc.punctuate),
    ]
    for segment, outcome in zip([*timed, *plain], outcomes, strict=True):
        segment.punc = outcome
