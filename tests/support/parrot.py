"""A recogniser that hears what its test says, and writes its context where it hears nothing, as large models do."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from firered.asr.biasing import PROMPT, Biasing
from firered.asr.config import RecogniserConfig
from firered.asr.guard import Guard
from firered.asr.window import Window
from firered.asr.windowed import WindowedRecogniser
from firered.results import AsrResult
from firered.runtime.speech import Speech

_USES = ("history", "hotwords", "language", "prompt")


@dataclass(frozen=True)
class Heard(Window):
    text: str


class Parrot(WindowedRecogniser[RecogniserConfig, Heard]):
    """Writes `said[key]`, and what `echoes` makes of the context where that has nothing for it.

    Args:
        said: the text of each utterance by its id, with or without a context; "" where nothing is said.
        read: what a CTC head reads in each; None: it has none.
        echoes: the text that it writes for an utterance with a context in which nothing is said.
    """

    takes_history = True

    def __init__(
        self,
        said: dict[str, str],
        read: dict[str, str] | None = None,
        echoes: Callable[[Speech], str] | None = None,
        config: RecogniserConfig | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.config = config or RecogniserConfig()
        self.guard = guard or Guard(self.config)
        self.biasing = Biasing(replace(self.config, hotword_use="prompt"), None, prompts=True)
        self._said, self._read, self._echoes = said, read, echoes or written_list
        self.decoded: list[tuple[str, bool]] = []  # each window, and whether it was given anything

    @property
    def sources(self) -> list[Path]:
        return []

    @property
    def times_words(self) -> bool:
        return False

    def _decode(self, batch: list[Speech]) -> list[Heard]:
        return [self._heard(speech) for speech in batch]

    def _heard(self, speech: Speech) -> Heard:
        context = speech.context
        told = bool(context.hotwords or context.prompt or context.history)
        self.decoded.append((speech.key, told))
        text = self._said.get(speech.key, "")
        if told and not text:
            text = self._echoes(speech)
        chosen = tuple(context.hotwords) if PROMPT in self.biasing.uses else ()
        read = None if self._read is None else self._read.get(speech.key, "")
        return Heard(text, read=read, told=self.biasing.told(context.hotwords, chosen, text))

    def _join(self, speech: Speech, parts: list[tuple[Speech, Heard]]) -> AsrResult:
        text = " ".join(heard.text for _, heard in parts if heard.text)
        tokens = text.split()
        return AsrResult(
            speech.key,
            text,
            0.9 * bool(tokens),
            speech.duration_s,
            tokens,
            [0.9] * len(tokens),
            ctc_text=None if self._read is None else " ".join(filter(None, (heard.read for _, heard in parts))),
            context_used=[name for name in _USES if getattr(speech.context, name)],
        )


def written_list(speech: Speech) -> str:
    """The whole context, from the text before to the list."""
    context = speech.context
    return " ".join([context.history, context.prompt, ", ".join(context.hotwords.texts[:40])]).strip()
