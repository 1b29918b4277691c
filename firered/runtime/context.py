"""What is known of an utterance before it is recognised: `Context`."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """What is known of an utterance beforehand; each kind of recogniser uses the fields it supports.

    `hotwords` are words that are likely to come: a list, or one of them alone; None and "" are none. `language` is its
    code, such as `zh`, `prefix` is the text before the utterance, `prompt` an instruction in words to models that take
    one.
    """

    hotwords: tuple[str, ...] = ()
    language: str | None = None
    prefix: str = ""
    prompt: str = ""

    def __post_init__(self) -> None:
        given: Iterable[str] | None = self.hotwords  # whatever a caller without type hints gave
        words = [given] if isinstance(given, str) else given or ()
        object.__setattr__(self, "hotwords", tuple(word for word in words if word.strip()))
