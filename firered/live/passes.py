"""What the modules make of a stream's segments, open and closed: `Passes`."""

from collections.abc import Sequence

from firered.asr.carried import Carried
from firered.asr.recogniser import Recogniser
from firered.errors import Outcome
from firered.results import AsrResult, LidResult
from firered.runtime.batches import run_batch
from firered.system.assemble import Segment
from firered.system.modules import Modules
from firered.system.stretches import Stretch, results, texts

_KEPT = 40  # earlier segments that are remembered for what is carried on; hours of them would fill the memory


class Passes:
    """Language, text and punctuation of one stream's segments; what fails is an outcome, never raised.

    Args:
        modules: of the system.
        own_marks: texts of recognisers that punctuate are cut into sentences by their own marks.
        carry: sentences before a segment that the recogniser is told of, if it takes such.
        quick: recognises open segments, if another is to do it.
    """

    def __init__(self, modules: Modules, own_marks: bool, carry: int, quick: Recogniser | None = None) -> None:
        self._modules, self._own_marks, self._carry = modules, own_marks, carry
        self._quick = modules if quick is None else Modules(asr=quick)
        self._carried: dict[tuple[bool, str], Carried] = {}  # of the quick one or not, by route

    def language(self, stretch: Stretch) -> Outcome[LidResult] | None:
        """The language of a stretch; None where it is not identified."""
        lid = self._modules.lid
        if lid is None:
            return None
        found: list[Outcome[LidResult]] = results("lid", lid.identify, lid.config.batch_seconds, [stretch], None)
        return found[0]

    def partial(self, stretch: Stretch, number: int, lid: Outcome[LidResult] | None) -> Outcome[AsrResult] | None:
        """What is recognised in segment `number` so far; None without a recogniser."""
        return self._recognised(self._quick, stretch, number, lid).asr

    def final(self, stretch: Stretch, number: int, lid: Outcome[LidResult] | None) -> Segment:
        """What all modules make of segment `number`, which later ones may be told of."""
        segment = self._recognised(self._modules, stretch, number, lid)
        self._modules.punctuate([segment], self._own_marks)
        if self._modules.asr is not None:
            route = self._modules.route(segment)
            for (quick, name), carried in self._carried.items():
                carried.note((0, number), segment.asr if quick or name == route else None)
                carried.note((0, number - _KEPT), None)
        return segment

    def _recognised(self, modules: Modules, stretch: Stretch, number: int, lid: Outcome[LidResult] | None) -> Segment:
        segment = Segment(stretch.span, lid=lid)

        def found(name: str, recogniser: Recogniser, own: Sequence[Stretch]) -> Sequence[Outcome[AsrResult]]:
            if not self._carry or not recogniser.takes_history:
                return texts(name, recogniser, own, None, 0)
            place = modules is not self._modules, name
            carried = self._carried.setdefault(place, Carried(recogniser, self._carry))

            def told(batch: list[Stretch]) -> Sequence[Outcome[AsrResult]]:
                return carried.recognise([one.speech(recogniser.front_end) for one in batch], [(0, number)])

            return run_batch(own, told)

        modules.recognise([stretch], [segment], found)
        return segment
