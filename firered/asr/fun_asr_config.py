"""Options of recognition with Fun-ASR-Nano."""

from dataclasses import dataclass

from firered.asr.config import DraftConfig
from firered.errors import OptionError
from firered.options import option
from firered.search.config import GenerateConfig

STREAM_STEP_S = 0.72  # of audio between two passes over a stream, as published
_LEAST_STEP_S = 0.06  # a row of its encoder


@dataclass(frozen=True)
class FunAsrConfig(DraftConfig):
    """Recognition with Fun-ASR-Nano."""

    itn: bool = option(
        True, "numbers and marks as usual in writing; --no-itn: as spoken, without punctuation (the model's own doing)"
    )
    hotwords_in_prompt: bool = option(True, "put hotwords into the prompt: all of a short list, as published")
    max_length: int = option(512, "tokens of a window at most; of short ones fewer: 32, and 40 a second", low=1)
    split_truncated: bool = option(True, "decode a window whose text ends at that limit again, in two halves")
    streaming: bool = option(
        False,
        "decode as if utterances were spoken now: anew from the start with every step of audio, each answer but its "
        "last five tokens being the beginning of the next, as published",
    )
    chunk_seconds: float = option(
        0.0, f"with streaming: seconds of audio in a step; 0: {STREAM_STEP_S}, as published", low=0
    )
    draft: str = option(
        "none",
        "the CTC head's text as a draft, of which the language model verifies many tokens in one pass; the text found "
        "stays the same; auto: if the checkpoint has the head",
        choices=("none", "auto", "ctc"),
    )
    beam_size: int = option(1, "hypotheses kept an utterance; 1 is greedy, as published", low=1)
    repetition_penalty: float = option(1.0, "above 1, tokens that the text has already are less likely", low=0.01)
    llm_length_penalty: float = option(
        1.0, "scores of several hypotheses are divided by the length to this power: above 0 favours long texts"
    )
    temperature: float = option(1.0, "logits are divided by this: above 1 is less sure", low=0.01)
    window_seconds: float = option(30.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    timestamps: str = option(
        "pauses", "word times from the CTC head, if the checkpoint has one", choices=("none", "pauses")
    )
    dtype: str = option(
        "auto",
        "number format of the language model; auto: bfloat16 on CUDA and processors that compute in it, else float32; "
        "float16 overflows in it and gives bfloat16 instead; int8 is for the processor",
        choices=("auto", "bfloat16", "float16", "float32", "int8"),
    )
    encoder_dtype: str = option(
        "float32",
        "number format of encoder, adaptor and CTC head: float16 is for CUDA, int8 for the processor",
        choices=("float32", "bfloat16", "float16", "int8"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chunk_seconds and not self.streaming:
            raise OptionError("chunk_seconds: has no effect without streaming")
        if 0 < self.chunk_seconds < _LEAST_STEP_S:
            raise OptionError(f"chunk_seconds: {self.chunk_seconds} is below {_LEAST_STEP_S}")
        self.check_trust(drafts=self.draft != "none", beam_size=self.beam_size)
        self.search  # noqa: B018 - it checks what belongs together

    @property
    def step_s(self) -> float:
        """Seconds of audio between two passes over a stream."""
        return self.chunk_seconds or STREAM_STEP_S

    @property
    def punctuates(self) -> bool:
        """Whether the text has punctuation: without ITN the model writes none."""
        return self.itn

    @property
    def search(self) -> GenerateConfig:
        """Those of the options that configure the search."""
        return GenerateConfig(
            beam_size=self.beam_size,
            nbest=self.nbest,
            repetition_penalty=self.repetition_penalty,
            length_penalty=self.llm_length_penalty,
            temperature=self.temperature,
        )
