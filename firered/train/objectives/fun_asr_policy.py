"""Fun-ASR-Nano as a policy."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from firered.asr.families.fun_asr_loaded import LoadedFunAsr
from firered.models.checkpoint import load_tensors
from firered.models.fun_asr_checkpoint import WEIGHTS
from firered.train.beside import on_main_process
from firered.train.fun_asr_start import FOLDER, copy_vocabulary, values_of, write_directory
from firered.train.objectives.fun_asr import Lora, add_lora, embedded, encoded, prompts
from firered.train.objectives.policies import Policy, Prompts

# Those of the published LoRA script of Fun-ASR-Nano, but for the dropout: a policy draws and learns without.
TARGETS, SCALE = ("q_proj", "v_proj"), 2.0


class FunAsrPolicy(Policy):
    """Fun-ASR-Nano in its published form; LoRA is merged on saving.

    Args:
        loaded: the networks, on the processor.
        lora: train LoRA alone; False: all of the language model.
        rank: of LoRA.
    """

    file = f"{FOLDER}/{WEIGHTS}"

    def __init__(self, loaded: LoadedFunAsr, *, lora: bool, rank: int) -> None:
        super().__init__(loaded.tokenizer, lora=lora)
        self._loaded = loaded
        self.encoder, self._llm = loaded.encoder, loaded.llm
        if lora:
            add_lora(self._llm, Lora(rank, SCALE * rank, 0.0, TARGETS))

    @property
    def llm(self) -> PreTrainedModel:
        """The language model."""
        return self._llm

    def prompts(self, tensors: Mapping[str, Tensor]) -> Prompts:
        """Prompts with speech in them, of a batch of `FunAsrCorpus`."""
        config = self._loaded.config
        ids, speech, mask = prompts(tensors)
        rows = encoded(self.encoder, config, tensors["feats"], tensors["lengths"])
        return Prompts(embedded(self.encoder, self._llm, config, rows, ids, speech), mask, ids[:, -1])

    def exported(self) -> dict[str, Tensor]:
        """What is trained; the rest is in the checkpoint that training began with."""
        state = {name: value for name, value in self.state_dict().items() if name.startswith("_llm.")}
        return {name: value for name, value in state.items() if not self.lora or ".lora_" in name}

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The checkpoint that training began with, and what was trained in it: all else stays bit for bit."""
        initial = dict(load_tensors(self._loaded.directory / WEIGHTS))
        start = "module.llm." if any(name.startswith("module.") for name in initial) else "llm."
        if not self.lora:
            new = {start + name.removeprefix("_llm."): value for name, value in state.items()}
            return {"state_dict": {**initial, **{name: new[name].to(initial[name].dtype) for name in new}}}
        for name, factor in state.items():
            stem = name.removesuffix(".lora_A.default.weight")
            if stem != name:
                place = f"{start}{stem.removeprefix('_llm.')}.weight"
                added = SCALE * (state[f"{stem}.lora_B.default.weight"] @ factor)
                initial[place] = (initial[place] + added).to(initial[place].dtype)
        return {"state_dict": initial}


def write_beside(out: Path, loaded: LoadedFunAsr) -> None:
    """Write what lies beside the weights of a published directory to the folder of the model in `out`."""
    source, directory = loaded.directory, out / FOLDER
    values = values_of(source, loaded.config)
    on_main_process(lambda: directory.mkdir(parents=True, exist_ok=True))
    copy_vocabulary(source, directory)
    on_main_process(lambda: write_directory(directory, values, source / loaded.config.llm))


def float_weights(loaded: LoadedFunAsr) -> bool:
    """Whether the language model's weights are float32, as training all of them needs."""
    return loaded.llm.dtype == torch.float32
