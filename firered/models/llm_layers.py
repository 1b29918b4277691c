"""Layers of a Qwen3 language model taken over by an encoder of speech (FunAudio-ASR report, section 4.1).

The folder is Hugging Face's: config.json, and safetensors or `pytorch_model.bin`, which is read as a checkpoint is and
runs nothing.
"""

import logging
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from firered.errors import ModelError
from firered.models.checkpoint import arg, config_from_args, load_tensors, load_weights, shown
from firered.models.encoder_config import QWEN3
from firered.models.qwen3_encoder import Qwen3Encoder
from firered.models.safetensors_file import read_safetensors, weight_files
from firered.text.files import read_json

log = logging.getLogger(__name__)

_CONFIG, _PICKLED, _PICKLED_INDEX = "config.json", "pytorch_model.bin", "pytorch_model.bin.index.json"
_LAYERS, _NORM = "layers.", "norm.weight"  # in the folder's names, less `model.`
# What a config.json may state, and has to be as here.
_ONLY = {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False}


@dataclass(frozen=True)
class LlmShape:
    """What of a config.json its layers are made of."""

    hidden_size: int = arg(low=2)
    intermediate_size: int = arg(low=1)
    num_hidden_layers: int = arg(low=1, layers=True)
    num_attention_heads: int = arg(low=1)
    num_key_value_heads: int = arg(low=1)
    head_dim: int = arg(128, low=2)  # what transformers has where it is not stated
    rms_norm_eps: float = arg(1e-6, low=0, high=1)
    rope_theta: float = arg(1e4, low=1)

    @classmethod
    def of_folder(cls, folder: Path) -> "LlmShape":
        """That of a language model's folder.

        Raises:
            ModelError: it has no config.json, or that of a model whose layers are others.
        """
        path = folder / _CONFIG
        if not path.exists():
            raise ModelError(f"{path}: missing; the folder of a Qwen3 language model belongs here")
        values = read_json(path)
        if values.get("model_type") != QWEN3:
            kind = ascii(values.get("model_type"))[:60]
            raise ModelError(f"{path}: model_type is {kind}; an encoder takes layers of a {QWEN3!r} alone")
        rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
        _need_default(values, rope, path)
        theta = {"rope_theta": rope["rope_theta"]} if "rope_theta" in rope else {}
        return config_from_args(cls, Namespace(**values | theta), "a Qwen3", source=path)

    def encoder_args(self, layers: int) -> dict[str, Any]:
        """The fields of `EncoderConfig` for an encoder that takes so many of its layers; 0: all.

        Raises:
            ModelError: it has fewer.
        """
        if layers > self.num_hidden_layers:
            raise ModelError(f"{layers} layers are wanted of a language model that has {self.num_hidden_layers}")
        return {
            "encoder_type": QWEN3,
            "d_model": self.hidden_size,
            "n_layers_enc": layers or self.num_hidden_layers,
            "enc_heads": self.num_attention_heads,
            "enc_kv_heads": self.num_key_value_heads,
            "enc_head_dim": self.head_dim,
            "enc_ffn_dim": self.intermediate_size,
            "enc_rope_theta": self.rope_theta,
            "enc_norm_eps": self.rms_norm_eps,
        }


def _need_default(values: Mapping[str, Any], rope: object, path: Path) -> None:
    """Raise ModelError where layers compute otherwise than those of Qwen3 do by default."""
    if not isinstance(rope, Mapping) or rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ModelError(f"{path}: its rotary positions are scaled, only plain ones are known here")
    for name, only in _ONLY.items():
        if values.get(name, only) != only:
            raise ModelError(f"{path}: {name} is {ascii(values[name])[:60]}, an encoder's layers have {only!r}")
    if any(kind != "full_attention" for kind in values.get("layer_types") or ()):
        raise ModelError(f"{path}: some layers have no full attention, an encoder's have")


def take_layers(encoder: Qwen3Encoder, folder: Path) -> None:
    """Put the weights of a language model's first layers into an encoder, and its last norm where it takes all.

    What the encoder has before them stays as it is.

    Raises:
        ModelError: weights of a layer are missing, of another shape or no numbers, or a layer has more than are taken.
    """
    count, wanted = LlmShape.of_folder(folder).num_hidden_layers, len(encoder.layer_stack)
    found: dict[str, Tensor] = {}
    for name, tensor in _tensors(folder).items():
        own = name.removeprefix("model.")
        number = own.removeprefix(_LAYERS).partition(".")[0]
        if own.startswith(_LAYERS) and not number.isdecimal():
            raise ModelError(f"{folder}: {shown(name)} is no weight of a layer")
        if own.startswith(_LAYERS) and int(number) < wanted:
            found[f"layer_stack.{own.removeprefix(_LAYERS)}"] = tensor
        elif own == _NORM and wanted == count:
            found[own] = tensor
    before = [name for name in encoder.state_dict() if not name.startswith("layer_stack.")]
    if wanted == count:
        before.remove(_NORM)
    load_weights(encoder, found, folder, may_lack=before)
    log.info("%s: the encoder begins with its first %d of %d layers", folder, wanted, count)


def _tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of a folder by name, mapped from its files."""
    pickled = folder / _PICKLED
    if any(folder.glob("*.safetensors")) or not any(folder.glob("pytorch_model*.bin")):
        return {name: tensor for file in weight_files(folder) for name, tensor in read_safetensors(file)[0].items()}
    if pickled.exists():
        return load_tensors(pickled)
    names = read_json(folder / _PICKLED_INDEX).get("weight_map")
    if not isinstance(names, dict) or not all(isinstance(one, str) and Path(one).name == one for one in names.values()):
        raise ModelError(f"{folder / _PICKLED_INDEX}: no `weight_map` from tensors to names of files in this folder")
    return {key: one for file in sorted(set(names.values())) for key, one in load_tensors(folder / file).items()}
