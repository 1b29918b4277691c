"""Options of recognition: names and defaults are those of the published system's library where it has them."""

from dataclasses import dataclass, fields
from pathlib import Path

from firered.asr.confidence import KINDS
from firered.asr.hotword_config import CORRECTION, GRAPH, HotwordConfig
from firered.asr.modes import (
    ATTENTION,
    BEAM_MODES,
    CTC_PREFIX,
    JOINT,
    MODES,
    PREFIX_MODES,
    RESCORE,
    SEARCHED,
    check_mode,
)
from firered.errors import OptionError
from firered.options import Options, option
from firered.runtime.config import batch_seconds_option, dtype_option
from firered.search.config import BeamConfig, CtcPrefixConfig, GenerateConfig, Trust
from firered.text.replacing import THRESHOLD, Replacer

CHUNK_FRAME_S = 0.04  # of an encoder frame: chunks are whole ones
STREAM_CHUNK_S = 0.64  # of streams, if no other length is given
STREAM_STEP_S = 0.72  # of audio between two passes of Fun-ASR-Nano over a stream, as published
_LEAST_STEP_S = 0.06  # a row of its encoder


@dataclass(frozen=True)
class GuardConfig(Options):
    """What is done about text that is hallucinated or in doubt."""

    guard: str = option(
        "off",
        "look for hallucinated text: flag it in the results, or drop it (the reasons and the text stay on record)",
        choices=("off", "flag", "drop"),
    )
    guard_repeats: int = option(5, "flagged: a phrase this many times in a row; a single word twice as often", low=2)
    guard_chars_per_second: float = option(
        15.0, "flagged: more characters a second than this; Latin letters count half", low=0.1
    )
    guard_speech_ratio: float = option(
        0.05, "flagged: text where less than this share of the utterance is speech to the voice detector", low=0, high=1
    )
    guard_vad: str | None = option(
        None,
        "voice detector for that share (a FireRedVAD/VAD directory); none: it is not checked",
        model="FireRedVAD/VAD",
    )
    guard_ctc_distance: float = option(
        0.7, "flagged: text of which more than this share differs from what the CTC head reads", low=0, high=1
    )
    guard_echo: bool = option(
        True,
        "with or without the guard, given hotwords, a prompt or the text before: decode text again without them that "
        "gives them back where the sound does not support it (prompt_echo); --no-guard-echo: leave it",
    )
    min_confidence: float = option(
        0.0, "with or without the guard, flagged: text of a lower confidence; 0: none", low=0, high=1
    )
    low_confidence: str = option(
        "flag",
        "what is done with it: flag it in the results, or drop it (the reason and the text stay on record)",
        choices=("flag", "drop"),
    )


