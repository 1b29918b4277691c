"""The language model inside the LLM variant: a Hugging Face folder of the Qwen2 architecture, read lazily, and LoRA.

Only safetensors are read, and only by classes of transformers itself: a folder cannot run code.
"""

import json
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import PreTrainedModel, Qwen2ForCausalLM
from transformers.utils import logging as hf_logging

from firered.errors import ModelError
from firered.models.checkpoint import first_line

_INDEX, _WEIGHTS = "model.safetensors.index.json", "model.safetensors"

# Those of the released models; the rank is read off the weights.
LORA_RANK, LORA_ALPHA, LORA_DROPOUT = 64, 16, 0.05
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "up_proj", "gate_proj", "down_proj")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, whose headers have been read: none is cut short.

    Raises:
        ModelError: there are none, or one is missing or damaged; the message names it.
    """
    files = [folder / _WEIGHTS]
    if (folder / _INDEX).is_file():
        names = read_json(folder / _INDEX).get("weight_map", {}).values()
        files = sorted(folder / name for name in set(names))
    missing = [path for path in files if not path.is_file()]
    if missing or not files:
        pickled = " (pickled weights, *.bin, are not read: they could run code)" if any(folder.glob("*.bin")) else ""
        raise ModelError(f"{missing[0] if missing else folder / _INDEX}: no weights here{pickled}")
    for path in files:
        try:
            with safe_open(path, "pt"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(
                f"{path}: damaged or cut short ({error}); fetch it again, a pointer of git-lfs is not the file"
            ) from error
    return files


def load_llm(folder: Path, dtype: torch.dtype, device: torch.device | str) -> Qwen2ForCausalLM:
    """The language model of a folder, in evaluation mode, every tensor read straight into `dtype` and place.

    Args:
        folder: config.json and safetensors of any Qwen2.
        dtype: of the weights; where the file has the same, the weights stay mapped from it.
        device: one device, or "auto": spread over the GPUs there are by accelerate.

    Raises:
        ModelError: files are missing, damaged, or of another architecture.
    """
    _check_config(folder / "config.json")
    weight_files(folder)
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        loaded: Any = Qwen2ForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            device_map="auto" if device == "auto" else {"": device},
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,  # with which it returns a pair
        )
    except (RuntimeError, ValueError, OSError, TypeError, KeyError) as error:
        raise ModelError(f"{folder}: not a language model that can be loaded ({first_line(error)})") from error
    finally:
        if bars:
            hf_logging.enable_progress_bar()
    llm: Qwen2ForCausalLM
    llm, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(f"{folder}: {len(missing)} tensors are not in its files, {missing[0]} for one")
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
    return len(next(iter(found.values()))), targets


def _check_config(path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"{path}: missing; a Hugging Face folder of a Qwen2 model belongs here")
    config = read_json(path)
    if config.get("model_type") != "qwen2":
        raise ModelError(f"{path}: model_type is {config.get('model_type')!r}, not 'qwen2'")
    if config.get("use_sliding_window"):
        raise ModelError(f"{path}: use_sliding_window is set, only full attention is known here")
    if config.get("quantization_config"):
        raise ModelError(f"{path}: quantised weights, which LoRA cannot be merged into; take the model itself")


def read_json(path: Path) -> dict:
    """A JSON object of a file; ModelError where there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: not a JSON object")
    return value
