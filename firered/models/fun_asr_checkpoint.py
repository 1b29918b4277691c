"""Fun-ASR-Nano from its checkpoints, unchanged: the published form (config.yaml, model.pt) and that of transformers."""

import functools
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import FunAsrNanoEncoder, Qwen3Config, Qwen3ForCausalLM

from firered.models.causal_lm import LlmSizes
from firered.models.checkpoint import check_weights, config_from_args, load_tensors, make_network, need_numbers
from firered.models.fun_asr import (
    Adaptor,
    AdaptorSizes,
    FunAsrEncoder,
    qwen3,
    released_adaptor_name,
    released_encoder_name,
    restore_rotary,
    sanm_encoder,
)
from firered.models.fun_asr_config import CONFIG, TRANSFORMERS_CONFIG, CheckpointConfig, llm_values, transformers_config
from firered.models.mapped import give_back
from firered.models.safetensors_file import read_safetensors, weight_files

WEIGHTS, CTC_VOCABULARY = "model.pt", "multilingual.tiktoken"
_OF_CTC = ("ctc_decoder.", "ctc.")
_MANY = 10_000  # tensors: more than any checkpoint has


@dataclass
class FunAsrParts:
    """The networks of a checkpoint, in evaluation mode: float32 but for the language model."""

    encoder: FunAsrEncoder
    llm: Qwen3ForCausalLM


def load_published(directory: Path, config: CheckpointConfig, dtype: torch.dtype) -> FunAsrParts:
    """The networks of a directory with config.yaml, model.pt and the folder of the language model's config.

    The CTC head is there if all its tensors are, in their shapes. All other tensors have to be.

    Args:
        directory: of the checkpoint.
        config: its config.yaml.
        dtype: number format of the language model.

    Raises:
        ModelError: a file is missing, damaged or of another model; tensors are named.
    """
    opened = _Opened.of(directory, config, dtype)
    sanm, adaptor, llm = opened.parts
    for part in [*opened.parts, *opened.head]:
        part.fill(opened.state, opened.path)
    restore_rotary(llm.module)
    head = [part.module for part in opened.head]
    return FunAsrParts(FunAsrEncoder(sanm.module, adaptor.module, *head).eval(), llm.module.eval())


def load_ctc(directory: Path, config: CheckpointConfig) -> FunAsrEncoder | None:
    """Encoder and CTC head of a published directory, without the language model; None: it has no complete CTC head.

    Raises:
        ModelError: as `load_published`.
    """
    opened = _Opened.of(directory, config, torch.float32)
    if not opened.head:
        return None
    used = [*opened.parts[:2], *opened.head]
    for part in used:
        part.fill(opened.state, opened.path)
    return FunAsrEncoder(*(part.module for part in used)).eval()


def load_sanm(directory: Path, config: CheckpointConfig) -> FunAsrNanoEncoder:
    """The encoder of a published directory alone.

    Raises:
        ModelError: as `load_published`.
    """
    opened = _Opened.of(directory, config, torch.float32)
    opened.parts[0].fill(opened.state, opened.path)
    encoder: FunAsrNanoEncoder = opened.parts[0].module.eval()
    return encoder


def has_ctc(directory: Path, config: CheckpointConfig) -> bool:
    """Whether a published directory has a complete CTC head; no values are read.

    Raises:
        ModelError: as `load_published`.
    """
    return bool(_Opened.of(directory, config, torch.float32).head)


def published_shapes(directory: Path, config: CheckpointConfig) -> dict[str, torch.Size]:
    """Shape by name of all tensors of a published checkpoint with this config, those of the CTC head last."""
    return _shapes(_published_parts(directory, config, torch.float32))


@dataclass
class _Opened:
    """A published checkpoint's tensors by name, and the networks that they fit, which have no memory yet."""

    path: Path
    state: Mapping[str, Tensor]
    parts: "list[_Part]"  # encoder, adaptor, language model
    head: "list[_Part]"  # the two of the CTC head; none where it is not complete

    @classmethod
    def of(cls, directory: Path, config: CheckpointConfig, dtype: torch.dtype) -> "_Opened":
        """Those of a directory; ModelError where its tensors, the CTC head's excepted, are not as they have to be."""
        path = directory / WEIGHTS
        state = {name.removeprefix("module."): value for name, value in load_tensors(path).items()}
        sanm, adaptor, llm, *head = _published_parts(directory, config, dtype, len(state))
        parts = [sanm, adaptor, llm]
        check_weights(_wanted(parts), {name: v for name, v in state.items() if not name.startswith(_OF_CTC)}, path)
        if any(name not in state or state[name].shape != shape for name, shape in _shapes(head).items()):
            head = []
        return cls(path, state, parts, head)


