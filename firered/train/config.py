"""Options of training: the sections of its YAML file."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class TrainConfig(Options):
    """How long, how often, and what is kept."""

    seed: int = option(1, "everything drawn at random follows from it", low=0)
    max_epochs: int = option(50, "passes over the training data at most", low=1)
    max_steps: int = option(0, "optimiser steps at most; 0: as many as the epochs take", low=0)
    accum_grad: int = option(1, "batches of each process that make one optimiser step", low=1)
    dtype: str = option(
        "float32", "arithmetic of the forward pass; weights stay float32", choices=("float32", "bfloat16")
    )
    gradient_checkpointing: bool = option(False, "compute layers again in the backward pass: less memory, more time")
    eval_steps: int = option(0, "steps between evaluations on the dev set; 0: once an epoch", low=0)
    save_steps: int = option(1000, "steps between saved states; one is saved after every evaluation too", low=1)
    log_steps: int = option(50, "steps between lines of the log", low=1)
    best_by: str = option("loss", "figure of the dev set that ranks checkpoints: loss, or one that is better when high")
    patience: int = option(0, "stop after so many evaluations in a row without a better one; 0: never", low=0)
    keep_best: int = option(5, "best checkpoints kept", low=1)
    keep_last: int = option(2, "last checkpoints kept", low=1)
    average: str = option(
        "best", "what the exported model is the mean of: the best or the last kept, or the best one", choices=
        ("best", "last", "none"),
    )  # fmt: skip
    resume: bool = option(True, "resume an interrupted training into the same folder")
    tensorboard: bool = option(True, "write curves for TensorBoard")
    device: str = option("auto", "auto: CUDA where there is one", choices=("auto", "cpu"))
    num_threads: int = option(0, "processor threads of each process; 0: one a core", low=0)
    num_workers: int = option(2, "processes that read data for each process; 0: it reads itself", low=0)


@dataclass(frozen=True)
class OptimConfig(Options):
    """AdamW and its learning rate."""

    lr: float = option(1e-3, "peak learning rate; with schedule noam, the factor", low=0)
    schedule: str = option(
        "warmup",
        "after a linear warm-up: inverse square root (warmup; noam scales it by width ** -0.5), cosine, linear, none",
        choices=("warmup", "noam", "cosine", "linear", "constant"),
    )
    warmup_steps: int = option(500, "steps of rising learning rate", low=1)
    beta1: float = option(0.9, "decay of the mean of gradients", low=0, high=1)
    beta2: float = option(0.98, "decay of the mean of their squares", low=0, high=1)
    weight_decay: float = option(0.01, "of weight matrices; biases and norms have none", low=0)
    grad_clip: float = option(5.0, "longer gradients are shortened to this norm", low=0)


@dataclass(frozen=True)
class ProgressiveConfig(Options):
    """Progressive regularisation: dropout and SpecAugment off at first, then raised level by level."""

    by: str = option(
        "none",
        "what raises them: steps, or a dev loss that stalls; none: full from the start",
        choices=("none", "steps", "stall"),
    )
    levels: int = option(4, "equal levels from nothing to full", low=1)
    start_step: int = option(1000, "by steps: the first level from this step on", low=0)
    every_steps: int = option(1000, "by steps: steps from level to level", low=1)
    patience: int = option(1, "stall: evaluations in a row without a lower dev loss that raise a level", low=1)


@dataclass(frozen=True)
class SpecAugmentConfig(Options):
    """SpecAugment (Park et al., Interspeech 2019) without time warping, on normalised features."""

    freq_masks: int = option(2, "bands hidden in every utterance", low=0)
    freq_width: int = option(27, "bins of a band at most", low=0, high=80)
    time_masks: int = option(2, "stretches hidden in every utterance", low=0)
    time_width: int = option(40, "frames of a stretch at most", low=0)
    time_ratio: float = option(0.2, "share of the utterance that a stretch is at most", low=0, high=1)


@dataclass(frozen=True)
class AugmentConfig(Options):
    """What is done to the audio of training utterances, anew every epoch."""

    speeds: str = option("", "speed factors, drawn with equal chances, such as `0.9 1.0 1.1`; empty: none")
    noise: str = option("", "data directory, wav.scp or folder of noise recordings; empty: none")
    noise_prob: float = option(0.3, "share of utterances that noise is added to (FunAudio-ASR, 5.2)", low=0, high=1)
    snr_mean: float = option(10.0, "signal-to-noise ratio in dB, mean")
    snr_std: float = option(5.0, "and standard deviation", low=0)
    pad_prob: float = option(0.0, "share of utterances with zeros before and after, under noise (5.6)", low=0, high=1)
    pad_seconds: float = option(1.0, "zeros on each side at most", low=0)
    pure_noise_prob: float = option(0.0, "share of utterances replaced by noise and no text (5.6)", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not 0.1 <= speed <= 10 for speed in self.speed_factors()):
            raise OptionError(f"speeds: {self.speeds!r}: factors lie between 0.1 and 10")
        if self.pure_noise_prob and not self.noise:
            raise OptionError("pure_noise_prob: needs noise recordings (noise: FOLDER)")

    def speed_factors(self) -> list[float]:
        """The factors as numbers; [1.0] where none are given."""
        try:
            return [float(factor) for factor in self.speeds.split()] or [1.0]
        except ValueError as error:
            raise OptionError(f"speeds: {self.speeds!r} are not numbers between blanks") from error

    @property
    def touches_audio(self) -> bool:
        """Whether anything is done at all."""
        noise = bool(self.noise) and self.noise_prob + self.pure_noise_prob > 0
        return noise or self.speed_factors() != [1.0] or self.pad_prob > 0


@dataclass(frozen=True)
class DataConfig(Options):
    """What every task reads."""

    train: str = option("", "data directories for training, between blanks or as a list")
    dev: str = option("", "data directories for evaluation")


@dataclass(frozen=True)
class FeatureDataConfig(DataConfig):
    """Utterances of Kaldi data directories, from stored features or audio."""

    cmvn: str | None = option(None, "statistics for normalisation; by default computed, or those of the initial model")
    cmvn_utterances: int = option(2000, "training utterances, drawn at random, that they are computed from", low=1)
    batch_frames: int = option(12000, "frames of a batch at most, padding included", low=1)
    min_frames: int = option(10, "shorter utterances are left out and listed", low=1)
    max_frames: int = option(3000, "longer utterances are left out and listed", low=1)


@dataclass(frozen=True)
class TokenDataConfig(DataConfig):
    """Text as tokens of a dictionary."""

    tokens: str | None = option(None, "folder with dict.txt and train_bpe1000.model (firered-tokens)")
    unknown: str = option(
        "unk",
        "texts with characters outside the dictionary: trained on as <unk>, left out, or refused",
        choices=("unk", "skip", "refuse"),
    )
    max_tokens: int = option(400, "texts of more tokens are left out and listed", low=1)


@dataclass(frozen=True)
class SpeechDataConfig(FeatureDataConfig, TokenDataConfig):
    """Utterances with a transcript in `text`."""


@dataclass(frozen=True)
class VadDataConfig(FeatureDataConfig):
    """Whole recordings with labelled stretches."""

    max_frames: int = option(3000, "longer recordings are cut into pieces of so many frames", low=1)
    labels: str = option(
        "auto",
        "what names the stretches: rttm, textgrid/ID.TextGrid or segments; auto: the first that is there",
        choices=("auto", "rttm", "textgrid", "segments"),
    )


@dataclass(frozen=True)
class TextDataConfig(TokenDataConfig):
    """Sentences: the `text` of data directories, or the lines of plain text files."""

    batch_tokens: int = option(4000, "tokens of a batch at most, padding included", low=1)


@dataclass(frozen=True)
class LlmDataConfig(FeatureDataConfig):
    """Utterances with a transcript in `text`, cut into the tokens of a language model."""

    max_tokens: int = option(400, "transcripts of more tokens are left out and listed", low=1)


@dataclass(frozen=True)
class PuncDataConfig(DataConfig):
    """Texts with punctuation: the `text` of data directories, or the lines of plain text files."""

    join: int = option(4, "texts, drawn at random, that make one example at most, so that it learns boundaries", low=1)
    max_tokens: int = option(256, "tokens of an example at most; longer texts are cut", low=1)
    batch_tokens: int = option(8000, "tokens of a batch at most, padding included", low=1)


@dataclass(frozen=True)
class ConformerConfig(Options):
    """Sizes of an encoder-decoder; 0 stands for what `size` has."""

    size: str = option("XS", "published size", choices=("XS", "S", "M", "L"))
    d_model: int = option(0, "width", low=0)
    n_head: int = option(0, "attention heads; 0: one for 64 dimensions", low=0)
    n_layers_enc: int = option(0, "layers of the encoder", low=0)
    n_layers_dec: int = option(0, "layers of the decoder", low=0)
    kernel_size: int = option(33, "frames of the encoder's convolutions", low=1)
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)
    label_smoothing: float = option(0.1, "share of probability spread over all tokens", low=0, high=0.9)


@dataclass(frozen=True)
class AedTaskConfig(ConformerConfig):
    """Recognition."""

    init: str | None = option(None, "model directory to fine-tune; its sizes, dictionary and statistics are kept")
    ctc_weight: float = option(0.0, "share of the CTC loss, which trains the encoder too", low=0, high=1)
    finetune: str = option(
        "full",
        "what is trained: all weights, all but the encoder's, or low-rank additions to the attention",
        choices=("full", "frozen_encoder", "lora"),
    )
    lora_rank: int = option(16, "rank of the additions", low=1)
    lora_alpha: float = option(32.0, "they are scaled by this over the rank", low=0)
    lora_dropout: float = option(0.05, "dropout of their input", low=0, high=0.9)
    keep_adapter: bool = option(False, "write the additions beside the merged model too (OUT/adapter, peft's format)")


@dataclass(frozen=True)
class CtcTaskConfig(Options):
    """The post-hoc CTC head."""

    init: str | None = option(None, "directory of the trained encoder-decoder")
    encoder: str | None = option(None, "directory of a trained speech-LLM whose encoder takes the place of init's")
    dropout: float = option(0.0, "of the encoder's output", low=0, high=0.9)


@dataclass(frozen=True)
class LidTaskConfig(ConformerConfig):
    """Language identification."""

    init: str | None = option(None, "language identification model to fine-tune")
    encoder: str | None = option(None, "recognition model whose encoder, sizes and statistics are taken")
    freeze_encoder: bool = option(False, "train the decoder alone")


@dataclass(frozen=True)
class VadTaskConfig(Options):
    """The DFSMN, under its released names; the streaming model's N2 is 0."""

    init: str | None = option(None, "model directory to fine-tune; its sizes and statistics are kept")
    R: int = option(8, "blocks", low=1)
    H: int = option(256, "hidden size", low=1)
    P: int = option(128, "projection size", low=1)
    N1: int = option(20, "look-back frames", low=1)
    N2: int = option(20, "look-ahead frames", low=0)
    dropout: float = option(0.05, "full dropout rate", low=0, high=0.9)


