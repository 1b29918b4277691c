"""Supervised training of Fun-ASR-Nano's architecture: encoder, adaptor, language model and CTC head.

FunAudio-ASR report, section 4.2; the loss is that of the published training code.
"""

from functools import partial

from firered.models.fun_asr import ROW_FRAMES
from firered.text.bpe_tokenizer import BpeTokenizer
from firered.text.llm_tokenizer import ChatTokenizer
from firered.train.data.ask_config import AskConfig, GrowingConfig, KnownConfig
from firered.train.data.config import FunAsrDataConfig, SpecAugmentConfig
from firered.train.data.ctc_pieces import spoken
from firered.train.data.fun_asr_asked import Wish, ctc_targets_of, targets_of
from firered.train.data.fun_asr_corpus import Asking, CtcRowsCorpus, FunAsrCorpus
from firered.train.data.transcribed import corpora
from firered.train.fun_asr_config import FunAsrTaskConfig
from firered.train.fun_asr_start import started
from firered.train.objectives.fun_asr import FunAsrObjective, Lora
from firered.train.objectives.fun_asr_ctc import FunAsrCtcObjective
from firered.train.objectives.lora import targets_in
from firered.train.sections import Settings
from firered.train.stages import CTC, LORA
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", FunAsrTaskConfig), settings.section("data", FunAsrDataConfig)
    start = started(settings.out, config, data.train)
    tokenizer = ChatTokenizer.from_dir(start.directory / start.config.llm)
    tokenizer.check_size(start.net.llm.config.vocab_size)
    lora = Lora(config.lora_rank, config.lora_alpha, config.lora_dropout, config.lora_targets.split())
    if LORA in config.parts:
        targets_in(start.net.llm, lora.targets)
    kind = FunAsrCtcObjective if CTC in config.parts else FunAsrObjective
    objective = kind(start, config.parts, lora, config.dropout, settings.section("specaugment", SpecAugmentConfig))
    if CTC in config.parts:
        assert start.ctc_tokenizer is not None
        return _ctc_task(settings, objective, start.ctc_tokenizer)
    known, growing = settings.section("context", KnownConfig), settings.section("streaming", GrowingConfig)
    ask, seed = settings.section("prompt", AskConfig), settings.train.seed
    asking = Asking(tokenizer, start.config, ask, known, seed, growing, data.use_dynamic_output_ratio)
    targets = targets_of(data, tokenizer.ids_of, Wish(known, growing))
    corpus = partial(FunAsrCorpus, asking)
    train, dev, left_out = corpora(settings, targets, None, corpus=corpus, normalised=False)
    return Task(objective, train, dev, data.batch_frames, left_out, tokenizer.decode)


def _ctc_task(settings: Settings, objective: FunAsrObjective, tokenizer: BpeTokenizer) -> Task:
    data = settings.section("data", FunAsrDataConfig)
    targets = ctc_targets_of(data, lambda text: tokenizer.encode(spoken(text)))
    corpus = partial(CtcRowsCorpus, objective.config)
    train, dev, left_out = corpora(settings, targets, None, ctc=ROW_FRAMES, corpus=corpus, normalised=False)
    return Task(objective, train, dev, data.batch_frames, left_out, tokenizer.decode)


_ASKED = {"prompt": AskConfig, "context": KnownConfig, "streaming": GrowingConfig}
KIND = TaskKind(FunAsrDataConfig, FunAsrTaskConfig, build, {**_ASKED, **SPEECH_SECTIONS})
