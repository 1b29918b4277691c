"""What the modules make of a stream's segments, open and closed: `Passes`."""

import logging
from collections.abc import Sequence

from firered.asr.carried import Carried
from firered.asr.recogniser import Recogniser
from firered.asr.streaming import StreamingRecogniser, streaming
from firered.audio.frontend import PUBLISHED
from firered.errors import OptionError, Outcome
from firered.live.streamed import Streamed
from firered.results import AsrResult, LidResult
from firered.runtime.batches import run_batch
from firered.runtime.context import Context
from firered.system.assemble import Segment
from firered.system.modules import Modules
from firered.system.stretches import Stretch, results, texts

log = logging.getLogger(__name__)
_KEPT = 40  # earlier segments that are remembered for what is carried on; hours of them would fill the memory


class Passes:
    """Language, text and punctuation of one stream's segments; what fails is an outcome, never raised.

    Args:
        modules: of the system.
        own_marks: texts of recognisers that punctuate are cut into sentences by their own marks.
        carry: sentences before a segment that the recogniser is told of, if it takes such.
        quick: recognises open segments, if another is to do it.
        chunk_s: seconds of the chunks in which a recogniser that streams takes open segments.
    """

    def __init__(
        self, modules: Modules, own_marks: bool, carry: int, quick: Recogniser | None = None, chunk_s: float = 0.64
    ) -> None:
        self._modules, self._own_marks, self._carry = modules, own_marks, carry
        self._quick = modules if quick is None else Modules(asr=quick)
        self._chunk_s = chunk_s
        self._streamed: Streamed | None = None  # of the open segment
        self._refused: set[int] = set()  # recognisers that refuse what streams are told
        self._carried: dict[tuple[bool, str], Carried] = {}  # of the quick one or not, by route

    def language(self, stretch: Stretch) -> Outcome[LidResult] | None:
        """The language of a stretch; None where it is not identified."""
        lid = self._modules.lid
        if lid is None:
            return None
        found: list[Outcome[LidResult]] = results("lid", lid.identify, lid.config.batch_seconds, [stretch], None)
        return found[0]

    def streamed(self, number: int, start: int, lid: Outcome[LidResult] | None, context: Context) -> Streamed | None:
        """Segment `number`, which begins at a frame, as a stream; None where its recogniser has none.

        One whose recogniser changes with its language begins anew.
        """
        recogniser = self._streaming(lid)
        if recogniser is None or id(recogniser) in self._refused:
            return None
        if self._streamed is None or (self._streamed.number, self._streamed.recogniser) != (number, recogniser):
            try:
                stream = recogniser.stream(context, chunk_s=self._chunk_s)
            except OptionError as error:
                log.warning("partial text is not streamed, open segments are recognised again and again: %s", error)
                self._refused.add(id(recogniser))
                return None
            self._streamed = Streamed(number, recogniser, stream, start)
        return self._streamed

    def forget(self) -> None:
        """Begin the open segment's stream anew."""
        self._streamed = None

    def _streaming(self, lid: Outcome[LidResult] | None) -> StreamingRecogniser | None:
        """The recogniser of open segments in a language, if it streams."""
        modules = self._quick
        route = modules.route(Segment((0.0, 0.0), lid=lid)) if modules.routes else ""
        recogniser = modules.routes.get(route, modules.asr)
        if recogniser is None or recogniser.front_end.filterbank != PUBLISHED.filterbank:
            return None
        return streaming(recogniser)

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
