"""Forced alignment of given text by Fun-ASR-Nano's CTC head: `FunAsrAligner`."""

import unicodedata
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from firered.align.base import CtcAligner, TimedText
from firered.align.config import AlignConfig
from firered.align.ctc import NotAligned, align
from firered.asr.families.fun_asr_loaded import padded_rows, read_ctc_tokenizer, why_no_ctc
from firered.asr.families.fun_asr_times import read_by_ctc, token_times, tokens_on, words_of
from firered.audio.frontend import FrontEnd
from firered.errors import ModelError, OptionError
from firered.models.checkpoint import model_files, pick_device
from firered.models.dtype import check_dtype
from firered.models.fun_asr import ROW_FRAMES, FunAsrEncoder
from firered.models.fun_asr_checkpoint import CTC_VOCABULARY, WEIGHTS, has_ctc, load_ctc
from firered.models.fun_asr_config import CONFIG, TRANSFORMERS_CONFIG, CheckpointConfig
from firered.models.quantise import quantise_layers
from firered.results import Alignment, Word
from firered.runtime.speech import Speech
from firered.text.bpe_tokenizer import BpeTokenizer
from firered.text.timed_words import TAG, is_silent, word_spans


@dataclass
class LoadedCtc:
    """Encoder and CTC head of a checkpoint directory, ready for inference; its language model is not loaded."""

    config: CheckpointConfig
    encoder: FunAsrEncoder
    tokenizer: BpeTokenizer
    device: torch.device
    directory: Path

    @classmethod
    def load(cls, directory: Path, dtype: str = "float32", device: str = "auto") -> "LoadedCtc":
        """Those of a published directory.

        Raises:
            ModelError: files are missing or damaged, or there is no CTC head; the message names a file that has one.
            OptionError: the number format is not available on the device.
        """
        place = pick_device(device)
        check_dtype(dtype, place)
        if _other_form(directory):
            raise ModelError(why_no_ctc(directory))
        config = CheckpointConfig.read(model_files(directory, CONFIG, WEIGHTS)[0])
        encoder = load_ctc(directory, config)
        if encoder is None:
            raise ModelError(why_no_ctc(directory))
        tokenizer = read_ctc_tokenizer(directory, config)
        if dtype == "int8":
            quantise_layers(encoder)
        else:
            encoder.to(place, getattr(torch, dtype))
        return cls(config, encoder, tokenizer, place, directory)


def lacks_ctc(directory: Path) -> str:
    """What is to be done where a directory has no CTC head to align with; empty where it has one.

    Raises:
        ModelError: the directory is incomplete or damaged.
    """
    if _other_form(directory):
        return why_no_ctc(directory)
    config = CheckpointConfig.read(model_files(directory, CONFIG, WEIGHTS)[0])
    return "" if has_ctc(directory, config) else why_no_ctc(directory)


def _other_form(directory: Path) -> bool:
    """Whether this is the form of transformers, which has no CTC head."""
    return not (directory / WEIGHTS).exists() and (directory / TRANSFORMERS_CONFIG).exists()


