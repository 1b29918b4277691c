"""The segments of each recording one after the other, told what was said before: `InTurns`."""

from collections.abc import Sequence
from itertools import groupby, pairwise

from firered.asr.carried import Carried, Place
from firered.asr.recogniser import Recogniser
from firered.data.utterance import Utterance
from firered.errors import Outcome
from firered.results import AsrResult
from firered.runtime.batches import plan_in_turns
from firered.runtime.speech import Speech


class InTurns:
    """How utterances are recognised where each is told what was said before it in its recording.

    The first segments of all recordings share batches, then the second ones, and so on.

    Args:
        asr: the recogniser.
        utterances: of the run.
        sentences: that each is told.
    """

    def __init__(self, asr: Recogniser, utterances: Sequence[Utterance], sentences: int) -> None:
        self._carried = Carried(asr, sentences)
        ordered = sorted(utterances, key=lambda own: (own.recording, own.start_s, own.end_s, own.id))
        self._recordings = [list(own) for _, own in groupby(ordered, key=lambda own: own.recording)]
        self._places: dict[str, Place] = {
            utterance.id: (utterance.recording, number)
            for own in self._recordings
            for number, utterance in enumerate(own)
        }
        self._before = {after.id: before.id for own in self._recordings for before, after in pairwise(own)}

    def before(self, key: str) -> str:
        """The id of the segment before one, empty where there is none."""
        return self._before.get(key, "")

    def begin(self, results: dict[str, AsrResult]) -> None:
        """Take the results of an earlier run; those that follow one that is not there are left out, from them too."""
        for own in self._recordings:
            whole = True
            for utterance in own:
                whole = whole and utterance.id in results
                if whole:
                    self._carried.note(self._places[utterance.id], results[utterance.id])
                else:
                    results.pop(utterance.id, None)

    def batches(self, cap: float) -> list[list[Utterance]]:
        """All utterances in batches, see `plan_in_turns`."""
        items = [
            (utterance, utterance.duration_s, utterance.recording) for own in self._recordings for utterance in own
        ]
        return plan_in_turns(items, cap)

    def __call__(self, batch: list[Speech]) -> list[Outcome[AsrResult]]:
        """An outcome for each utterance of a batch."""
        places = [self._places[speech.key] for speech in batch]
        outcomes = self._carried.recognise(batch, places)
        for place, outcome in zip(places, outcomes, strict=True):
            self._carried.note(place, outcome)
        return outcomes
