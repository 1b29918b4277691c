"""The language model inside the LLM variant: a Hugging Face folder of a causal one, read lazily, and LoRA.

Only safetensors are read, and only by classes of transformers itself: a folder cannot run code.
"""

import math
import warnings
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, PretrainedConfig, PreTrainedModel
from transformers.utils import logging as hf_logging

from firered.errors import ModelError
from firered.models.checkpoint import arg, check_weights, config_from_args, make_network, need_numbers, shown
from firered.models.safetensors_file import read_safetensors, shapes_in, weight_files
from firered.text.files import first_line, read_json

# Those of the released models; the rank is read off the weights.
LORA_RANK, LORA_ALPHA, LORA_DROPOUT = 64, 16, 0.05
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "gate_proj", "down_proj")


@dataclass(frozen=True)
class LlmSizes:
    """What of a config.json decides how large the model is."""

    vocab_size: int = arg(low=1)
    hidden_size: int = arg(low=1)
    intermediate_size: int = arg(low=1)
    num_hidden_layers: int = arg(low=1, layers=True)
    num_attention_heads: int = arg(low=1)
    num_key_value_heads: int = arg(32, low=1)
    max_position_embeddings: int = arg(32768, low=1)
    rms_norm_eps: float = arg(1e-6, low=0, high=1)
    tie_word_embeddings: bool = arg(False)


def load_llm(folder: Path, dtype: torch.dtype, device: torch.device | str) -> PreTrainedModel:
    """The language model of a folder, in evaluation mode, every tensor read straight into `dtype` and place.

    Args:
        folder: config.json and safetensors of a causal language model that transformers has a class for.
        dtype: of the weights; where the file has the same, the weights stay mapped from it.
        device: one device, or "auto": spread over the GPUs there are by accelerate.

    Raises:
        ModelError: files are missing, damaged, or of another architecture.
    """
    config = _checked_config(folder)
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        loaded: Any = _class_of(type(config)).from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            device_map="auto" if device == "auto" else {"": device},
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,  # with which it returns a pair
        )
    except Exception as error:  # the library raises errors of many kinds for values that do not fit together
        raise ModelError(f"{folder}: not a language model that can be loaded ({first_line(error)})") from error
    finally:
        if bars:
            hf_logging.enable_progress_bar()
    llm: PreTrainedModel
    llm, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(f"{folder}: {len(missing)} tensors are not in its files, {missing[0]} for one")
    unknown = sorted(name for name in report["unexpected_keys"] if "inv_freq" not in name)
    if unknown:
        kind = config.model_type
        raise ModelError(f"{folder}: {len(unknown)} tensors are not those of a {kind}, {shown(unknown[0])} for one")
    need_numbers(dict(llm.named_parameters()), folder)
    return llm.eval()


def map_llm(folder: Path) -> PreTrainedModel:
    """The language model of a folder, in evaluation mode on the processor, its weights mapped and not looked at yet.

    Raises:
        ModelError: files are missing, damaged, or of another architecture.
    """
    config = _checked_config(folder)
    state: dict[str, Tensor] = {}
    for file in weight_files(folder):
        state |= read_safetensors(file)[0]
    with torch.device("meta"):
        llm = _network(config)
    tied = "lm_head.weight"
    if config.tie_word_embeddings and "model.embed_tokens.weight" in state:
        state[tied] = state["model.embed_tokens.weight"]
    check_weights(
        llm.state_dict(keep_vars=True), state, folder, may_lack=[name for name in state if "inv_freq" in name]
    )
    llm.load_state_dict(state, assign=True, strict=False)
    for parent in llm.modules():
        if (rotary := getattr(parent, "rotary_emb", None)) is not None:
            parent.rotary_emb = type(rotary)(config)  # its tables are computed, not stored
    return llm.eval()


