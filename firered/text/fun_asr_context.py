"""The context block of Fun-ASR-Nano's training prompts, in its two published forms.

It stands before the instruction, whose language it has. Inference uses neither: see `fun_asr.Request`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from firered.text.fun_asr import Request
from firered.text.units import HAN


@dataclass(frozen=True)
class Known:
    """What is known of an utterance beforehand; what is empty is left out.

    Attributes:
        history: the transcript of what was said before.
        first_pass: what a first pass reads in the utterance.
        hotwords: words that may come, in the order in which they are to stand, or their list as one text.
        found_hotwords: such words that were found for this utterance (`asr_hotwords` in published data).
        text: any other text that may help, which stands before these; no published field.
    """

    history: str = ""
    first_pass: str = ""
    hotwords: Sequence[str] | str = ()
    found_hotwords: Sequence[str] = ()
    text: str = ""


@dataclass(frozen=True)
class _Words:
    """The fixed words of a language."""

    header: str  # of MultiContextPrompt
    new_header: str  # of MultiContextPromptNew
    title: str
    history: str
    first_pass: str
    hotwords: str


_CHINESE: Final = _Words(
    header="请结合下面提供的上下文信息，更加准确地完成语音转写任务。如果没有相关信息，我们会留空。\n",
    new_header="请结合上下文信息，更加准确地完成语音转写任务。如果没有相关信息，我们会留空。\n\n",
    title="**上下文信息：**\n",
    history="历史转写结果：",
    first_pass="一遍解码结果：",
    hotwords="热词列表：",
)
_ENGLISH: Final = _Words(
    header=(
        "Please combine the context information provided below to complete the speech transcription task more "
        "accurately. If there is no relevant information, we will leave it blank.\n"
    ),
    new_header=(
        "Please combine the context information to complete the speech transcription task more accurately. If there is "
        "no relevant information, we will leave it blank.\n\n"
    ),
    title="**Context:**\n",
    history="Historical transcription: ",
    first_pass="One-pass result: ",
    hotwords="Hotword list: ",
)


def is_english(instruction: str) -> bool:
    """Whether an instruction is in English rather than in Chinese."""
    return HAN.search(instruction) is None


def context_block(known: Known, *, english: bool = False, history: bool = False) -> str:
    """The block of `MultiContextPrompt`, the form of the published settings.

    Words that were found for the utterance take the place of its others.

    Args:
        known: of the utterance.
        english: in the language of an English instruction.
        history: with what was said before, which the published settings leave out.
    """
    words = _ENGLISH if english else _CHINESE
    before = known.history if history else ""
    fields = _fields(words, before, known.first_pass, known.found_hotwords or known.hotwords)
    return words.header + (_line(known.text) + fields or "\n\n\n")


def new_context_block(known: Known, *, english: bool = False) -> str:
    """The block of `MultiContextPromptNew`: always with what was said before, and the hotwords as they are given.

    Args:
        known: of the utterance.
        english: in the language of an English instruction.
    """
    words = _ENGLISH if english else _CHINESE
    fields = _line(known.text) + _fields(words, known.history, known.first_pass, known.hotwords)
    return words.new_header + (words.title + fields if fields else "")


def with_context(instruction: Request, known: Known) -> Request:
    """A request of recognition with what is known in its context block: what a first pass read comes with the text."""
    read = f"{_CHINESE.first_pass}{known.first_pass}" if known.first_pass else ""
    hotwords = (known.hotwords,) if isinstance(known.hotwords, str) else (*known.found_hotwords, *known.hotwords)
    prompt = "\n".join(filter(None, (known.text, read)))
    return replace(instruction, hotwords=hotwords, prompt=prompt, history=known.history)


def _line(text: str) -> str:
    return f"{text}\n" if text else ""


def _fields(words: _Words, history: str, first_pass: str, hotwords: Sequence[str] | str) -> str:
    listed = hotwords if isinstance(hotwords, str) else ", ".join(hotwords)
    fields = ((words.history, history), (words.first_pass, first_pass), (words.hotwords, listed))
    return "".join(f"{name}{value}\n" for name, value in fields if value)
