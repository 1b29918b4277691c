"""A loaded recogniser of transformers: network, processor, device, number format, and how much audio it hears at once.

Only safetensors are read, and only by classes of transformers itself: a directory cannot run code.
"""

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
import transformers
from safetensors import safe_open
from torch import Tensor
from transformers.utils import logging as hf_logging

from firered.asr.families.transformers_graph import token_texts
from firered.asr.families.transformers_kinds import CONFIG, auto_class
from firered.asr.transformers_config import TransformersConfig
from firered.audio.framing import LOWEST_RATE, SAMPLE_RATE
from firered.errors import FireRedError, ModelError
from firered.models.checkpoint import need_numbers, pick_device
from firered.models.dtype import check_dtype, llm_dtype
from firered.models.safetensors_file import weight_files
from firered.text.files import check_file, first_line, read_json

_AUDIO = ("input_features", "input_values", "audio_values")
_MASKS = ("input_features_mask", "feature_attention_mask", "input_values_mask", "padding_mask", "audio_attention_mask")
_FEW = 200  # layers that no file is needed for
_HIGHEST_RATE = 192_000
_COUNTERS = ("I64", "I32", "BOOL")  # such as those of batch normalisation
log = logging.getLogger(__name__)

Inputs = Mapping[str, Any]  # what a processor gives, and a network takes


@dataclass
class LoadedTransformers:
    """What a directory holds, ready for inference."""

    directory: Path
    network: Any  # a PreTrainedModel with what its kind adds
    processor: Any
    device: torch.device
    auto: str

    @classmethod
    def load(cls, directory: Path, options: TransformersConfig, device: str) -> "LoadedTransformers":
        """The recogniser of a directory.

        Raises:
            ModelError: files are missing or damaged, hold another kind of model, or there is no such device.
            OptionError: a number format is not available there.
        """
        for path in directory.iterdir():
            if path.suffix in (".json", ".jinja", ".txt", ".model") and path.is_file():
                check_file(path, may_be_empty=path.suffix == ".txt")
        auto = auto_class(read_json(directory / CONFIG))
        if auto is None:
            raise ModelError(f"{directory / CONFIG}: not of a speech recogniser that transformers {_VERSION} knows")
        place = pick_device(device)
        _check_layers(directory)
        with _quiet():
            processor = _processor(directory)
            llm = "text_config" in read_json(directory / CONFIG) or auto == "AutoModelForMultimodalLM"
            network = _network(directory, auto, _dtype(options.dtype, llm, place))
        return cls(directory, network.to(place).eval(), processor, place, auto)

    @property
    def sources(self) -> list[Path]:
        """The files that it was loaded from."""
        texts = (path for path in self.directory.iterdir() if path.suffix in (".json", ".txt", ".jinja", ".model"))
        return [*weight_files(self.directory, _COUNTERS), *sorted(texts)]

    @property
    def kind(self) -> str:
        """Its model type, such as `whisper`."""
        return self.network.config.model_type

    @cached_property
    def extractor(self) -> Any:  # noqa: ANN401 - of any class
        """What makes features of samples."""
        names = ("feature_extractor", "audio_processor")
        return next((own for name in names if (own := getattr(self.processor, name, None))), self.processor)

    @cached_property
    def tokenizer(self) -> Any:  # noqa: ANN401
        """What makes text of tokens."""
        return getattr(self.processor, "tokenizer", None) or self.processor

    @property
    def rate(self) -> int:
        """The sample rate that it is made for, in Hz."""
        rate = getattr(self.extractor, "sampling_rate", None) or SAMPLE_RATE
        if not isinstance(rate, int) or not LOWEST_RATE <= rate <= _HIGHEST_RATE:
            raise ModelError(f"{self.directory}: its feature extractor is for {rate!r} Hz, at which no model hears")
        return rate

    def resampled(self, samples: np.ndarray) -> np.ndarray:
        """(n,) samples with full scale 1, of the model's rate; those given are of 16 kHz on the int16 scale."""
        scaled = np.asarray(samples, np.float32) / 32768
        return scaled if self.rate == SAMPLE_RATE else soxr.resample(scaled, SAMPLE_RATE, self.rate)

    def to_device(self, inputs: Inputs) -> dict[str, Any]:
        """The inputs on the network's device, floats in its number format."""
        moved = {name: value for name, value in inputs.items() if value is not None}
        for name, value in moved.items():
            if isinstance(value, Tensor):
                moved[name] = value.to(self.device, self.network.dtype if value.is_floating_point() else None)
        return moved

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out, without white space before it."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True).lstrip()

    def token_texts(self) -> list[str | bytes | None]:
        """What each token of the network writes; None for what is no text."""
        head = self.network.get_output_embeddings()
        size = len(self.tokenizer) if head is None else head.out_features
        return token_texts(self.tokenizer, size)

    def tokens(self, ids: Sequence[int]) -> list[str]:
        """The text of each token on its own."""
        return ["".join(self.tokenizer.decode([token]).split()) or "▁" for token in ids]