def with_lora(llm: PreTrainedModel, rank: int = LORA_RANK, targets: Iterable[str] = LORA_TARGETS) -> PeftModel:
    """The model with low-rank adapters on its projections; they start as no change, and only they are trained."""
    config = LoraConfig(
        r=rank,
        lora_alpha=LORA_ALPHA,
        lora_dropout=LORA_DROPOUT,
        target_modules=list(targets),
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft calls transformers by a name that is to go
        return get_peft_model(llm, config)


def lora_shape(state: dict[str, Tensor]) -> tuple[int, list[str]] | None:
    """Rank and adapted projections of the LoRA tensors in a state dict; None where it has none."""
    found = {name: value for name, value in state.items() if ".lora_A." in name}
    if not found:
        return None
    targets = sorted({name.partition(".lora_A.")[0].rpartition(".")[2] for name in found})
    first = next(iter(found.values()))
    return (len(first) if first.dim() else 0), targets


def _network(config: PretrainedConfig) -> PreTrainedModel:
    return _class_of(type(config))(config)


def _class_of(config: type[PretrainedConfig]) -> type[PreTrainedModel]:
    return cast(type[PreTrainedModel], MODEL_FOR_CAUSAL_LM_MAPPING[config])


def _checked_config(folder: Path) -> PretrainedConfig:
    """What config.json says, compared with the shapes of the tensors before there is memory for them."""
    path = folder / "config.json"
    config = _config(path)
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        shapes |= shapes_in(file)
    kind = _name_of(config["model_type"])
    if not config["model_type"].startswith("qwen") and "num_key_value_heads" not in config:
        config["num_key_value_heads"] = config.get("num_attention_heads")  # as the others' classes have it
    sizes = config_from_args(LlmSizes, Namespace(**config), f"a {kind}", source=path)
    shared = sizes.hidden_size % sizes.num_attention_heads if "head_dim" not in config else 0
    if shared or sizes.num_attention_heads % sizes.num_key_value_heads:
        raise ModelError(f"{path}: its hidden_size, num_attention_heads and num_key_value_heads do not fit together")
    with torch.device("meta"):
        llm = make_network(lambda: _network(_library_config(config)), sizes, len(shapes), path)
    if any(layer != "full_attention" for layer in getattr(llm.config, "layer_types", None) or ()):
        raise ModelError(f"{path}: some layers have no full attention, only that is known here")
    for name, wanted in llm.state_dict().items():
        if shapes.get(name, wanted.shape) != wanted.shape:
            raise ModelError(f"{folder}: {name} is {shapes[name]}, by its config.json {tuple(wanted.shape)}")
    needed, stored = sum(weight.numel() for weight in llm.parameters()), sum(map(math.prod, shapes.values()))
    if needed > 2 * stored:
        raise ModelError(f"{path}: a model of {needed} weights, its files have {stored}")
    return _library_config(config)


def _library_config(config: dict[str, Any]) -> PretrainedConfig:
    """The library's own class of a config; a class that the folder names is not looked at."""
    return CONFIG_MAPPING[config["model_type"]].from_dict(config)


def _name_of(model_type: str) -> str:
    """The name that the library has for models of a type, such as Qwen2; empty where it has none that writes text."""
    known = model_type in CONFIG_MAPPING and CONFIG_MAPPING[model_type] in MODEL_FOR_CAUSAL_LM_MAPPING
    if not known:
        return ""
    return _class_of(CONFIG_MAPPING[model_type]).__name__.removesuffix("ForCausalLM")


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ModelError(f"{path}: missing; a Hugging Face folder of a language model belongs here")
    config = read_json(path)
    kind = config.get("model_type")
    if not isinstance(kind, str) or not _name_of(kind):
        raise ModelError(f"{path}: model_type is {kind!r}, of which transformers has no causal language model")
    window = "use_sliding_window" if kind.startswith("qwen") else "sliding_window"
    if config.get(window):
        raise ModelError(f"{path}: {window} is set, only full attention is known here")
    if config.get("quantization_config"):
        raise ModelError(f"{path}: quantised weights, which LoRA cannot be merged into; take the model itself")
    return config
