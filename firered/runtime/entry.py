"""Many inputs through a module: read, processed in groups, results returned in input order."""

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.like import AudioLike, frames_of_all, listed
from firered.errors import FireRedError, OptionError, Outcome
from firered.runtime.batches import run_batch
from firered.runtime.speech import Speech

In = TypeVar("In")
Out = TypeVar("Out")
Progress = Callable[[int, int], None]  # called with (done, total) as results become known

# So many batches' worth of audio is read before it is processed: enough to batch utterances of similar length, few
# enough that thousands of recordings need not fit into memory.
_BATCHES_AHEAD = 8


class InOrder(Generic[Out]):
    """The outcomes of a number of inputs, which become known in any order.

    An error of another kind than FireRedError is wrapped in one, as its cause.
    """

    def __init__(self, total: int, progress: Progress | None = None) -> None:
        self.total, self._progress = total, progress
        self._known: dict[int, Outcome[Out]] = {}

    def put(self, number: int, outcome: Outcome[Out]) -> None:
        """Take in the outcome of the input of this number, from 0."""
        self._known[number] = as_firered(outcome) if isinstance(outcome, Exception) else outcome
        if self._progress is not None:
            self._progress(len(self._known), self.total)

    def all(self) -> list[Outcome[Out]]:
        """The outcomes in the order of the inputs."""
        return [self._known[number] for number in range(self.total)]


def as_firered(error: Exception) -> FireRedError:
    """The error itself if it is a FireRedError; else a FireRedError with it as its cause."""
    if isinstance(error, FireRedError):
        return error
    wrapped = FireRedError(f"unexpected {type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def need_texts(texts: Iterable[object]) -> None:
    """Raise OptionError where one of several texts is no string, or one that no file can hold."""
    for text in texts:
        if not isinstance(text, str):
            raise OptionError(f"text: expected a string, got {type(text).__name__}")
        if text.encode(errors="replace").decode() != text:
            raise OptionError(f"text: {text[:40]!r} holds half of a surrogate pair, which is no character")


def listed_texts(texts: object, kind: str = "texts") -> list[str]:
    """Several texts as a list; OptionError where this is one, or none at all."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise OptionError(f"batch takes several {kind}, this is one {type(texts).__name__}; put it in a list")
    return list(texts)


def over_audio(
    audios: Iterable[AudioLike],
    uttids: Sequence[str] | None,
    process: Callable[[list[In]], Sequence[Outcome[Out]]],
    batch_seconds: float,
    progress: Progress | None,
    item_of: Callable[[int, Speech], In],
    front_end: FrontEnd = PUBLISHED,
) -> list[Outcome[Out]]:
    """The outcome of each recording, in input order; a failure affects no other recording.

    Args:
        audios: recordings in any form.
        uttids: their ids; by default a path's name without suffix.
        process: gives a result, or what went wrong, for each of several items in memory.
        batch_seconds: of a batch of the module.
        progress: called with the number of recordings that are done, and of all.
        item_of: what `process` takes for a recording, by its number and features.
        front_end: of the features.

    Raises:
        OptionError: this is no list of recordings, or there are not as many ids.
    """
    recordings = listed(audios, uttids)
    outcomes = InOrder[Out](len(recordings), progress)
    group: dict[int, In] = {}
    group_s = 0.0
    for number, frames in enumerate(frames_of_all(recordings, uttids, front_end)):
        try:
            speech = Speech.of(frames)
        except Exception as error:  # any failure is the outcome of this recording alone
            outcomes.put(number, error)
            continue
        group[number] = item_of(number, speech)
        group_s += speech.duration_s
        if group_s >= _BATCHES_AHEAD * batch_seconds:
            _process_group(group, process, outcomes)
            group, group_s = {}, 0.0
    _process_group(group, process, outcomes)
    return outcomes.all()


def over_items(
    items: Sequence[In],
    process: Callable[[list[In]], Sequence[Outcome[Out]]],
    group_size: int,
    progress: Progress | None,
) -> list[Outcome[Out]]:
    """The outcome of each item, `group_size` of which are processed at a time; see `over_audio`."""
    outcomes = InOrder[Out](len(items), progress)
    for start in range(0, len(items), group_size):
        group = items[start : start + group_size]
        _process_group(dict(enumerate(group, start)), process, outcomes)
    return outcomes.all()


def _process_group(
    group: dict[int, In], process: Callable[[list[In]], Sequence[Outcome[Out]]], outcomes: InOrder[Out]
) -> None:
    if group:
        for number, outcome in zip(group, run_batch(list(group.values()), process), strict=True):
            outcomes.put(number, outcome)
