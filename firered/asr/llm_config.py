"""Options of recognition with encoder, adapter and large language model."""

from dataclasses import dataclass

from firered.asr.config import DraftConfig
from firered.errors import OptionError
from firered.options import option
from firered.search.config import GenerateConfig


@dataclass(frozen=True)
class LlmConfig(DraftConfig):
    """Recognition with encoder, adapter and large language model."""

    beam_size: int = option(GenerateConfig.beam_size, "hypotheses kept an utterance; 1 is greedy, and fastest", low=1)
    decode_max_len: int = option(0, "tokens of an utterance at most; 0: its number of speech embeddings (80 ms)", low=0)
    decode_min_len: int = option(GenerateConfig.min_length, "tokens of an utterance at least", low=0)
    repetition_penalty: float = option(
        GenerateConfig.repetition_penalty, "above 1, tokens that the text has already are less likely", low=0.01
    )
    llm_length_penalty: float = option(
        GenerateConfig.length_penalty, "scores are divided by the length to this power: above 0 favours long texts"
    )
    temperature: float = option(
        GenerateConfig.temperature, "logits are divided by this: above 1 is less sure", low=0.01
    )
    # As published, accuracy falls from 30 s on.
    window_seconds: float = option(30.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    dtype: str = option(
        "auto",
        "number format of the language model; auto: bfloat16 on CUDA and processors that compute in it, else float32; "
        "int8 and int4 (groups of 32) are for the processor",
        choices=("auto", "bfloat16", "float32", "int8", "int4"),
    )
    encoder_dtype: str = option(
        "float32",
        "number format of encoder and adapter; float16 is for CUDA, int8 for the processor",
        choices=("float32", "bfloat16", "float16", "int8"),
    )
    draft_model: str | None = option(
        None,
        "the text of this model's CTC head (a FireRedASR2-AED directory) as a draft, of which the language model "
        "verifies many tokens in one pass; the text found stays the same",
        model="FireRedASR2-AED",
    )
    llm_device: str | None = option(
        None, "device of the language model if not the encoder's; auto: spread over the GPUs there are"
    )
    align_model: str | None = option(
        None,
        "word times from the CTC head of this model (a FireRedASR2-AED directory), which also informs the guard",
        model="FireRedASR2-AED",
    )
    timestamps: str = option(
        "pauses",
        "with --align-model: word times as published (pauses swallowed), or with pauses",
        choices=("reference", "pauses"),
    )

    def __post_init__(self) -> None:
        if self.dtype == "float16":
            raise OptionError("dtype: float16 overflows in the language model (all text becomes '%'); take bfloat16")
        super().__post_init__()
        self.check_trust(drafts=self.draft_model is not None, beam_size=self.beam_size)
        self.search  # noqa: B018 - it checks what belongs together

    @property
    def search(self) -> GenerateConfig:
        """Those of the options that configure the search."""
        return GenerateConfig(
            beam_size=self.beam_size,
            nbest=self.nbest,
            min_length=self.decode_min_len,
            repetition_penalty=self.repetition_penalty,
            length_penalty=self.llm_length_penalty,
            temperature=self.temperature,
        )
