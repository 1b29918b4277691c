"""What a training of Fun-ASR-Nano starts from: its networks, and the directory that the trained ones are written to."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn
from transformers import Qwen3ForCausalLM
from transformers.models.fun_asr_nano.modeling_fun_asr_nano import FunAsrNanoEncoder

from firered.asr.families.fun_asr_loaded import languages_of
from firered.data.atomic import replacing
from firered.errors import ModelError, OptionError, writing
from firered.models.causal_lm import load_llm
from firered.models.checkpoint import load_tensors, model_files
from firered.models.fun_asr import Adaptor, AdaptorSizes, FunAsrEncoder, SanmSizes, restore_rotary, sanm_encoder
from firered.models.fun_asr_checkpoint import CTC_VOCABULARY, WEIGHTS, FunAsrParts, load_published, load_sanm
from firered.models.fun_asr_config import CONFIG, TRANSFORMERS_CONFIG, CheckpointConfig, llm_values
from firered.models.fun_asr_publish import FunAsrNet, config_values, ctc_values
from firered.text.bpe_tokenizer import BpeTokenizer
from firered.text.languages import CHINESE_NAME
from firered.train.beside import copy_to, on_main_process
from firered.train.data.ctc_pieces import learn_pieces, spoken, write_pieces
from firered.train.data.text import table_of
from firered.train.fun_asr_config import FunAsrTaskConfig
from firered.train.stages import CTC, LLM

FOLDER = "model"  # below OUT, whose own config.yaml has the settings of the training
_WEIGHTS = re.compile(r"\.(safetensors|bin|pt|gguf|safetensors\.index\.json|bin\.index\.json)$")


@dataclass
class Started:
    """The networks to train and what lies beside them.

    Attributes:
        net: with a CTC head where one is trained or was there.
        config: what config.yaml of the directory to write says.
        directory: that one; the language model's folder is in it.
        dtypes: number formats of the tensors of `init`, by published name.
        ctc_tokenizer: of the CTC head; None: there is none.
    """

    net: FunAsrNet
    config: CheckpointConfig
    directory: Path
    dtypes: dict[str, torch.dtype]
    ctc_tokenizer: BpeTokenizer | None


def started(out: Path, config: FunAsrTaskConfig, texts: str) -> Started:
    """The networks that a training starts from; what lies beside the weights is written to OUT/model.

    Args:
        out: folder of the training.
        config: section `model`.
        texts: data directories whose transcripts a new vocabulary of the CTC head is learnt from.

    Raises:
        ModelError: a part cannot be loaded, or they do not fit together.
        OptionError: something that is needed is not given.
    """
    directory, trains_head = out / FOLDER, CTC in config.parts
    initial = _from_init(config) if config.init else _new(config)
    parts, values = initial.parts, initial.values
    on_main_process(lambda: directory.mkdir(parents=True, exist_ok=True))
    head = parts.encoder.ctc is not None
    tokenizer = _vocabulary(config, directory / CTC_VOCABULARY, texts, there=head) if head or trains_head else None
    if tokenizer is None and config.init:
        copy_vocabulary(Path(config.init), directory)
    if tokenizer is not None and not head:
        sizes = config.ctc_of(parts.encoder.encoder.config.hidden_size)
        values = {**values, **ctc_values(sizes, len(tokenizer))}
        parts.encoder = with_head(parts.encoder, sizes, len(tokenizer))
    if config.languages:
        values = {**values, "languages": config.languages.split()}
    on_main_process(lambda: write_directory(directory, values, initial.llm))
    net = FunAsrNet(parts.encoder, parts.llm)
    if LLM in config.parts:
        _in_memory(net.llm)
    return Started(net, CheckpointConfig.read(directory / CONFIG), directory, initial.dtypes, tokenizer)


def with_head(encoder: FunAsrEncoder, sizes: AdaptorSizes, words: int) -> FunAsrEncoder:
    """The encoder with a new CTC head."""
    return FunAsrEncoder(encoder.encoder, encoder.adaptor, Adaptor(sizes), nn.Linear(sizes.llm_dim, words))


@dataclass
class _Initial:
    """Networks, content of config.yaml, the language model's folder, and number formats by published name."""

    parts: FunAsrParts
    values: dict[str, Any]
    llm: Path
    dtypes: dict[str, torch.dtype]


def _from_init(config: FunAsrTaskConfig) -> _Initial:
    """The model of `init`."""
    directory = published_directory(config.init)
    own = CheckpointConfig.read(model_files(directory, CONFIG, WEIGHTS)[0])
    parts = load_published(directory, own, getattr(torch, config.llm_dtype))
    tensors = load_tensors(directory / WEIGHTS)
    dtypes = {name.removeprefix("module."): value.dtype for name, value in tensors.items()}
    return _Initial(parts, values_of(directory, own), directory / own.llm, dtypes)


