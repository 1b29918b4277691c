"""Options of the speech-LLM: the section `model` of task llm."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.models.adapters import ADAPTERS, DOWNSAMPLE_RATE
from firered.models.causal_lm import LORA_TARGETS
from firered.options import Options, option

_TRAINS = {
    "all": {"encoder", "adapter", "lora"},
    "adapter": {"adapter"},
    "encoder_adapter": {"encoder", "adapter"},
    "lora": {"lora"},
}
_OF_STAGE = {1: "adapter", 2: "encoder_adapter", 3: "lora", 4: "all"}  # FunAudio-ASR report, section 4.2
CTC_STAGE = 5


@dataclass(frozen=True)
class LlmTaskConfig(Options):
    """Encoder, adapter and language model."""

    init: str | None = option(None, "model directory to start from: released weights, or those of an earlier stage")
    encoder: str | None = option(
        None,
        "whose encoder is taken: a recognition model (aed), with its statistics; Fun-ASR-Nano; or a folder of Whisper",
    )
    llm: str | None = option(
        None, "Hugging Face folder of a language model (Qwen2, Qwen3, Llama); by default that of init"
    )
    stage: int = option(
        0,
        "one of FunAudio-ASR's five: 1 trains the adapter, 2 encoder and adapter, 3 LoRA, 4 all three, 5 a CTC head on "
        "the encoder of init, with dictionary and decoder of the recognition model `encoder`; 0: as trains says",
        low=0,
        high=5,
    )
    trains: str = option(
        "all",
        "without a stage: encoder, adapter and LoRA (all, the FireRedASR paper), or some of them",
        choices=("all", "adapter", "encoder_adapter", "lora"),
    )
    adapter: str = option("linear", "kind of a new adapter: linear as published", choices=ADAPTERS)
    adapter_rate: int = option(
        DOWNSAMPLE_RATE, "encoder frames to an embedding of a new adapter: of 40 ms, Fun-ASR-Nano 60, Whisper 20",
        low=1, high=64,
    )  # fmt: skip
    adapter_layers: int = option(2, "Transformer blocks of a new adapter", low=1)
    adapter_width: int = option(2048, "width of the layer before a new adapter's blocks", low=1)
    lora_targets: str = option(" ".join(LORA_TARGETS), "layers of the language model that get new additions, by name")
    lora_rank: int = option(64, "rank of new additions to the language model", low=1)
    llm_dtype: str = option(
        "float32", "number format of the language model's own weights, which stay", choices=("float32", "bfloat16")
    )
    dropout: float = option(0.1, "full dropout rate of the encoder", low=0, high=0.9)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage and self.trains not in ("all", _OF_STAGE.get(self.stage)):
            raise OptionError(f"stage {self.stage} and trains {self.trains}: give one")
        if self.stage == CTC_STAGE and not (self.init and self.encoder):
            raise OptionError("stage 5: needs init, the speech-LLM, and encoder, the recognition model it began with")

    @property
    def parts(self) -> set[str]:
        """What is trained: some of encoder, adapter and lora."""
        return _TRAINS[_OF_STAGE.get(self.stage, self.trains)]
