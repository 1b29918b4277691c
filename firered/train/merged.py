"""A trained speech-LLM with LoRA merged into its language model, and the parts that were trained alone."""

import logging
import shutil
from argparse import Namespace
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils import logging as hf_logging

from firered.asr.families.speech_llm_loaded import llm_folder
from firered.data.atomic import replacing
from firered.errors import OptionError, writing
from firered.hub.catalogue import CHECKPOINT, ENCODER
from firered.models.checkpoint import load_checkpoint, model_files
from firered.models.speech_llm import SpeechLlm
from firered.text.files import read_json
from firered.text.llm_tokenizer import LlmTokenizer
from firered.train import checkpoints
from firered.train.beside import CMVN
from firered.train.sections import Settings

log = logging.getLogger(__name__)

LORA, ADAPTER = "lora", "adapter.safetensors"
_WEIGHTS = (".safetensors", ".bin", ".index.json")


def write_merged(settings: Settings, out: Path) -> None:
    """Write the model of a training to `out`, in the published layout without LoRA.

    Beside it lie OUT/lora, LoRA alone in peft's format, and OUT/adapter.safetensors, the adapter alone. Merging is
    computed in float32; the language model keeps the number format that its config.json names.

    Raises:
        OptionError: the task is another, `out` is the training's own folder, or there is no LoRA.
        ModelError: the model cannot be loaded.
    """
    source = settings.out
    if settings.task != "llm":
        raise OptionError(f"--merged: is for the task llm, not {settings.task}")
    if out.resolve() == source.resolve():
        raise OptionError(f"--merged: {out} is the folder of the training itself; give another")
    checkpoint, *_ = model_files(source, CHECKPOINT, ENCODER, CMVN)
    folder = llm_folder(source)
    model = SpeechLlm.load(source, folder, LlmTokenizer.from_dir(folder).speech_id, dtype=torch.float32)
    if not isinstance(model.llm, PeftModel):
        raise OptionError(f"--merged: {checkpoint} has no LoRA, so its language model is that of {folder}")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name in (ENCODER, CMVN):
            shutil.copyfile(source / name, out / name)
        model.llm.save_pretrained(str(out / LORA))
        adapter = {name: value.contiguous() for name, value in model.encoder_projector.state_dict().items()}
        with replacing(out / ADAPTER) as unfinished:
            save_file(adapter, unfinished)
    model.merge()
    _write_llm(model.llm, folder, out / folder.name)
    args, state = load_checkpoint(checkpoint)
    checkpoints.save(out / CHECKPOINT, _without_lora(args, state))
    log.info("%s: the model with LoRA merged; %s and %s alone", out, out / LORA, out / ADAPTER)


def _write_llm(llm: PreTrainedModel | PeftModel, source: Path, out: Path) -> None:
    """Write weights, and copies of all that lies beside them in the source."""
    assert isinstance(llm, PreTrainedModel)  # it is merged
    config = read_json(source / "config.json")
    named = config.get("dtype") or config.get("torch_dtype")
    bars = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        with writing(out):
            llm.to(dtype=getattr(torch, str(named), torch.float32)).save_pretrained(str(out))  # type: ignore[call-arg]
            for path in source.iterdir():
                if path.is_file() and path.name != "config.json" and not path.name.endswith(_WEIGHTS):
                    shutil.copyfile(path, out / path.name)
    finally:
        if bars:
            hf_logging.enable_progress_bar()


def _without_lora(args: Namespace, state: dict[str, Tensor]) -> dict[str, object]:
    """The content of model.pth.tar: encoder and adapter."""
    rest = {name: value.clone() for name, value in state.items() if ".lora_" not in name}
    return {"args": Namespace(**{**vars(args), "use_lora": False}), "model_state_dict": rest}