def published_directory(given: str | None) -> Path:
    """The directory of a published model; ModelError of the form of transformers, which is not trained."""
    directory = Path(str(given))
    if not (directory / CONFIG).exists() and (directory / TRANSFORMERS_CONFIG).exists():
        raise ModelError(f"{directory}: Fun-ASR-Nano is trained in its published form ({CONFIG}, {WEIGHTS}) only")
    if not (directory / WEIGHTS).exists() and (directory / FOLDER / WEIGHTS).exists():
        raise ModelError(f"{directory}: a training; its model is {directory / FOLDER}")
    return directory


def _new(config: FunAsrTaskConfig) -> _Initial:
    """A new model: an encoder from nothing or that of `encoder`, a new adaptor, and `llm`."""
    if not config.llm:
        raise OptionError("model.init or model.llm: a Fun-ASR-Nano to start from, or a Qwen3 for a new one")
    folder = Path(config.llm)
    llm_values(folder)  # of another kind
    llm = load_llm(folder, getattr(torch, config.llm_dtype), "cpu")
    assert isinstance(llm, Qwen3ForCausalLM)
    restore_rotary(llm)
    sizes = config.sanm
    if config.encoder:
        directory = published_directory(config.encoder)
        own = CheckpointConfig.read(directory / CONFIG)
        sizes, sanm = own.encoder, load_sanm(directory, own)
    else:
        sanm = _new_encoder(sizes)
    adaptor = config.adaptor_of(sizes.output_size, llm.config.hidden_size)
    values = config_values(sizes, adaptor, folder.name)
    return _Initial(FunAsrParts(FunAsrEncoder(sanm, Adaptor(adaptor)), llm), values, folder, {})


def _new_encoder(sizes: SanmSizes) -> FunAsrNanoEncoder:
    """An encoder whose layers are drawn as torch draws them, which is how the published training code begins, too.

    transformers draws them with a deviation of 0.02 at any width, from which small encoders hardly learn.
    """
    encoder = sanm_encoder(sizes, bins=80, stack=7)
    for layer in encoder.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d):
            layer.reset_parameters()
    return encoder


def _vocabulary(config: FunAsrTaskConfig, path: Path, texts: str, *, there: bool) -> BpeTokenizer:
    """The tokenizer of the CTC head, whose pieces are written to `path`.

    Args:
        config: section `model`.
        path: of the file.
        texts: data directories, see `started`.
        there: the model has a head already.
    """
    if config.ctc_vocabulary and config.ctc_pieces:
        raise OptionError("model.ctc_vocabulary, model.ctc_pieces: give one")
    if there and (config.ctc_vocabulary or config.ctc_pieces):
        raise OptionError(f"model.ctc_vocabulary, model.ctc_pieces: {config.init} has a CTC head with its own pieces")
    if config.ctc_pieces:
        transcripts = table_of(texts, "text", []).values()
        on_main_process(lambda: write_pieces(path, learn_pieces(map(spoken, transcripts), config.ctc_pieces)))
        return BpeTokenizer.from_file(path)
    given = config.ctc_vocabulary or (config.init and str(Path(config.init) / CTC_VOCABULARY))
    if not given or not (there or Path(given).is_file()):
        raise OptionError("model.ctc_vocabulary or model.ctc_pieces: a new CTC head needs its pieces")
    tokenizer = BpeTokenizer.from_file(Path(given))  # raises before anything is written
    copy_to(Path(given), path)
    return tokenizer


def values_of(directory: Path, config: CheckpointConfig) -> dict[str, Any]:
    """The content of a published directory's config.yaml, for another one.

    The languages of the multilingual checkpoint, which is known by the size of its weights, are in it, too.
    """
    values: dict[str, Any] = yaml.safe_load((directory / CONFIG).read_text(encoding="utf-8"))
    known = languages_of(directory, config)
    return {**values, "languages": list(known)} if len(known) == len(CHINESE_NAME) else values


def copy_vocabulary(source: Path, directory: Path) -> None:
    """Copy the CTC head's pieces of a published directory, where it has them."""
    if (source / CTC_VOCABULARY).is_file():
        copy_to(source / CTC_VOCABULARY, directory / CTC_VOCABULARY)


def write_directory(directory: Path, values: dict[str, Any], source: Path) -> None:
    """Write config.yaml, and the language model's folder without weights, of which `source` is one."""
    folder = directory / source.name
    with writing(directory):
        with replacing(directory / CONFIG) as unfinished:
            text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
            unfinished.write_text(text, encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for path in source.iterdir():
            if path.is_file() and not _WEIGHTS.search(path.name) and path.resolve() != (folder / path.name).resolve():
                shutil.copyfile(path, folder / path.name)


def _in_memory(llm: Qwen3ForCausalLM) -> None:
    """Bring weights that are mapped from a file into memory; those of tied embeddings are one tensor."""
    for parameter in llm.parameters():
        parameter.data = parameter.data.clone()
    if llm.config.tie_word_embeddings:
        llm.lm_head.weight = llm.model.embed_tokens.weight
