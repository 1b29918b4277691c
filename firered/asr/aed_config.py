"""Options of recognition with the attention encoder-decoder."""

from dataclasses import dataclass, fields

from firered.asr.config import DraftConfig
from firered.asr.hotword_config import CORRECTION, GRAPH
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
from firered.options import option
from firered.runtime.config import dtype_option
from firered.search.config import BeamConfig, CtcPrefixConfig

CHUNK_FRAME_S = 0.04  # of an encoder frame: chunks are whole ones
STREAM_CHUNK_S = 0.64  # of streams, if no other length is given


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
