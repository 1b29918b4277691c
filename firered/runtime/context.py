"""What is known of an utterance beside its audio."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """What is known of an utterance beside its audio; a recogniser takes of it what it can use.

    Attributes:
        hotwords: words and names that are likely to occur.
        language: code of the language that is spoken; None: not known.
        prefix: the text that precedes.
        prompt: any further text for a language model.
    """

    hotwords: tuple[str, ...] = ()
    language: str | None = None
    prefix: str = ""
    prompt: str = ""


NO_CONTEXT = Context()