def _published_parts(
    directory: Path, config: CheckpointConfig, dtype: torch.dtype, tensors: int = _MANY
) -> "list[_Part]":
    """Encoder, adaptor, language model and the two of the CTC head, without memory, for a file of so many tensors."""
    path, head = directory / CONFIG, config.ctc_decoder
    named = functools.partial(released_encoder_name, sizes=config.encoder)
    llm = directory / config.llm
    with torch.device("meta"):
        parts = [
            _Part(_sanm(config, tensors, path), "audio_encoder.", named),
            _Part(_adaptor(config.adaptor, tensors, path), "audio_adaptor.", released_adaptor_name),
            _Part(_qwen3(llm_values(llm), tensors, llm / TRANSFORMERS_CONFIG), "llm.", _as_it_is, dtype),
        ]
        if head is not None:
            last = nn.Linear(head.llm_dim, config.ctc_words)
            parts += [
                _Part(_adaptor(head, tensors, path), "ctc_decoder.", released_adaptor_name),
                _Part(last, "ctc.ctc_lo.", _as_it_is),
            ]
    return parts


def _sanm(config: CheckpointConfig, tensors: int, path: Path) -> FunAsrNanoEncoder:
    sizes, front_end = config.encoder, config.front_end
    return make_network(lambda: sanm_encoder(sizes, front_end.bins, front_end.stack), sizes, tensors, path)


def _adaptor(sizes: AdaptorSizes, tensors: int, path: Path) -> Adaptor:
    return make_network(lambda: Adaptor(sizes), sizes, tensors, path)


def _qwen3(values: Mapping[str, Any], tensors: int, path: Path) -> Qwen3ForCausalLM:
    """The language model of a config.json's values."""
    sizes = config_from_args(LlmSizes, Namespace(**values), "a Qwen3", source=path)
    return make_network(lambda: qwen3(Qwen3Config(**values)), sizes, tensors, path)


def load_transformers(directory: Path, config: CheckpointConfig, dtype: torch.dtype) -> FunAsrParts:
    """The networks of a directory with config.json and safetensors, the form of transformers; it has no CTC head.

    Args:
        directory: of the checkpoint.
        config: its config.json.
        dtype: number format of the language model.

    Raises:
        ModelError: a file is missing, damaged or of another model; tensors are named.
    """
    path = directory / TRANSFORMERS_CONFIG
    text_config = transformers_config(path).text_config
    assert isinstance(text_config, Qwen3Config)
    state: dict[str, Tensor] = {}
    for file in weight_files(directory):
        state.update(read_safetensors(file)[0])
    tensors = len(state)
    with torch.device("meta"):
        sanm, adaptor = _sanm(config, tensors, path), _adaptor(config.adaptor, tensors, path)
        llm = _qwen3(text_config.to_dict(), tensors, path)
    tied = "lm_head.weight"
    state.setdefault(tied, state.get("model.language_model.embed_tokens.weight", torch.empty(0)))
    parts = [
        _Part(sanm, "model.audio_tower.", _as_it_is),
        _Part(adaptor, "model.multi_modal_projector.", lambda name: (name.removeprefix("net."), None)),
        _Part(llm.model, "model.language_model.", _as_it_is, dtype),
        _Part(llm.lm_head, "lm_head.", _as_it_is, dtype),
    ]
    check_weights(_wanted(parts), state, directory)
    for part in parts:
        part.fill(state, directory)
    restore_rotary(llm, rounded=False)
    return FunAsrParts(FunAsrEncoder(sanm, adaptor).eval(), llm.eval())


def _as_it_is(name: str) -> tuple[str, int | None]:
    return name, None


@dataclass
class _Part:
    """One of the networks, and what its parameters are called in the file: a name, and which third of that tensor."""

    module: Any  # a network
    prefix: str
    released: Callable[[str], tuple[str, int | None]]
    dtype: torch.dtype = torch.float32

    def shapes(self) -> dict[str, torch.Size]:
        """Shape by name of the tensors that the file must have for it."""
        shapes: dict[str, torch.Size] = {}
        for name, parameter in self.module.state_dict().items():
            released, third = self.released(name)
            rows = parameter.shape[0] if third is None else 3 * parameter.shape[0]
            shapes[self.prefix + released] = torch.Size((rows, *parameter.shape[1:]))
        return shapes

    def fill(self, state: Mapping[str, Tensor], path: Path) -> None:
        """Put the file's tensors into the module; ModelError where some are no numbers."""
        values: dict[str, Tensor] = {}
        for name in self.module.state_dict():
            released, third = self.released(name)
            value = state[self.prefix + released]
            value = value if third is None else value.chunk(3)[third]
            values[name] = value.to(self.dtype)
            need_numbers({name: values[name]}, path)
            give_back(value)
        self.module.load_state_dict(values, assign=True)


def _shapes(parts: "Sequence[_Part]") -> dict[str, torch.Size]:
    return {name: shape for part in parts for name, shape in part.shapes().items()}


def _wanted(parts: "Sequence[_Part]") -> dict[str, Tensor]:
    """The same as tensors without memory."""
    return {name: torch.empty(shape, device="meta") for name, shape in _shapes(parts).items()}