class Hearing:
    """How much of the audio a processor's features hold, measured on noise: extractors cut long audio silently.

    Args:
        inputs: the processor's outputs for samples (n,).
        extractor: of the processor.
        rate: of the samples, in Hz.
        longest_s: what is to be given at most.
    """

    def __init__(self, inputs: Callable[[np.ndarray], Inputs], extractor: object, rate: int, longest_s: float) -> None:
        self._inputs, self._rate = inputs, rate
        self._bins = int(getattr(extractor, "feature_size", 1) or 1)
        short_s, long_s = 0.25 * longest_s, 0.5 * longest_s
        short, longer = self._rows_of_noise(short_s), self._rows_of_noise(long_s)
        if longer > short:
            self.row_s = (long_s - short_s) / (longer - short)
        else:  # filled up to a fixed length
            self.row_s = int(getattr(extractor, "hop_length", 1) or 1) / rate
        full = self._rows_of_noise(longest_s) * self.row_s
        self.longest_s = longest_s if full >= self._least(longest_s) else math.floor(100 * full) / 100

    def check(self, inputs: Inputs, duration_s: float) -> None:
        """Raise ModelError where the features of one window hold less than its audio."""
        held_s = self._rows(inputs) * self.row_s
        if held_s < self._least(duration_s):
            raise ModelError(
                f"the model's feature extractor kept {held_s:.2f} of {duration_s:.2f} s; give --window-seconds "
                f"{max(2.0, math.floor(held_s)):g}"
            )

    def _least(self, duration_s: float) -> float:
        return 0.97 * duration_s - 2 * self.row_s - 0.03

    def _rows_of_noise(self, seconds: float) -> int:
        noise = np.random.default_rng(0).normal(0, 0.01, max(1, round(seconds * self._rate))).astype(np.float32)
        return self._rows(self._inputs(noise))

    def _rows(self, inputs: Inputs) -> int:
        """Rows of features of one utterance: those that its mask counts, else all."""
        masks = [inputs[name] for name in _MASKS if inputs.get(name) is not None]
        if not masks and "input_ids" not in inputs and inputs.get("attention_mask") is not None:
            masks = [inputs["attention_mask"]]
        if masks:
            return int(torch.as_tensor(masks[0]).sum())
        audio = next((inputs[name] for name in _AUDIO if inputs.get(name) is not None), None)
        if audio is None:
            raise ModelError(f"the processor gives {', '.join(inputs)}: no features that are known here")
        bins = self._bins if self._bins in audio.shape[1:] else 1
        return audio.numel() // bins


_VERSION = transformers.__version__


def _check_layers(directory: Path) -> None:
    """Raise ModelError where config.json asks for more layers than its files have tensors: before they are made."""
    tensors = 0
    for path in weight_files(directory, _COUNTERS):
        with safe_open(path, "pt") as file:
            tensors += len(file.keys())
    for name, layers in _layers(read_json(directory / CONFIG)):
        if layers > max(tensors, _FEW):
            raise ModelError(f"{directory / CONFIG}: {name} is {layers}, but its weights are {tensors} tensors")


def _layers(values: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The numbers of layers that a config.json names, those of its parts too."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _layers(value)
        elif isinstance(value, int) and ("layers" in name or name == "depth"):
            yield name, value


def _dtype(name: str, llm: bool, device: torch.device) -> torch.dtype:
    """The number format that an option means."""
    if llm:
        if name == "auto" and device.type == "cpu":
            return torch.float32
        dtype = llm_dtype(name, device)
        if name == "float16":
            log.warning("dtype: language models overflow in float16; this computes in %s instead", str(dtype)[6:])
        return dtype
    name = "float32" if name == "auto" else name
    check_dtype(name, device)
    return getattr(torch, name)


def _processor(directory: Path) -> Any:  # noqa: ANN401
    """The processor of a directory; where it needs a package for a language model of its own, its parts without it."""
    given = {"local_files_only": True, "trust_remote_code": False}
    try:
        return transformers.AutoProcessor.from_pretrained(directory, **given)
    except Exception as error:  # the libraries below raise anything
        reason = error
    try:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(directory, **given)
        tokenizer = transformers.AutoTokenizer.from_pretrained(directory, **given)
    except Exception:
        raise ModelError(f"{directory}: no processor that can be loaded ({first_line(reason)})") from reason
    log.warning("%s: its processor cannot be loaded (%s); features and tokens alone", directory, first_line(reason))
    return _Parts(extractor, tokenizer)


@dataclass
class _Parts:
    """A feature extractor and a tokenizer, where there is no processor."""

    feature_extractor: Any
    tokenizer: Any


def _network(directory: Path, auto: str, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """The network with all its weights.

    Raises:
        ModelError: it cannot be made, or some weights are not in the files, or no numbers.
    """
    kind = getattr(transformers, auto)
    if str(read_json(directory / CONFIG).get("model_type")).startswith("qwen2_5_omni"):
        kind = transformers.Qwen2_5OmniThinkerForConditionalGeneration  # the part that writes; the other one talks
    try:
        network, report = kind.from_pretrained(
            directory,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except FireRedError:
        raise
    except Exception as error:  # the library raises errors of many kinds for values that do not fit together
        raise ModelError(f"{directory}: not a recogniser that can be loaded ({first_line(error)})") from error
    faults = sorted(report["missing_keys"]) + [f"the shape of {name}" for name in report.get("mismatched_keys") or ()]
    if faults:
        raise ModelError(f"{directory}: {len(faults)} tensors are not as its config.json says, {faults[0]} for one")
    need_numbers(dict(network.named_parameters()), directory)
    return network


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and advice of transformers; errors are raised."""
    level, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hf_logging.set_verbosity(level)
        if bars:
            hf_logging.enable_progress_bar()


quiet = _quiet