@dataclass(frozen=True)
class LmTaskConfig(Options):
    """The LSTM language model."""

    init: str | None = option(None, "model directory to fine-tune; its sizes are kept")
    embedding_dim: int = option(512, "width of the embedding", low=1)
    hidden_size: int = option(512, "width of the LSTM", low=1)
    num_layers: int = option(2, "LSTM layers", low=1)
    tie_weights: bool = option(True, "the output layer is the embedding")
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)


@dataclass(frozen=True)
class LlmTaskConfig(Options):
    """Encoder, adapter and language model."""

    init: str | None = option(None, "model directory to go on with: released weights, or those of an earlier stage")
    encoder: str | None = option(None, "recognition model (aed) whose encoder and statistics are taken")
    llm: str | None = option(None, "Hugging Face folder of a Qwen2; by default the one of init")
    trains: str = option(
        "all",
        "what is trained: encoder, adapter and LoRA (all, the FireRedASR paper), or what one stage of five trains",
        choices=("all", "adapter", "encoder_adapter", "lora"),
    )
    lora_rank: int = option(64, "rank of new additions to the language model", low=1)
    llm_dtype: str = option(
        "float32", "number format of the language model's own weights, which stay", choices=("float32", "bfloat16")
    )
    dropout: float = option(0.1, "full dropout rate of the encoder", low=0, high=0.9)


@dataclass(frozen=True)
class PuncTaskConfig(Options):
    """Punctuation; the sizes, under BERT's names, are those of a model from nothing."""

    init: str | None = option(None, "model directory to fine-tune; its vocabulary and marks are kept")
    bert: str | None = option(None, "folder of a BERT or LERT (config.json, vocab.txt, weights) to start from")
    pieces: int = option(3000, "tokens of the vocabulary that is learnt from the training text", low=10)
    hidden_size: int = option(128, "width", low=1)
    num_hidden_layers: int = option(3, "layers", low=1)
    num_attention_heads: int = option(4, "attention heads", low=1)
    intermediate_size: int = option(512, "inner width of the feed-forward layers", low=1)
    max_position_embeddings: int = option(512, "tokens of a window, [CLS] included", low=2)
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)


@dataclass(frozen=True)
class TokensConfig(Options):
    """What becomes a token."""

    pieces: int = option(1000, "SentencePiece (BPE) pieces of text that is not Chinese", low=4)
    min_count: int = option(1, "Chinese characters that come less often are left to <unk>", low=1)
    max_sentences: int = option(2_000_000, "stretches, drawn at random, that the pieces are learnt from", low=1)
