"""What is known of an utterance before it is recognised: `Context`."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from firered.hotwords.lists import HotwordList, Phrase


@dataclass(frozen=True)
class Context:
    """What is known of an utterance beforehand; each kind of recogniser uses the fields it supports.

    `hotwords` are words that are likely to come: a list, or one of them alone; None and "" are none. `language` is its
    code, such as `zh`, `prompt` an instruction in words to models that take one, `history` what was said before the
    utterance. `prefix` is how its own text begins: the result begins with it. `draft` is what its text may be, such as
    what an earlier pass found: it saves time where the recogniser takes drafts, and changes nothing in the result.
    """

    hotwords: HotwordList = field(default_factory=HotwordList)
    language: str | None = None
    prefix: str = ""
    prompt: str = ""
    history: str = ""
    draft: str = ""

    def __post_init__(self) -> None:
        given: Iterable[Phrase | str] | None = self.hotwords  # whatever a caller without type hints gave
        if not isinstance(given, HotwordList):
            object.__setattr__(self, "hotwords", HotwordList([given] if isinstance(given, str) else given or ()))
