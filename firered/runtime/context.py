"""What is known of an utterance before it is recognised: `Context`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """What is known of an utterance beforehand; each kind of recogniser uses the fields it supports.

    `hotwords` are words that are likely to come, `language` is its code, such as `zh`, `prefix` is the text before the
    utterance, `prompt` an instruction in words to models that take one.
    """

    hotwords: tuple[str, ...] = ()
    language: str | None = None
    prefix: str = ""
    prompt: str = ""
