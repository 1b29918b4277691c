"""A loaded Fun-ASR-Nano with everything around it: tokenizers, prompts, devices and number formats."""

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import FunAsrNanoProcessor, Qwen3ForCausalLM

from firered.asr.fun_asr_config import FunAsrConfig
from firered.audio.frontend import FrontEnd
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import MLT_WEIGHTS, MODELS, PUBLISHED
from firered.hub.find import download_line
from firered.models.bfloat16 import cpu_has_bfloat16, widen
from firered.models.checkpoint import model_files, pick_device
from firered.models.dtype import check_dtype, llm_dtype
from firered.models.fun_asr import FunAsrEncoder, row_mask
from firered.models.fun_asr_checkpoint import (
    CTC_VOCABULARY,
    WEIGHTS,
    FunAsrParts,
    load_published,
    load_transformers,
)
from firered.models.fun_asr_config import CONFIG, PUBLISHED_CTC_WORDS, TRANSFORMERS_CONFIG, CheckpointConfig
from firered.models.quantise import quantise_layers
from firered.models.safetensors_file import weight_files
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.text.bpe_tokenizer import SPECIAL, BpeTokenizer
from firered.text.files import check_file, first_line
from firered.text.fun_asr import Request, around_speech
from firered.text.languages import CHINESE_NAME
from firered.text.llm_tokenizer import TOKENIZER_FILES, ChatTokenizer

NANO = "Fun-ASR-Nano-2512"  # whose files do for a directory of another name, too
_NANO_LANGUAGES = ("zh", "en", "ja")

log = logging.getLogger(__name__)


