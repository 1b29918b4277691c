"""Options of Fun-ASR-Nano's supervised training: the section `model` of task fun-asr."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.models.fun_asr import AdaptorSizes, SanmSizes
from firered.options import Options, option
from firered.train.stages import LLM, parts_of

BYTES = 256


@dataclass(frozen=True)
class FunAsrTaskConfig(Options):
    """The model: where it starts from, what of it is trained, and the sizes of what is new."""

    init: str | None = option(
        None, "directory of Fun-ASR-Nano in its published form, or OUT/model of an earlier training; else a new model"
    )
    encoder: str | None = option(None, "such a directory whose encoder alone is taken into a new model")
    llm: str | None = option(None, "new models: Hugging Face folder of a Qwen3 with its weights")
    stage: int = option(
        0,
        "1: the adaptor is trained, 2: encoder and adaptor, 3: LoRA, 4: encoder, adaptor and LoRA, 5: the CTC head; "
        "0: what trains says",
        low=0, high=5,
    )  # fmt: skip
    trains: str = option(
        "",
        "without a stage: what is trained, some of encoder, adaptor, lora, llm (all its weights), or ctc alone or with "
        "encoder, by the loss of the CTC head; by default lora, and of new models encoder, adaptor and lora",
    )
    lora_rank: int = option(16, "rank of LoRA, here and below as in the published script", low=1)
    lora_alpha: float = option(32.0, "LoRA is scaled by this / rank", low=0)
    lora_dropout: float = option(0.05, "dropout of its input", low=0, high=0.9)
    lora_targets: str = option("q_proj v_proj", "layers of the language model that get LoRA, by name")
    llm_dtype: str = option(
        "float32", "number format of the language model's own weights; training them needs float32",
        choices=("float32", "bfloat16"),
    )  # fmt: skip
    dropout: float = option(0.1, "full dropout rate of encoder, adaptor and CTC head", low=0, high=0.9)
    languages: str = option(
        "", "codes of the languages that prompts may name, for config.yaml; by default those of init"
    )
    encoder_width: int = option(512, "new encoders: width, here and below as published", low=8)
    encoder_heads: int = option(4, "heads of attention", low=1)
    encoder_units: int = option(2048, "units of the feed-forward layers", low=1)
    encoder_layers: int = option(50, "layers", low=1)
    encoder_tp_layers: int = option(20, "and further layers", low=1)
    encoder_kernel: int = option(11, "rows that the memory of a layer covers", low=1)
    adaptor_layers: int = option(2, "new adaptors: Transformer layers", low=0)
    adaptor_units: int = option(2048, "units of the layer before them", low=1)
    adaptor_rate: int = option(1, "rows of 60 ms that are put side by side", low=1, high=64)
    low_frame_rate: bool = option(
        True, "the language model is given the first eighth of the adaptor's rows, as published; else all of them"
    )
    ctc_layers: int = option(5, "new CTC heads: Transformer layers", low=0)
    ctc_units: int = option(2048, "units of the layer before them", low=1)
    ctc_vocabulary: str | None = option(
        None, "file of its pieces, such as the published multilingual.tiktoken; by default that of init"
    )
    ctc_pieces: int = option(
        0, "instead: so many pieces (256 bytes among them) are learnt from the transcripts; 0: none", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init and (self.encoder or self.llm):
            raise OptionError("init is a whole model: give it, or llm (and encoder) for a new one")
        if LLM in self.parts and self.llm_dtype != "float32":
            raise OptionError("llm_dtype: weights that are trained need float32 (lora can do with bfloat16)")
        if 0 < self.ctc_pieces < BYTES:
            raise OptionError(f"ctc_pieces: {self.ctc_pieces}: there are {BYTES} at least, the single bytes")

    @property
    def parts(self) -> frozenset[str]:
        """What is trained."""
        return parts_of(self.stage, self.trains, "lora" if self.init else "encoder adaptor lora")

    @property
    def sanm(self) -> SanmSizes:
        """Sizes of a new encoder."""
        return SanmSizes(
            output_size=self.encoder_width,
            attention_heads=self.encoder_heads,
            linear_units=self.encoder_units,
            num_blocks=self.encoder_layers,
            tp_blocks=self.encoder_tp_layers,
            kernel_size=self.encoder_kernel,
        )

    def adaptor_of(self, width: int, llm_width: int) -> AdaptorSizes:
        """Sizes of a new adaptor between an encoder and a language model of these widths."""
        return AdaptorSizes(
            ffn_dim=self.adaptor_units,
            llm_dim=llm_width,
            encoder_dim=width,
            n_layer=self.adaptor_layers,
            downsample_rate=self.adaptor_rate,
            use_low_frame_rate=self.low_frame_rate,
        )

    def ctc_of(self, width: int) -> AdaptorSizes:
        """Sizes of a new CTC head on an encoder of this width."""
        return AdaptorSizes(ffn_dim=self.ctc_units, llm_dim=width, encoder_dim=width, n_layer=self.ctc_layers)
