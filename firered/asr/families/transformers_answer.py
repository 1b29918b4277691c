"""What each kind of transformers' recognisers gives and can be told: `Answer` and `Kind`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from firered.asr.families.transformers_loaded import Hearing
from firered.asr.listening import Head
from firered.asr.window import Window
from firered.errors import OptionError
from firered.results import Word
from firered.runtime.context import Context
from firered.search.hotwords import Hotwords
from firered.text.languages import AUTO, code_of, listed


@dataclass(frozen=True)
class Answer(Window):
    """What one window decodes to: text, tokens and their probabilities, words with times, language.

    `truncated` says whether the text ends because of the limit on its length; `log_probs` (T, V) is the log-softmax of
    a CTC model, which its hotwords are judged by.
    """

    text: str
    tokens: Sequence[str]
    probs: Sequence[float]
    words: Sequence[Word] | None = None
    lang: str | None = None
    truncated: bool = False
    log_probs: Tensor | None = None


class Kind(ABC):
    """A kind of model: what it can be told, and how it decodes.

    Attributes:
        hearing: how much audio its features hold.
        languages: codes of those that it can be told; None: it takes none.
        takes_prompt: whether it can be given a text in words.
        takes_history: whether it makes use of what was said before.
        takes_hotwords: whether its prompt takes words that are likely to come; they are corrected in the text of any.
        takes_graph: whether its search takes a graph of them.
        head: the tokens of a CTC model.
        times_words: whether its answers have words with times.
        batched: whether a batch gives what single windows do; else they are decoded one by one.
    """

    hearing: Hearing
    languages: Sequence[str] | None = None
    takes_prompt = False
    takes_history = False
    takes_hotwords = False
    takes_graph = False
    head: Head | None = None
    times_words = False
    batched = False

    @abstractmethod
    def decode(
        self, batch: Sequence[np.ndarray], contexts: Sequence[Context], graphs: Sequence[Hotwords | None]
    ) -> list[Answer]:
        """The answer to each window.

        Args:
            batch: samples (n,) of each, full scale 1, of the model's rate.
            contexts: of each, which `check` has accepted.
            graphs: the hotwords that each is searched with.
        """

    def check(self, context: Context, name: str) -> None:
        """Raise OptionError where a context asks for what the model cannot do; `name` is the model's."""
        self.candidates(context, name)
        if context.prompt and not self.takes_prompt:
            raise OptionError(f"prompt: {name} takes none")

    def candidates(self, context: Context, name: str = "the model") -> list[str]:
        """Codes of the languages that an utterance may be in; none: the model finds out.

        Raises:
            OptionError: the model does not know one of them; its own are listed.
        """
        given = [part.strip() for part in (context.language or "").split(",")]
        wanted = [part for part in given if part and part.lower() != AUTO]
        if not wanted:
            return []
        if self.languages is None:
            raise OptionError(f"language: {', '.join(wanted)} cannot be told to {name}, which takes none")
        codes = [self.code(part) for part in wanted]
        unknown = [part for part, code in zip(wanted, codes, strict=True) if code is None]
        if unknown:
            raise OptionError(
                f"language: {', '.join(unknown)} is not known to {name}; it knows {listed(self.languages)}"
            )
        return list(dict.fromkeys(code for code in codes if code))

    def code(self, name: str) -> str | None:
        """The model's own code of a language; Cantonese is Chinese to a model that does not tell them apart."""
        known = self.languages or ()
        code = code_of(name) or name.lower()
        for one in (name, name.lower(), code, "zh" if code == "yue" else code):
            if one in known:
                return one
        return None


def duration_s(samples: np.ndarray, rate: int) -> float:
    """Seconds of samples."""
    return len(samples) / rate
