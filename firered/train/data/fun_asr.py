"""A line of Fun-ASR-Nano's published training data, and what the language model is given and is to say of it."""

import json
import re
from dataclasses import dataclass
from typing import Any

from firered.errors import DataError
from firered.text.fun_asr import around_speech
from firered.text.llm_tokenizer import EOS, ChatTokenizer
from firered.train.data.batch import NO_TARGET
from firered.train.rewards.reward import Wanted

SPEECH_ID = 0  # stands at the places of audio rows, as in the published code
_SPEECH = re.compile(r"<\|startofspeech\|>!(.+?)<\|endofspeech\|>", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """What is asked, the recording, what is to be answered, and the beginning of the answer that is given.

    `frames` (of 10 ms) and `tokens` are the lengths that the line states, None where it states none.
    """

    instruction: str
    path: str
    text: str
    beginning: str = ""
    frames: int | None = None
    tokens: int | None = None

    @classmethod
    def parse(cls, line: str, where: str) -> "Line":
        """That of a line of jsonl: `messages` of system (if any), user and assistant.

        Args:
            line: the JSON.
            where: file and number, for messages.

        Raises:
            DataError: it is no such line.
        """
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where}: not JSON ({error})") from error
        messages = values.get("messages") if isinstance(values, dict) else None
        user, answer = _turns(messages, where)
        asked = user["content"]
        speech = _SPEECH.search(asked)
        if speech is None or asked[speech.end() :].strip():
            raise DataError(f"{where}: the user's message does not end in <|startofspeech|>!PATH<|endofspeech|>")
        beginning = answer.get("prev_content", "")
        if not isinstance(beginning, str):
            raise DataError(f"{where}: prev_content is {beginning!r}, not a text")
        lengths = [_length(values, name, where) for name in ("speech_length", "text_length")]
        return cls(asked[: speech.start()], speech[1], answer["content"], beginning, *lengths)


@dataclass(frozen=True)
class Example:
    """Ids of a sequence, and the labels of each place, `NO_TARGET` where nothing is learnt.

    `speech` is the places of audio rows, whose id is `SPEECH_ID`; `wanted` is what rewards compare with, if any do.
    """

    ids: list[int]
    labels: list[int]
    speech: range
    wanted: Wanted | None = None


def example(line: Line, tokenizer: ChatTokenizer, heard: int, *, system: bool = True, thinks: bool = True) -> Example:
    """The sequence of a line: prompt, audio, the answer's given beginning, and then what is learnt, text and end.

    Args:
        line: of the data; its instruction may have a context block in front.
        tokenizer: of the language model.
        heard: audio rows that the language model is given (see `LoadedFunAsr.heard`).
        system: whether the prompt has the system turn.
        thinks: False: an empty thought comes before the answer.
    """
    texts = around_speech(line.instruction, line.beginning, system=system, thinks=thinks)
    before, after = (tokenizer.ids_of(text) for text in texts)  # each a text of its own to the tokenizer
    target = tokenizer.ids_of(line.text + EOS)
    given = [*before, *[SPEECH_ID] * heard, *after]
    speech = range(len(before), len(before) + heard)
    return Example([*given, *target], [*[NO_TARGET] * len(given), *target], speech)


def _turns(messages: Any, where: str) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ANN401 - whatever JSON holds
    """The user's message and the assistant's."""
    known = isinstance(messages, list) and all(
        isinstance(message, dict) and isinstance(message.get("content"), str) for message in messages
    )
    roles = [message.get("role") for message in messages] if known else []
    if roles not in (["system", "user", "assistant"], ["user", "assistant"]):
        raise DataError(f"{where}: messages of system, user and assistant with a text as content are expected")
    return messages[-2], messages[-1]


def _length(values: dict[str, Any], name: str, where: str) -> int | None:
    value = values.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise DataError(f"{where}: {name} is {value!r}, not a number of frames or tokens")
    return value