@dataclass
class LoadedFunAsr:
    """The networks of a checkpoint directory, ready for inference."""

    config: CheckpointConfig
    encoder: FunAsrEncoder
    llm: Qwen3ForCausalLM
    tokenizer: ChatTokenizer
    ctc_tokenizer: BpeTokenizer | None  # None: the checkpoint has no CTC head
    device: torch.device
    directory: Path
    processor: FunAsrNanoProcessor | None = None  # of the form of transformers, whose prompts are in its template

    @classmethod
    def load(cls, directory: Path, options: FunAsrConfig, device: str) -> "LoadedFunAsr":
        """What a directory of either form holds.

        Raises:
            ModelError: files are missing, damaged or do not fit together, or there is no such device.
            OptionError: a number format is not available there.
        """
        place = pick_device(device)
        check_dtype(options.encoder_dtype, place)
        if options.dtype == "int8":
            check_dtype(options.dtype, place)
        dtype = torch.float32 if options.dtype == "int8" else llm_dtype(options.dtype, place)
        if options.dtype == "float16":
            name = str(dtype).removeprefix("torch.")
            log.warning("dtype: the language model overflows in float16 and computes in %s instead", name)
        processor = None
        if (directory / WEIGHTS).exists() or not (directory / TRANSFORMERS_CONFIG).exists():
            config = CheckpointConfig.read(model_files(directory, CONFIG, WEIGHTS)[0])
            parts = load_published(directory, config, dtype)
        else:
            config = CheckpointConfig.read_transformers(directory / TRANSFORMERS_CONFIG)
            parts, processor = load_transformers(directory, config, dtype), _processor(directory)
        with _whole(directory, directory / config.llm, f"the language model has {parts.llm.config.vocab_size} tokens"):
            tokenizer = ChatTokenizer.from_dir(directory / config.llm)
            tokenizer.check_size(parts.llm.config.vocab_size)
        ctc_tokenizer = read_ctc_tokenizer(directory, config) if parts.encoder.ctc is not None else None
        _put(parts, options, place, directory)
        return cls(config, parts.encoder, parts.llm, tokenizer, ctc_tokenizer, place, directory, processor)

    @property
    def sources(self) -> list[Path]:
        """The files that it was loaded from."""
        folder = self.directory / self.config.llm
        of_llm = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".jinja"))
        if self.processor is not None:
            return [*weight_files(self.directory), *of_llm]
        ctc = [CTC_VOCABULARY] if self.ctc_tokenizer else []
        return [*model_files(self.directory, CONFIG, WEIGHTS, *ctc), *of_llm]

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that may be named in the prompt."""
        return languages_of(self.directory, self.config)

    @property
    def front_end(self) -> FrontEnd:
        """The features that it takes."""
        return self.config.front_end

    def rows(self, batch: Sequence[Speech]) -> tuple[Tensor, Tensor]:
        """What the encoder takes: rows (N, L, 560) of stacked features, padded with zeros, and lengths (N,)."""
        feats = [self._scaled(speech.feats) for speech in batch]
        return padded_rows(feats, self.front_end, self.device, self.encoder.dtype)

    def hears(self, speech: Speech) -> bool:
        """Whether anything in an utterance is above the floor of the features, so that it is not digital silence."""
        return bool((self._scaled(speech.feats) > _FLOOR + _ABOVE_FLOOR).any())

    def _scaled(self, feats: Tensor) -> Tensor:
        return _unscaled(feats) if self.processor else feats

    def heard(self, rows: int) -> int:
        """How many of so many encoder rows the language model is given."""
        return self.config.heard(rows)

    def prompts(
        self, encoded: Tensor, lengths: Tensor, contexts: Sequence[Context], itn: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the language model is given.

        Args:
            encoded: (N, L, d) encoder rows.
            lengths: (N,) rows of each utterance.
            contexts: of each; the language is None or one code of `languages`.
            itn: see `Request`.

        Returns:
            Embeddings (N, S, d), padded on the left with zeros; mask (N, S); the last token of each (N,).
        """
        adapted = self.encoder.adaptor(encoded, lengths)[0]
        embed = self.llm.get_input_embeddings()
        prompts, last = [], []
        for rows, length, context in zip(adapted, lengths.tolist(), contexts, strict=True):
            before, after = (self.tokenizer.ids_of(text) for text in self.prompt(context, itn))
            parts = [embed(torch.tensor(ids, device=self.device)) for ids in (before, after)]
            prompts.append(torch.cat([parts[0], rows[: self.heard(length)].to(parts[0]), parts[1]]))
            last.append(after[-1])
        counts = torch.tensor([len(prompt) for prompt in prompts], device=self.device)
        padded = pad_sequence(prompts, batch_first=True, padding_side="left")
        return padded, row_mask(padded, counts).flip(1), torch.tensor(last, device=self.device)

    def prompt(self, context: Context, itn: bool) -> tuple[str, str]:
        """The text before and after the speech; to the tokenizer each is a text of its own."""
        language = CHINESE_NAME.get(context.language, context.language) if context.language else None
        request = Request(language, itn, context.hotwords.texts, context.prompt, context.history)
        if self.processor is None:
            config = self.config
            return around_speech(str(request), context.prefix, system=config.system_prompt, thinks=config.thinks)
        before, after = _from_template(self.processor, request)
        return before, after + context.prefix


def languages_of(directory: Path, config: CheckpointConfig) -> tuple[str, ...]:
    """Codes of the languages that may be named in the prompt: those of config.yaml's `languages`, if it has any.

    The multilingual checkpoint is known by its size, all others know what Fun-ASR-Nano does.
    """
    if config.languages:
        return config.languages
    path = directory / WEIGHTS
    many = path.exists() and path.stat().st_size == MLT_WEIGHTS[0]
    return tuple(CHINESE_NAME) if many else _NANO_LANGUAGES


