"""Windows whose text is an echo of their context are decoded again without it: `EchoCheck`."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeAlias, TypeVar, cast

from firered.asr.biasing import with_hotwords
from firered.asr.echo import Echo, Support, is_quiet, unlike, unsupported
from firered.asr.guard import Guard
from firered.asr.window import Window
from firered.errors import Outcome
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Units, retriever_of
from firered.results import AsrResult
from firered.runtime.context import Context
from firered.runtime.speech import Speech

log = logging.getLogger(__name__)
Decoded = TypeVar("Decoded", bound=Window)
Parts: TypeAlias = list[tuple[Speech, Outcome[Decoded]]]  # an utterance's windows, and what they decode to


@dataclass(frozen=True)
class _Suspect:
    """A window with some of its context in its text."""

    utterance: int
    part: int
    speech: Speech
    read: str | None  # by a CTC head
    echo: Echo


class EchoCheck(Generic[Decoded]):
    """Finds windows whose text gives their context back, and takes what they decode to without it.

    Args:
        guard: its options, and its voice detector where it has one.
        units: that hotwords are compared by.
        fixed: the words that the model's prompt has around the context.
        joined: an utterance's result from its windows.
        decode: decodes windows.
    """

    def __init__(
        self,
        guard: Guard,
        units: str,
        fixed: str,
        joined: Callable[[Speech, Parts[Decoded]], Outcome[AsrResult]],
        decode: Callable[[list[Speech]], list[Parts[Decoded]]],
    ) -> None:
        self._guard, self._units, self._fixed = guard, cast("Units", units), fixed
        self._joined, self._decode = joined, decode

    def __call__(self, decoded: list[Parts[Decoded]]) -> tuple[list[Parts[Decoded]], list[list[str]]]:
        """The windows of each utterance, some decoded again, and the reasons why they were."""
        reasons: list[list[str]] = [[] for _ in decoded]
        suspects = list(self._suspects(decoded)) if self._guard.config.guard_echo else []
        if not suspects:
            return decoded, reasons
        config = self._guard.config
        ratios = self._guard.speech_ratios([suspect.speech for suspect in suspects])
        doubted = []
        for suspect, ratio in zip(suspects, ratios, strict=True):
            read = suspect.read
            why = unsupported(
                suspect.echo, Support(suspect.speech.duration_s, is_quiet(suspect.speech), ratio, read), config
            )
            if why or (read is None and suspect.echo.mostly):
                doubted.append((suspect, why))
        plain = self._decode([_without_context(suspect.speech) for suspect, _ in doubted]) if doubted else []
        places: dict[tuple[int, int], Parts[Decoded]] = {}
        for (suspect, why), parts in zip(doubted, plain, strict=True):
            again = self._joined(suspect.speech, parts)
            text = again.text if isinstance(again, AsrResult) else None
            if text is not None:
                why = why or unlike(suspect.echo, text, config)
            if why and text != suspect.echo.text:
                places[suspect.utterance, suspect.part] = parts
                reasons[suspect.utterance].append(suspect.echo.reason(why))
                log.warning("%s: %s", suspect.speech.key, reasons[suspect.utterance][-1])
        return [
            [one for place, part in enumerate(parts) for one in places.get((number, place), [part])]
            for number, parts in enumerate(decoded)
        ], reasons

    def _suspects(self, decoded: Sequence[Parts[Decoded]]) -> Iterator[_Suspect]:
        for number, parts in enumerate(decoded):
            for place, (speech, outcome) in enumerate(parts):
                context = speech.context
                if not (context.hotwords or context.prompt or context.history) or isinstance(outcome, Exception):
                    continue
                result = self._joined(speech, [(speech, outcome)])
                if isinstance(result, Exception):
                    continue
                told = outcome.told if isinstance(outcome, Window) else None
                retriever = retriever_of(context.hotwords, self._units) if told is not None else None
                used = {name: getattr(context, name) for name in ("prompt", "history") if name in result.context_used}
                text = with_hotwords(result, [told]).text
                read = result.ctc_text if told is None or result.ctc_text is not None else outcome.read
                echo = Echo.of(text, Context(**used), retriever, self._fixed)
                if echo is not None:
                    yield _Suspect(number, place, speech, read, echo)


def _without_context(speech: Speech) -> Speech:
    """The speech without what it may give back."""
    return replace(speech, context=replace(speech.context, hotwords=HotwordList(), prompt="", history=""))


def doubted(result: Outcome[AsrResult], parts: Parts[Decoded], reasons: Sequence[str]) -> Outcome[AsrResult]:
    """A result with the reasons why its windows were decoded again, and only that context which is still used."""
    if isinstance(result, Exception) or not reasons:
        return result
    used = [name for name in result.context_used if any(getattr(part.context, name) for part, _ in parts)]
    return replace(result, flags=[*result.flags, *dict.fromkeys(reasons)], context_used=used)
