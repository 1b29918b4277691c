"""Reinforcement learning of a speech-LLM by rewards of what it writes (FunAudio-ASR report, section 4.4)."""

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from firered.asr.families.fun_asr_loaded import LoadedFunAsr
from firered.asr.families.speech_llm_loaded import llm_folder
from firered.asr.fun_asr_config import FunAsrConfig
from firered.audio.frontend import PUBLISHED
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.models.fun_asr_checkpoint import WEIGHTS
from firered.models.fun_asr_config import CONFIG, TRANSFORMERS_CONFIG
from firered.models.speech_llm import SpeechLlm
from firered.options import Options, option
from firered.text.llm_tokenizer import LlmTokenizer
from firered.train.data.ask_config import AskConfig, KnownConfig
from firered.train.data.config import AugmentConfig, FeatureDataConfig
from firered.train.data.fun_asr_asked import Wish
from firered.train.data.fun_asr_corpus import Asking, FunAsrRewardedCorpus
from firered.train.data.rollouts import RewardedCorpus, rewarded_targets_of, wanted_of
from firered.train.data.transcribed import corpora
from firered.train.llm_config import LlmTaskConfig
from firered.train.objectives.fire_red_policy import FireRedPolicy
from firered.train.objectives.fun_asr_policy import FunAsrPolicy, float_weights
from firered.train.objectives.fun_asr_policy import write_beside as write_beside_fun_asr
from firered.train.objectives.grpo import GrpoObjective
from firered.train.objectives.grpo_config import GrpoConfig
from firered.train.objectives.policies import Policy
from firered.train.rewards.config import RewardConfig
from firered.train.rewards.table import Rewards
from firered.train.sections import Settings
from firered.train.task import Task, TaskKind
from firered.train.tasks.llm import LLM, initial_model, write_beside

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GrpoModelConfig(Options):
    """The model that is trained further."""

    init: str | None = option(None, "model directory of FireRedASR-LLM, or of Fun-ASR-Nano in its published form")
    trains: str = option(
        "lora",
        "what is trained of the language model: LoRA, or all of its weights; encoder and adapter stay as they are",
        choices=("lora", "full"),
    )
    lora_rank: int = option(16, "rank of new additions, where the model has none yet", low=1)
    llm_dtype: str = option(
        "float32", "number format of the language model's own weights; full needs float32",
        choices=("float32", "bfloat16"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trains == "full" and self.llm_dtype != "float32":
            raise OptionError("llm_dtype: weights that are trained need float32 (trains: lora can do with bfloat16)")


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", GrpoModelConfig), settings.section("data", FeatureDataConfig)
    grpo, rewards = settings.section("grpo", GrpoConfig), Rewards(settings.section("rewards", RewardConfig))
    if not config.init:
        raise OptionError("model.init: the model to train is not given")
    ask, known = settings.section("prompt", AskConfig), settings.section("context", KnownConfig)
    directory = Path(config.init)
    if _is_fun_asr(directory):
        loaded = _fun_asr(directory, config)
        policy: Policy = FunAsrPolicy(loaded, lora=config.trains == "lora", rank=config.lora_rank)
        write_beside_fun_asr(settings.out, loaded)
        asking = Asking(loaded.tokenizer, loaded.config, ask, known, settings.train.seed)
        targets = rewarded_targets_of(data, Wish(known))
        corpus = partial(FunAsrRewardedCorpus, asking)
        train, dev, left_out = corpora(settings, targets, None, corpus=corpus, normalised=False)
    else:
        if known.share:
            raise OptionError("context.share: the prompt of FireRedASR-LLM is one sentence, with no place for context")
        policy = _fire_red(settings.out, config)
        train, dev, left_out = corpora(settings, wanted_of(data), config.init, corpus=RewardedCorpus)
    return Task(GrpoObjective(policy, grpo, rewards), train, dev, data.batch_frames, left_out)


def _is_fun_asr(directory: Path) -> bool:
    """Whether a directory is one of Fun-ASR-Nano; ModelError of its form that cannot be written."""
    if (directory / CHECKPOINT).exists():
        return False  # beside it lies the config.yaml of its training
    if (directory / WEIGHTS).exists() or (directory / CONFIG).exists():
        return True
    if (directory / TRANSFORMERS_CONFIG).exists():
        raise ModelError(f"{directory}: Fun-ASR-Nano is trained in its published form ({CONFIG}, {WEIGHTS}) only")
    return False


def _fun_asr(directory: Path, config: GrpoModelConfig) -> LoadedFunAsr:
    options = FunAsrConfig(dtype=config.llm_dtype, encoder_dtype="float32", timestamps="none")
    loaded = LoadedFunAsr.load(directory, options, "cpu")
    if config.trains == "full" and not float_weights(loaded):
        raise ModelError(f"{directory}: its language model is not in float32")
    return loaded


def _fire_red(out: Path, config: GrpoModelConfig) -> FireRedPolicy:
    """The policy of a directory of FireRedASR-LLM, whose LoRA is trained on or, where all is trained, merged first."""
    assert config.init is not None
    folder = llm_folder(Path(config.init))
    tokenizer, lora = LlmTokenizer.from_dir(folder), config.trains == "lora"
    start = LlmTaskConfig(
        init=config.init,
        trains="lora" if lora else "adapter",  # the latter adds no LoRA to the model
        lora_rank=config.lora_rank,
        llm_dtype=config.llm_dtype,
    )
    if lora:
        model = initial_model(start, folder, tokenizer.speech_id)
        write_beside(out, start, folder)
    else:
        model = _merged(start, folder, tokenizer.speech_id)
        write_beside(out, start, None)
    if model.encoder.front_end != PUBLISHED:
        raise OptionError(f"model.init: {config.init} has an encoder of another model, which is not trained by rewards")
    tokenizer.check_size(model.llm.config.vocab_size)
    return FireRedPolicy(model, tokenizer, folder, LLM, lora=lora)


def _merged(start: LlmTaskConfig, folder: Path, speech_id: int) -> SpeechLlm:
    model = initial_model(start, folder, speech_id)
    model.merge()
    for parameter in model.llm.parameters():
        parameter.data = torch.clone(parameter.data)  # in memory: they are mapped from the file
    return model


_MORE = {"prompt": AskConfig, "context": KnownConfig, "augment": AugmentConfig}
KIND = TaskKind(FeatureDataConfig, GrpoModelConfig, build, {**_MORE, "grpo": GrpoConfig, "rewards": RewardConfig})