def padded_rows(
    feats: Sequence[Tensor], front_end: FrontEnd, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """What an encoder takes: rows (N, L, 560) of utterances' frames, padded with zeros, and lengths (N,)."""
    stacked = [front_end.stacked(own) for own in feats]
    lengths = torch.tensor([len(rows) for rows in stacked], device=device)
    return pad_sequence(stacked, batch_first=True).to(device, dtype), lengths


_FLOOR = math.log(torch.finfo(torch.float32).eps)  # of log energies, here as in Kaldi
_ABOVE_FLOOR = 1e-3


def _unscaled(feats: Tensor) -> Tensor:
    """The filterbank of samples within 1, from that of the int16 scale: transformers takes the floor there."""
    return (feats - 30 * math.log(2)).clamp(min=_FLOOR)


def why_no_ctc(directory: Path) -> str:
    """What to do where a checkpoint has no CTC head, for messages: the file that has one, and how to get it."""
    weights = directory / WEIGHTS
    have = f"{weights}, {weights.stat().st_size:,} bytes" if weights.is_file() else str(directory)
    size = PUBLISHED[NANO].hashes["modelscope"][WEIGHTS][0]
    to = directory.parent if directory.name == NANO else MODELS
    return (
        f"{have}, has no CTC head, or not all of its tensors. ModelScope's {WEIGHTS} of {NANO}, {size:,} bytes, has "
        f"them: {download_line(NANO, to)} --hub modelscope"
    )


def read_ctc_tokenizer(directory: Path, config: CheckpointConfig) -> BpeTokenizer:
    """The CTC head's tokenizer; ModelError where it is missing, damaged or of another head."""
    path, pieces = directory / CTC_VOCABULARY, config.ctc_words - len(SPECIAL)
    size = ", about 907 kB" if config.ctc_words == PUBLISHED_CTC_WORDS else ""
    with _whole(directory, path, f"the CTC head needs {pieces} pieces, a line each{size}"):
        tokenizer = BpeTokenizer.from_file(path)
        if len(tokenizer) != config.ctc_words:
            raise ModelError(f"{path}: {len(tokenizer) - len(SPECIAL)} pieces")
    return tokenizer


@contextmanager
def _whole(directory: Path, place: Path, wanted: str) -> Iterator[None]:
    """Errors of a tokenizer inside the block say what size its files have and should have, and what fetches them.

    Args:
        directory: of the model.
        place: the tokenizer's file, or the folder of its files.
        wanted: what it should hold.
    """
    try:
        yield
    except ModelError as error:
        files = [path for path in (place / name for name in TOKENIZER_FILES) if path.is_file()]
        files = [place] if place.is_file() else files
        sizes = ", ".join(f"{path.name} has {path.stat().st_size} bytes" for path in files)
        name = directory.name if directory.name in PUBLISHED else NANO
        fetch = download_line(name, directory.absolute().parent)
        raise ModelError(f"{error}\n  {sizes or 'there is none'}; {wanted}; whole files come with `{fetch}`") from error


def _put(parts: FunAsrParts, options: FunAsrConfig, place: torch.device, directory: Path) -> None:
    """Bring the networks into the number formats of the options, on a device."""
    encoder, llm = parts.encoder, cast(Any, parts.llm)  # transformers' type of `to` is wrong
    if options.dtype == "int8":
        quantise_layers(llm, directory)
    elif llm.dtype == torch.bfloat16 and place.type == "cpu" and not cpu_has_bfloat16():
        widen(llm)
    llm.to(place)
    if options.encoder_dtype == "int8":
        quantise_layers(encoder, directory)
    else:
        encoder.to(place, getattr(torch, options.encoder_dtype))


def _processor(directory: Path) -> FunAsrNanoProcessor:
    """What makes prompts from the checkpoint's template, which has been tried.

    Raises:
        ModelError: it cannot be loaded, or its template has no place for speech.
    """
    for path in directory.iterdir():
        if path.suffix in (".json", ".jinja"):
            check_file(path)
    try:
        processor = FunAsrNanoProcessor.from_pretrained(directory, local_files_only=True)
        before, after = _from_template(processor, Request())
    except Exception as error:  # the libraries below raise anything
        raise ModelError(f"{directory}: no processor that can be loaded ({first_line(error)})") from error
    if not before or not after:
        raise ModelError(f"{directory}: its prompt template has nothing before or after {processor.audio_token!r}")
    return processor


def _from_template(processor: FunAsrNanoProcessor, request: Request) -> tuple[str, str]:
    """The text before and after the speech by the checkpoint's own template.

    Raises:
        OptionError: something is wanted that the template has no place for.
    """
    if not request.itn:
        raise OptionError("itn: this form of the model always writes numbers as usual; the published form can do both")
    (text,) = processor.apply_transcription_request(
        [np.zeros(1, np.float32)],
        language=request.language or None,
        prompt=request.free_text or None,
        keywords=list(request.hotwords) or None,
        tokenize=False,
    )
    before, _, after = text.partition(processor.audio_token)
    return before, after
