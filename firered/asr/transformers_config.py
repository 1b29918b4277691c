"""Options of recognition with models of Hugging Face transformers."""

from dataclasses import dataclass

from firered.asr.config import RecogniserConfig
from firered.options import option


@dataclass(frozen=True)
class TransformersConfig(RecogniserConfig):
    """Recognition with a model of Hugging Face transformers."""

    beam_size: int = option(1, "hypotheses kept an utterance; 1 is greedy; CTC models are always read greedily", low=1)
    max_length: int = option(512, "tokens of a window at most; of short ones fewer: 32, and 40 a second", low=1)
    split_truncated: bool = option(True, "decode a window whose text ends at that limit again, in two halves")
    window_seconds: float = option(
        30.0,
        "longer utterances are decoded in windows cut at quiet places; some models are given less",
        low=2,
    )
    timestamps: str = option(
        "pauses",
        "word times, of models that give them: Whisper (from its cross-attention) and CTC models",
        choices=("none", "pauses"),
    )
    own_punctuation: bool = option(
        True, "take the marks of a model that writes them; --no-own-punctuation: FireRedPunc has the last word"
    )
    dtype: str = option(
        "auto",
        "number format; auto: float32, but bfloat16 for speech language models on CUDA; float16 is for CUDA, and "
        "overflows in language models, which get bfloat16 instead",
        choices=("auto", "float32", "bfloat16", "float16"),
    )

    @property
    def punctuates(self) -> bool:
        """Whether the model's own marks are taken, where it writes any."""
        return self.own_punctuation
