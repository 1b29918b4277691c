"""The text of Fun-ASR-Nano: prompts, languages, and what is made of the language model's answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SYSTEM: Final = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
_NO_THINKING: Final = "<think>\n\n</think>\n\n"
_CONTEXT: Final = (
    "请结合上下文信息，更加准确地完成语音转写任务。如果没有相关信息，我们会留空。\n\n\n**上下文信息：**\n\n\n"
)
_HISTORY: Final = "历史转写结果："
_SILENCE = re.compile("/sil")
_SPACES = re.compile(r"\s+")
_MARKS = re.compile(r"[^\w\s\u3000\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Request:
    """What the model is asked for.

    Attributes:
        language: its Chinese name, as `NAMES` has it; None: the model finds out.
        itn: numbers and the like written as usual, with punctuation; else as spoken, without any.
        hotwords: words that may come, all of them put into the prompt, as published.
        prompt: a text that may help, put before them.
        history: what was said before, put before all this, in the line that it has in published training prompts.
    """

    language: str | None = None
    itn: bool = True
    hotwords: Sequence[str] = ()
    prompt: str = ""
    history: str = ""

    @property
    def free_text(self) -> str:
        """What was said before and the prompt, as they stand in the context block."""
        return "\n".join([f"{_HISTORY}{self.history}"] * bool(self.history) + [self.prompt] * bool(self.prompt))

    def __str__(self) -> str:
        """The instruction as published."""
        known = [self.free_text] * bool(self.free_text) + [f"热词列表：[{', '.join(self.hotwords)}]"] * bool(
            self.hotwords
        )
        context = _CONTEXT + "".join(f"{line}\n" for line in known) if known else ""
        language = f"成{self.language}" if self.language else ""
        return f"{context}语音转写{language}{'' if self.itn else '，不进行文本规整'}："


def english_instruction(language: str | None = None, *, itn: bool = True) -> str:
    """The instruction of published training data in English.

    Args:
        language: its English name; None: the model finds out.
        itn: see `Request`.
    """
    plain = "" if itn else " without text normalization"
    return f"Transcribe speech into {language}{plain}:" if language else f"Speech transcription{plain}:"


def around_speech(request: str, beginning: str = "", *, system: bool = True, thinks: bool = True) -> tuple[str, str]:
    """The text before and after the speech.

    Args:
        request: the instruction.
        beginning: how the answer is to begin.
        system: whether the prompt has the system turn.
        thinks: False: an empty thought comes before the answer.
    """
    before = f"{SYSTEM if system else ''}<|im_start|>user\n{request}"
    return before, f"<|im_end|>\n<|im_start|>assistant\n{'' if thinks else _NO_THINKING}{beginning}"


def clean(answer: str) -> str:
    """The transcript in an answer: `/sil` and white space of any kind and length are one space each."""
    return _SPACES.sub(" ", _SILENCE.sub(" ", answer))


def without_marks(answer: str) -> str:
    """The published `text_tn`: the answer without all that is neither a word's character nor white space."""
    return _MARKS.sub("", answer)