class FunAsrAligner(CtcAligner):
    """Finds the start and end time of each word of a known text, as Fun-ASR-Nano times its own.

    The text is aligned whole, marks included, by the CTC head's tokenizer, which can spell anything. Tags such as
    `[noise]` are not: they get the time between their neighbours. Of a text in capitals alone the likelier of that and
    lower case is taken.
    """

    def __init__(self, loaded: LoadedCtc, config: AlignConfig) -> None:
        if config.timestamps != "pauses":
            raise OptionError(f"timestamps: {config.timestamps!r} is a rule of FireRedASR2S; Fun-ASR-Nano has pauses")
        self.loaded, self.config = loaded, config
        self.subsampling = ROW_FRAMES
        self.front_end: FrontEnd = loaded.config.front_end

    @classmethod
    def from_pretrained(
        cls, model_dir: str | Path, config: AlignConfig | None = None, device: str = "auto"
    ) -> "FunAsrAligner":
        """The aligner of a published directory (config.yaml, model.pt, multilingual.tiktoken, Qwen3-0.6B/).

        Raises:
            ModelError: the directory is incomplete or damaged, or has no CTC head; then a file that has is named.
            OptionError: it cannot be done with these options.
        """
        config = config or AlignConfig()
        return cls(LoadedCtc.load(Path(model_dir), config.dtype, device), config)

    @property
    def sources(self) -> list[Path]:
        """All files that decide what it gives."""
        return model_files(self.loaded.directory, CONFIG, WEIGHTS, CTC_VOCABULARY)

    @torch.inference_mode()
    def _encode(self, batch: list[Speech]) -> list[Tensor]:
        encoder = self.loaded.encoder
        feats = [speech.feats for speech in batch]
        rows, lengths = padded_rows(feats, self.front_end, self.loaded.device, encoder.dtype)
        return [own.cpu() for own in encoder.ctc_log_probs(encoder.encode(rows, lengths), lengths)]

    def _timed(self, speech: Speech, text: str, log_probs: Tensor) -> TimedText:
        spoken, tags = _spoken(text)
        spelt, path = self._likeliest(spoken, log_probs) if spoken or not tags else (spoken, self._blanks(log_probs))
        on_path = tokens_on(path, log_probs) if isinstance(path, Alignment) else []
        words = words_of(spelt, on_path, self.loaded.tokenizer, speech.duration_s)
        written = [text[start:end] for start, end in word_spans(text)]
        tokens = token_times(on_path, self.loaded.tokenizer)
        return TimedText(_as_written(written, words, tags, speech.duration_s), tokens, path)

    def _likeliest(self, spoken: str, log_probs: Tensor) -> tuple[str, Alignment | NotAligned]:
        """A text's spelling and its path: of one in capitals alone the likelier of that and lower case."""
        spellings = [spoken]
        lower = spoken.lower()
        if spoken == spoken.upper() != lower and len(lower) == len(spoken):
            spellings.append(lower)
        tokenizer, blank, rows = self.loaded.tokenizer, self.loaded.config.blank, len(log_probs)
        found = [(spelt, align(log_probs[None], [rows], [tokenizer.encode(spelt)], blank)[0]) for spelt in spellings]
        return max(found, key=lambda pair: pair[1].score if isinstance(pair[1], Alignment) else float("-inf"))

    def _blanks(self, log_probs: Tensor) -> Alignment | NotAligned:
        """The path of nothing but blanks."""
        blank = self.loaded.config.blank
        return Alignment([blank] * len(log_probs), [], float(log_probs[:, blank].double().sum()), blank)

    def _read(self, log_probs: Tensor) -> str:
        return read_by_ctc(log_probs, self.loaded.tokenizer, self.loaded.config.blank)


def _spoken(text: str) -> tuple[str, set[int]]:
    """A text without its tags, and which of its words were nothing but tags."""
    spoken, tags = "", set[int]()
    spans = word_spans(text)
    after = [*(span.start for span in spans[1:]), len(text)]
    for number, (span, following) in enumerate(zip(spans, after, strict=False)):
        word = text[span.start : span.end]
        bare = TAG.sub("", word)
        if bare != word and is_silent(bare):
            tags.add(number)
            continue
        spoken += unicodedata.normalize("NFC", bare) + " " * (following > span.end)
    spoken = spoken.rstrip()
    if len(word_spans(spoken)) != len(spans) - len(tags):  # its words would not be those of the text
        return text.strip(), set()
    return spoken, tags


def _as_written(written: list[str], timed: list[Word], tags: set[int], duration_s: float) -> list[Word]:
    """The words as the text has them with the times of those that were aligned; tags lie between their neighbours."""
    rest = iter(timed)
    words = [None if number in tags else next(rest) for number in range(len(written))]
    placed: list[Word] = []
    for known, run in groupby(zip(written, words, strict=True), key=lambda pair: pair[1] is not None):
        pairs = list(run)
        if known:
            placed += [replace(word, text=text) for text, word in pairs if word is not None]
            continue
        before_s = placed[-1].end_s if placed else 0.0
        following = words[len(placed) + len(pairs) :]
        after_s = following[0].start_s if following and following[0] else duration_s
        step_s = (after_s - before_s) / len(pairs)
        for number, (text, _) in enumerate(pairs):
            placed.append(Word(text, round(before_s + number * step_s, 3), round(before_s + (number + 1) * step_s, 3)))
    return placed