@dataclass(frozen=True)
class RecogniserConfig(HotwordConfig, GuardConfig):
    """The options that every family of recognisers has, in addition to its own."""

    confidence: str = option(
        "mean",
        "of an utterance: arithmetic or geometric mean of its tokens' probabilities, or geometric without outliers",
        choices=KINDS,
    )
    nbest: int = option(BeamConfig.nbest, "hypotheses written to nbest.jsonl an utterance, at most beam_size", low=1)
    batch_seconds: float = batch_seconds_option()
    window_seconds: float = option(60.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    replace: str | None = option(
        None,
        "file of corrections of the finished text: lines `wrong=>right`, and words that replace what has their sound",
        model="",
    )
    replace_threshold: float = option(
        THRESHOLD, "how much the pinyin of such a word and of what it replaces are alike, at least", low=0.01, high=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.replacer()  # a file with a mistake is noticed before a model is loaded

    def replacer(self) -> Replacer:
        """The corrections of `replace`.

        Raises:
            OptionError: the file cannot be read, or one of its lines is no correction.
        """
        return Replacer.from_file(Path(self.replace), self.replace_threshold) if self.replace else Replacer({})

    @property
    def punctuates(self) -> bool:
        """Whether the recogniser's text has punctuation with these options."""
        return False


@dataclass(frozen=True)
class DraftConfig(RecogniserConfig):
    """What the recognisers whose text a decoder writes do with drafts."""

    draft_probability: float = option(
        0.0,
        "above 0, approximate: tokens of a draft that the model finds more probable than this are kept, from the first "
        "on, even if it would write others; greedy search alone",
        low=0,
        high=1,
    )
    draft_entropy: float = option(
        0.0,
        "above 0, approximate: a draft is the text where each frame of the CTC head has less entropy than this (nats)",
        low=0,
    )

    @property
    def trust(self) -> Trust:
        """How far a draft is believed."""
        return Trust(self.draft_probability, self.draft_entropy)

    def check_trust(self, *, drafts: bool, beam_size: int) -> None:
        """Raise OptionError where a draft is to be believed, and there is none, or several hypotheses are kept."""
        for name in ("draft_probability", "draft_entropy"):
            if getattr(self, name) and not drafts:
                raise OptionError(f"{name}: has no effect without a draft")
            if getattr(self, name) and beam_size > 1:
                raise OptionError(f"{name}: works with greedy search (beam_size 1), not with {beam_size} hypotheses")


@dataclass(frozen=True)
class AsrConfig(DraftConfig):
    """Recognition with the attention encoder-decoder."""

    mode: str = option(
        ATTENTION,
        "how the text is found: by the decoder (attention), its CTC head alone (ctc: greedy; ctc_prefix: prefix beam "
        "search), the head's best texts in the decoder's order (rescore), both together in one search (joint), or the "
        "head's text with the decoder's choice where the head is not sure (ctc_rescore_low)",
        choices=MODES,
    )
    ctc_weight: float = option(
        0.3, "weight of the CTC head: beside the decoder's 1 in rescore, 1 less this in joint", low=0
    )
    ctc_beam_size: int = option(CtcPrefixConfig.beam_size, "texts that the CTC head's prefix search keeps", low=1)
    ctc_sure: float = option(0.99, "tokens of the CTC head less likely than this are judged again", low=0, high=1)
    beam_size: int = option(BeamConfig.beam_size, "hypotheses kept an utterance", low=1)
    draft: str = option(
        "none",
        "the CTC head's text as a draft, of which the decoder verifies many tokens in one pass; the text found stays "
        "the same; auto: if the checkpoint has the head",
        choices=("none", "auto", "ctc"),
    )
    decode_max_len: int = option(0, "tokens of an utterance at most; 0: its number of encoder frames", low=0)
    softmax_smoothing: float = option(
        BeamConfig.softmax_smoothing, "logits are divided by this: above 1 is less sure", low=0.01
    )
    aed_length_penalty: float = option(
        BeamConfig.length_penalty, "scores are divided by ((5 + length) / 6) to this power in the ranking"
    )
    eos_penalty: float = option(
        BeamConfig.eos_penalty, "the log-probability of the end is multiplied by this: above 1 ends later", low=0
    )
    elm_dir: str | None = option(None, "directory of an external LSTM language model (model.pth.tar)", model="")
    elm_weight: float = option(0.0, "weight of its log-probabilities")
    timestamps: str = option(
        "none",
        "word times from the CTC head: as published (pauses swallowed), or with pauses",
        choices=("none", "reference", "pauses"),
    )
    streaming: bool = option(
        False,
        "of models that stream: decode as if utterances were spoken now, chunk by chunk, nothing again; a first pass "
        "writes text with each chunk (ctc_prefix), at the end the decoder chooses among its texts (rescore)",
    )
    chunk_seconds: float = option(
        0.0,
        "of models that stream: seconds of chunks, such as 0.32; nothing after its chunk is seen by a frame; 0: whole "
        f"utterances, or {STREAM_CHUNK_S} with streaming",
        low=0,
    )
    left_chunks: int | None = option(None, "chunks before its own that a frame sees; none given: all of them", low=0)
    dtype: str = dtype_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.streaming and self.mode not in PREFIX_MODES:
            raise OptionError(f"streaming: works with mode {' or '.join(PREFIX_MODES)}, not {self.mode}")
        size = self.chunk_size  # refuses what is not of whole frames
        if self.left_chunks is not None and not size:
            raise OptionError("left_chunks: has no effect without chunk_seconds or streaming")
        defaults = {one.name: one.default for one in fields(self)}
        check_mode(self.mode, {one.name: getattr(self, one.name) for one in fields(self)}, defaults)
        if self.mode == JOINT and self.ctc_weight > 1:
            raise OptionError(f"ctc_weight: {self.ctc_weight} is above 1, all of the score in mode {JOINT}")
        if self.mode not in SEARCHED and GRAPH in self.hotword_use:
            raise OptionError(f"hotword_use: mode {self.mode} has no search for a graph; {CORRECTION} works in it")
        self.check_trust(drafts=self.draft != "none", beam_size=self.beam_size)
        self.search, self.prefix_search  # noqa: B018 - they check what belongs together

    @property
    def chunk_size(self) -> int:
        """Encoder frames of a chunk; 0: there are none."""
        return chunk_frames(self.chunk_seconds or (STREAM_CHUNK_S if self.streaming else 0.0))

    @property
    def stream_search(self) -> CtcPrefixConfig:
        """Those that configure the prefix search of a stream: all its texts are rescored, but in its own mode."""
        nbest = min(self.nbest, self.ctc_beam_size) if self.mode == CTC_PREFIX else self.ctc_beam_size
        return CtcPrefixConfig(self.ctc_beam_size, nbest)

    @property
    def prefix_search(self) -> CtcPrefixConfig:
        """Those that configure the CTC head's prefix search, all of whose texts are rescored."""
        nbest = self.ctc_beam_size if self.mode == RESCORE else min(self.nbest, self.ctc_beam_size)
        if self.mode in PREFIX_MODES and self.nbest > self.ctc_beam_size:
            raise OptionError(f"nbest: {self.nbest} hypotheses requested of a ctc_beam_size of {self.ctc_beam_size}")
        return CtcPrefixConfig(self.ctc_beam_size, nbest)

    @property
    def search(self) -> BeamConfig:
        """Those of the options that configure the search with the decoder, or its scores."""
        return BeamConfig(
            beam_size=self.beam_size if self.mode in BEAM_MODES else max(self.beam_size, self.nbest),
            nbest=self.nbest,
            softmax_smoothing=self.softmax_smoothing,
            length_penalty=self.aed_length_penalty,
            eos_penalty=self.eos_penalty,
        )


def chunk_frames(seconds: float, name: str = "chunk_seconds") -> int:
    """The encoder frames of a chunk; `name` is the option's.

    Raises:
        OptionError: it is not of whole frames.
    """
    frames = round(seconds / CHUNK_FRAME_S)
    if abs(frames * CHUNK_FRAME_S - seconds) > 1e-6:
        raise OptionError(f"{name}: {seconds} is not a multiple of {CHUNK_FRAME_S}")
    return frames


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
