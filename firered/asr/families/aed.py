"""Speech recognition on the released models: `Asr`."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from firered.asr.aed_config import STREAM_CHUNK_S, AsrConfig, chunk_frames
from firered.asr.biasing import Biasing
from firered.asr.drafting import CTC_DRAFT, Draft
from firered.asr.families.aed_results import AedResults, Decoded
from firered.asr.families.aed_search import AedSearch
from firered.asr.families.aed_stream import AedStream, FirstPass
from firered.asr.guard import Guard
from firered.asr.hotword_config import CORRECTION, GRAPH
from firered.asr.listening import Head, Listening
from firered.asr.modes import ATTENTION, CTC_PREFIX, HEAD_MODES, RESCORE, SEARCHED
from firered.asr.spelling_judge import pieces_of
from firered.asr.windowed import WindowedRecogniser
from firered.errors import ModelError, OptionError, result_of
from firered.hotwords.lists import Phrase
from firered.hub.catalogue import CHECKPOINT
from firered.hub.find import find_model
from firered.models.aed import Aed, AedConfig
from firered.models.checkpoint import load_checkpoint, model_files
from firered.models.chunks import Chunk
from firered.models.lstm_lm import LstmLm
from firered.models.streaming import PositionKeys
from firered.results import AsrResult
from firered.runtime.context import Context
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.search.beams import Hypothesis
from firered.search.ctc import ctc_texts

_WHOLE = (
    "{}: this model was made for whole utterances, not for chunks or streams; docs/training/recognition.md says how "
    "one that streams is trained (model.causal, model.chunk_sizes)"
)


class Asr(WindowedRecogniser[AsrConfig, Decoded]):
    """The attention encoder-decoder with beam search, confidence and CTC time stamps.

    Examples:
        >>> import firered
        >>> asr = firered.load("egs/mini/models/FireRedASR2-AED", timestamps="pauses")
        >>> result = asr("egs/mini/test/wav/f3-zh-00003.flac")
        >>> result.text
        '你好谁星期三去公园'
        >>> result.words[0]
        Word(text='你', start_s=0.067, end_s=0.267)
    """

    def __init__(
        self, loaded: Loaded[Aed], config: AsrConfig, lm: LstmLm | None = None, guard: Guard | None = None
    ) -> None:
        if config.timestamps != "none":
            need_ctc(loaded, "time stamps")
        if config.mode != ATTENTION:
            need_ctc(loaded, f"mode {config.mode}")
        if config.draft == CTC_DRAFT:
            need_ctc(loaded, "drafts")
        if config.mode not in HEAD_MODES and not loaded.model.has_decoder:
            raise OptionError(
                f"{loaded.directory}: trained with CTC alone, so there is no decoder for mode {config.mode}; give "
                f"mode {' or '.join(HEAD_MODES)}"
            )
        if config.chunk_size:
            _need_chunks(loaded)
        self.loaded, self.config = loaded, config
        self.subsampling, self.layers = loaded.subsampling, len(loaded.model.encoder.layer_stack)
        if lm is not None and not lm.config.idim == lm.config.odim == loaded.model.odim:
            raise ModelError(
                f"{config.elm_dir}: a language model of {lm.config.odim} tokens, the recogniser has {loaded.model.odim}"
            )
        self.lm = None if lm is None else lm.to(loaded.device)
        self.guard = guard or Guard(config)
        head = Head(pieces_of(loaded.tokenizer), loaded.tokenizer.tokens_of) if loaded.model.has_ctc else None
        graph = loaded.tokenizer.texts if config.mode in SEARCHED else None
        self.biasing = Biasing(config, graph, head=head)
        self._results = AedResults(loaded, config)
        self._search = AedSearch(loaded.model, config, self.lm, self.biasing)
        self._chunk = Chunk(config.chunk_size, config.left_chunks) if config.chunk_size else None
        self._positions = PositionKeys(loaded.model.encoder)
        self.drafting = self._search.drafting

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: AsrConfig | None = None, device: str = "auto") -> "Asr":
        """Recogniser of a published model directory (model.pth.tar, cmvn.ark, dict.txt, train_bpe1000.model).

        Raises:
            ModelError: the directory is incomplete, of another kind, or cannot do what `config` asks for.
        """
        config = config or AsrConfig()
        lm = LstmLm.load(model_files(Path(config.elm_dir), CHECKPOINT)[0]) if config.elm_dir else None
        directory = find_model(model_dir, "FireRedASR2-AED")
        return cls(Loaded.load(Aed, directory, config.dtype, device), config, lm, Guard.load(config, device))

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        elm = [Path(self.config.elm_dir) / CHECKPOINT] if self.config.elm_dir else []
        return [*self.loaded.sources, *elm, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self._results.times_words

    @property
    def decodes_again(self) -> bool:
        """Whether windows are: not in a streaming pass."""
        return not self.config.streaming

    @property
    def streams(self) -> bool:
        """Whether its checkpoint was made for speech that comes in chunks, and writes text of it."""
        return self.loaded.model.config.streams and self.loaded.model.has_ctc

    def stream(self, context: Context | None = None, *, chunk_s: float | None = None, key: str = "") -> AedStream:
        """Speech that has not ended: see `firered.asr.streaming.RecognitionStream`.

        The text so far is that of the CTC head's prefix search. The final one has the best of its texts in the
        decoder's order, in whatever mode recordings are decoded; in mode `ctc_prefix` it is the head's own best.

        Args:
            context: what is known of the utterance beforehand.
            chunk_s: seconds of a chunk; by default those of the options, else 0.64.
            key: id of the utterance.

        Raises:
            OptionError: the checkpoint is one for whole utterances, the chunk is not of whole frames, or there are more
                hotwords than a search without a first pass takes.
        """
        _need_chunks(self.loaded)
        need_ctc(self.loaded, "streams")
        context = context or Context()
        self._check_hotwords(context)
        size = self.config.chunk_size if chunk_s is None else chunk_frames(chunk_s)
        chunk = Chunk(size or chunk_frames(STREAM_CHUNK_S), self.config.left_chunks)
        return AedStream(self, self._first_pass(context, chunk), self.front_end, context, key)

    def check(self, context: Context) -> None:
        """Raise OptionError where a streaming pass cannot do what a context asks for."""
        if self.config.streaming:
            self._check_hotwords(context)

    def _check_hotwords(self, context: Context) -> None:
        most = self.config.hotword_candidates
        if GRAPH in self.biasing.uses and len(context.hotwords) > most:
            raise OptionError(
                f"hotwords: {len(context.hotwords)} are more than hotword_candidates ({most}); of a stream there is no "
                "first pass that could choose among them: raise it, or have the final text corrected "
                f"(hotword_use: {CORRECTION})"
            )

    @torch.inference_mode()
    def _first_pass(self, context: Context, chunk: Chunk) -> FirstPass:
        prefixes = self._search.stream(self._told(context), self.loaded.device)
        return FirstPass(self.loaded, self.front_end, chunk, self._positions, prefixes)

    def _told(self, context: Context) -> tuple[Phrase, ...]:
        """The hotwords that a stream is searched with."""
        return tuple(context.hotwords) if GRAPH in self.biasing.uses else ()

    def at_the_end(self, speech: Speech, first: FirstPass) -> AsrResult:
        """The final result of a first pass that has ended, checked and corrected as others are."""
        (result,) = self._finished([speech], [[(speech, self._ended(speech, first))]], [[]])
        return result_of(result)

    def _streamed(self, speech: Speech) -> Decoded:
        """What a window decodes to in a streaming pass."""
        assert self._chunk is not None  # streaming has chunks
        self._check_hotwords(speech.context)
        first = self._first_pass(speech.context, self._chunk)
        first.accept(speech.feats)
        first.finish(speech.duration_s)
        return self._ended(speech, first)

    @torch.inference_mode()
    def _ended(self, speech: Speech, first: FirstPass) -> Decoded:
        log_probs, lengths = first.log_probs[None], torch.tensor([first.frames])
        found = [self._search.end(first.prefixes, first.encoded)]
        read, heard = self._read([speech], log_probs, lengths)
        mode = RESCORE if self._search.orders else CTC_PREFIX
        chosen = [self._told(speech.context)]
        (decoded,) = self._decoded([speech], found, chosen, log_probs, lengths, read, heard, mode)
        return replace(decoded, shown=first.shown)

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[Decoded]:
        if self.config.streaming:
            return [self._streamed(speech) for speech in batch]
        encoded, lengths = self.loaded.encode(batch, chunk=self._chunk)
        wanted = self.times_words or self._listens(batch) or self.config.mode != ATTENTION or self.drafting.on
        log_probs = self.loaded.model.ctc_log_probs(encoded) if wanted else None
        read, heard = self._read(batch, log_probs, lengths)
        found, chosen = self.biasing.decode(
            [speech.context.hotwords for speech in batch],
            partial(self._search_rows, encoded, lengths, log_probs, self._given(batch)),
            lambda hypotheses: self._results.text(hypotheses[0]),
            read,
            heard,
        )
        return self._decoded(batch, found, chosen, log_probs, lengths, read, heard, self.config.mode)

    def _listens(self, batch: Sequence[Speech]) -> bool:
        """Whether what the CTC head reads is of use beside the text."""
        wanted = self.guard.on or self.biasing.wanted([speech.context.hotwords for speech in batch])
        return self.loaded.model.has_ctc and wanted

    def _read(
        self, batch: Sequence[Speech], log_probs: Tensor | None, lengths: Tensor
    ) -> tuple[list[str] | None, list[Listening | None]]:
        """What the CTC head reads in each window, if that is of use, and the windows through the head."""
        read = None
        if log_probs is not None and self._listens(batch):
            read = ctc_texts(log_probs, lengths, self.loaded.tokenizer.text_of)
        heard = [
            self.biasing.listening(None if log_probs is None else log_probs[number, :length])
            for number, length in enumerate(lengths)
        ]
        return read, heard

    def _decoded(
        self,
        batch: list[Speech],
        found: list[list[Hypothesis]],
        chosen: Sequence[tuple[Phrase, ...]],
        log_probs: Tensor | None,
        lengths: Tensor,
        read: Sequence[str] | None,
        heard: Sequence[Listening | None],
        mode: str,
    ) -> list[Decoded]:
        """What each window decodes to, with all that is known of it."""
        nothing = [None] * len(batch)
        tokens = self._results.token_times(log_probs, lengths, found, batch) if log_probs is not None else nothing
        texts = read if read is not None else nothing
        shown = texts if self.guard.on else nothing
        told = [
            self.biasing.told(speech.context.hotwords, phrases, self._results.text(hypotheses[0]), window)
            for speech, phrases, hypotheses, window in zip(batch, chosen, found, heard, strict=True)
        ]
        windows = zip(found, tokens, shown, told, texts, strict=True)
        return [Decoded(best, mode, times, text, told=own, read=heard) for best, times, text, own, heard in windows]

    @torch.inference_mode()
    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        encoded, lengths = self.loaded.encode(batch, layer, self._chunk)
        return [rows[:length].float().cpu() for rows, length in zip(encoded, lengths.tolist(), strict=True)]

    def _search_rows(
        self,
        encoded: Tensor,
        lengths: Tensor,
        log_probs: Tensor | None,
        given: list[Draft | None],
        rows: Sequence[int],
        hotwords: list[tuple[Phrase, ...]],
    ) -> list[list[Hypothesis]]:
        """Hypotheses of these rows of a batch, with these hotwords."""
        if len(rows) < len(encoded):
            encoded, lengths = encoded[list(rows)], lengths[list(rows)]
            log_probs = None if log_probs is None else log_probs[list(rows)]
        return self._search(encoded, lengths, log_probs, hotwords, [given[row] for row in rows])

    def _given(self, batch: list[Speech]) -> list[Draft | None]:
        """The drafts that callers have of these windows."""
        texts = [speech.context.draft for speech in batch]
        return [Draft(self.loaded.tokenizer.tokenize(text).ids) if text else None for text in texts]

    def so_far(self, speech: Speech, first: FirstPass) -> AsrResult:
        """The text of a first pass that goes on."""
        return self._results.so_far(speech, first)

    def _join(self, speech: Speech, parts: list[tuple[Speech, Decoded]]) -> AsrResult:
        """One utterance's result from those of its windows."""
        return self._results.join(speech, parts)


def lacks_streaming(directory: Path) -> str:
    """Why a directory's model has no streaming pass; empty where it has one.

    Raises:
        ModelError: the directory is incomplete or damaged.
    """
    path = model_files(directory, CHECKPOINT)[0]
    args, state = load_checkpoint(path)
    if not AedConfig.from_args(args, path).streams:
        return _WHOLE.format(directory)
    if state and not any(name.startswith("ctc.") for name in state):  # of a quantised one they lie elsewhere
        return f"{directory}: its checkpoint has no CTC head, which writes the text of a streaming pass"
    return ""


def _need_chunks(loaded: Loaded[Aed]) -> None:
    """Raise OptionError where a checkpoint is one for whole utterances."""
    if not loaded.model.config.streams:
        raise OptionError(_WHOLE.format(loaded.directory))
