"""What recognisers have in common: windows of utterances are decoded in batches, and joined."""

import logging
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Generic, TypeVar

from firered.asr.biasing import Biasing, with_hotwords
from firered.asr.corrected import corrected
from firered.asr.drafting import Drafting
from firered.asr.echo_check import EchoCheck, Parts, doubted
from firered.asr.encoder import Config, WindowedEncoder
from firered.asr.guard import Guard
from firered.asr.hotword_config import HotwordConfig
from firered.asr.window import Window as Window
from firered.audio.like import AudioLike, as_frames, listed
from firered.errors import OptionError, Outcome, result_of
from firered.hotwords.lists import HotwordList
from firered.results import AsrResult
from firered.runtime.batches import run_batch
from firered.runtime.context import Context
from firered.runtime.entry import Progress, over_audio
from firered.runtime.speech import Speech
from firered.text.replacing import Replacer

log = logging.getLogger(__name__)
Decoded = TypeVar("Decoded", bound=Window)


class WindowedRecogniser(WindowedEncoder[Config], Generic[Config, Decoded]):
    """A recogniser that decodes batches of windows (`_decode`) and joins an utterance's windows (`_join`).

    Its `guard` checks the results; `biasing` is how it uses hotwords: not at all where it is not set.

    Attributes:
        drafting: its searches, with drafts where it has any.
        takes_history: whether it makes use of what was said before an utterance.
        instruction: the words that its model's prompt has around the context of an utterance.
    """

    guard: Guard
    biasing = Biasing(HotwordConfig(hotword_use="none"), None)
    drafting = Drafting(on=False)
    takes_history: bool = False
    instruction: str = ""

    @property
    @abstractmethod
    def times_words(self) -> bool:
        """Whether its results have word times."""

    def __call__(self, audio: AudioLike, uttid: str = "", *, context: Context | None = None) -> AsrResult:
        """The result for one utterance of any length.

        Args:
            audio: a recording in any form; see `firered.audio.like.AudioLike`.
            uttid: id in the result; a path's name without suffix if not given.
            context: what is known of the utterance beforehand.

        Raises:
            AudioError: it cannot be read or holds nothing to recognise.
        """
        (result,) = self.recognise([Speech.of(as_frames(audio, uttid, front_end=self.front_end), context)])
        return result_of(result)

    def batch(
        self,
        audios: Iterable[AudioLike],
        uttids: Sequence[str] | None = None,
        *,
        context: Context | Sequence[Context] | None = None,
        progress: Progress | None = None,
    ) -> list[Outcome[AsrResult]]:
        """The result for each utterance, in input order; where one failed, its FireRedError in the result's place.

        Args:
            audios: recordings in any form.
            uttids: ids in the results; a path's name without suffix if not given.
            context: what is known beforehand, of all of them or one for each.
            progress: called with the number of utterances that are done, and of all.

        Raises:
            OptionError: this is no list of recordings, or there are not as many ids or contexts.
        """
        recordings = listed(audios, uttids)
        if context is None or isinstance(context, Context):
            contexts = [context or Context()] * len(recordings)
        else:
            contexts = list(context)
        if len(contexts) != len(recordings):
            raise OptionError(f"context: {len(contexts)} for {len(recordings)} recordings")

        def with_context(number: int, speech: Speech) -> Speech:
            return replace(speech, context=contexts[number])

        seconds = self.config.batch_seconds
        return over_audio(recordings, uttids, self.recognise, seconds, progress, with_context, self.front_end)

    def recognise(self, utterances: Sequence[Speech]) -> list[Outcome[AsrResult]]:
        """A result, or what went wrong, for each utterance, in their order; the same in any batch."""
        decoded = self._by_windows(utterances, self._decode, self.subsampling)
        decoded = [self._settled(parts) for parts in decoded]
        if not self.decodes_again:
            return self._finished(utterances, decoded, [[] for _ in decoded])
        return self._finished(utterances, *self._echo_check(decoded))

    def _finished(
        self, utterances: Sequence[Speech], decoded: list[Parts[Decoded]], echoes: Sequence[Sequence[str]]
    ) -> list[Outcome[AsrResult]]:
        """The results of utterances, checked and corrected, from their windows and the reasons to doubt these."""
        results = [
            doubted(self._joined(speech, parts), parts, reasons)
            for speech, parts, reasons in zip(utterances, decoded, echoes, strict=True)
        ]
        checked = self.guard(utterances, self._timed(utterances, results))
        return [self._corrected(*pair) for pair in zip(checked, decoded, strict=True)]

    def _corrected(self, found: Outcome[AsrResult], parts: Parts[Decoded]) -> Outcome[AsrResult]:
        """The result with its text corrected: hotwords, and what options say is to be replaced."""
        if isinstance(found, Exception):
            return found
        if not found.dropped:
            windows = [outcome.told for _, outcome in parts if isinstance(outcome, Window)]
            found = with_hotwords(found, windows)
        return corrected(found, self._replacer)

    @cached_property
    def _echo_check(self) -> EchoCheck[Decoded]:
        units = self.config.hotword_units
        return EchoCheck(self.guard, units, self.instruction, self._joined, self._decoded_again)

    def _decoded_again(self, windows: list[Speech]) -> list[Parts[Decoded]]:
        """Windows, each of which may be cut in two, and what they decode to."""
        outcomes = zip(windows, run_batch(windows, self._decode), strict=True)
        return [self._settled([outcome]) for outcome in outcomes]

    @cached_property
    def _replacer(self) -> Replacer:
        """The corrections of finished text."""
        replacer = self.config.replacer()
        if replacer.unheard:
            log.warning(
                "replace: %d words without Chinese characters have no pinyin and replace nothing (%s); a line "
                "`wrong=>right` does",
                *(len(replacer.unheard), ", ".join(replacer.unheard[:5])),
            )
        return replacer

    @property
    def decodes_again(self) -> bool:
        """Whether windows whose text is an echo of their context are decoded without it."""
        return True

    @property
    def uses(self) -> Sequence[str]:
        """The fields of a context that it makes use of, where they are given."""
        return () if self.config.hotword_use == "none" else ("hotwords",)

    @property
    def punctuates(self) -> bool:
        """Whether its text has punctuation."""
        return False

    def unwritable(self, hotwords: HotwordList) -> Mapping[str, str]:
        """The entries of a list that its search cannot write, and the characters that it has no tokens for."""
        return self.biasing.unwritable(hotwords)

    def check(self, context: Context) -> None:
        """Raise OptionError where the model cannot do what a context asks for."""

    def _settled(self, parts: Parts[Decoded]) -> Parts[Decoded]:
        """An utterance's windows and what they decoded to, with those replaced that are to be decoded otherwise."""
        return parts

    def _joined(self, speech: Speech, parts: Parts[Decoded]) -> Outcome[AsrResult]:
        decoded: list[tuple[Speech, Decoded]] = []
        for part, outcome in parts:
            if isinstance(outcome, Exception):
                return outcome
            decoded.append((part, outcome))
        return self._join(speech, decoded)

    def _timed(self, utterances: Sequence[Speech], results: list[Outcome[AsrResult]]) -> list[Outcome[AsrResult]]:
        """The results with what is only known once windows are joined."""
        return results

    @abstractmethod
    def _decode(self, batch: list[Speech]) -> list[Decoded]:
        """What a batch of windows decodes to."""

    @abstractmethod
    def _join(self, speech: Speech, parts: list[tuple[Speech, Decoded]]) -> Outcome[AsrResult]:
        """One utterance's result from its windows and what they decoded to, or why there is none."""
