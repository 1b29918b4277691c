"""Language identification: the encoder of a recognition model, and a new decoder of one or two labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from firered.data.datadir import write_lines
from firered.data.utterance import Utterance
from firered.errors import OptionError, Problem
from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import Aed, Lid
from firered.models.checkpoint import model_files
from firered.options import option
from firered.text.tokenizer import DICT, SPECIAL, Tokenizer
from firered.train.beside import copy_beside, on_main_process
from firered.train.data.config import AugmentConfig, FeatureDataConfig, SpecAugmentConfig
from firered.train.data.text import table_of
from firered.train.data.transcribed import corpora
from firered.train.objectives.encoder_decoder import EncoderDecoderObjective
from firered.train.sections import Settings
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind
from firered.train.tasks.conformer import ConformerConfig, sizes_of


@dataclass(frozen=True)
class LidTaskConfig(ConformerConfig):
    """Language identification."""

    init: str | None = option(None, "language identification model to fine-tune")
    encoder: str | None = option(None, "recognition model whose encoder, sizes and statistics are taken")
    freeze_encoder: bool = option(False, "train the decoder alone")


def labels_of(languages: Mapping[str, str]) -> list[str]:
    """The dictionary for these utt2lang values: special tokens, languages, then dialects, each sorted.

    Values that are neither `language` nor `language dialect` have no place in it.
    """
    first, second = set(), set()
    for value in languages.values():
        labels = value.split()
        if 1 <= len(labels) <= 2 and not set(labels) & set(SPECIAL):
            first.add(labels[0])
            second.update(labels[1:])
    return [*SPECIAL, *sorted(first), *sorted(second - first)]


def _tokenizer(settings: Settings, config: LidTaskConfig, languages: Mapping[str, str]) -> Tokenizer:
    if config.init:
        copy_beside(settings.out, Path(config.init) / DICT)
    else:
        lines = [f"{label} {number}" for number, label in enumerate(labels_of(languages))]
        on_main_process(lambda: write_lines(settings.out / DICT, lines))
    return Tokenizer.from_dir(settings.out)


def initial_model(config: LidTaskConfig, labels: int) -> Lid:
    """The model to train: that of `init`, or a new decoder on the encoder of `encoder`, or all new.

    The vocabulary that the recognition model had stays in the arguments, as in the published model.
    """
    if config.init:
        return Lid.load(model_files(Path(config.init), CHECKPOINT)[0])
    if not config.encoder:
        return Lid(sizes_of(config, labels, labels))
    aed = Aed.load(model_files(Path(config.encoder), CHECKPOINT)[0])
    sizes = replace(aed.config, lid_odim=labels, dropout_rate=config.dropout, residual_dropout=config.dropout)
    sizes = replace(sizes, chunk_sizes=None, left_chunks=None)  # languages are identified in whole utterances
    model = Lid(replace(sizes, n_layers_dec=config.n_layers_dec or sizes.n_layers_dec))
    model.encoder.load_state_dict(aed.encoder.state_dict())
    return model


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", LidTaskConfig), settings.section("data", FeatureDataConfig)
    if settings.section("augment", AugmentConfig).pure_noise_prob:
        raise OptionError("augment.pure_noise_prob: noise has no language")
    tokenizer = _tokenizer(settings, config, table_of(data.train, "utt2lang", []))  # `targets` lists bad lines
    model = initial_model(config, len(tokenizer))
    if config.freeze_encoder:
        model.encoder.requires_grad_(False)

    known = set(tokenizer.symbols[len(SPECIAL) :])

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, list[int]]:
        languages = table_of(getattr(data, what), "utt2lang", left_out)
        found = {}
        for utterance in utterances:
            labels = languages.get(utterance.id, "").split()
            unknown = [label for label in labels if label not in known]
            if utterance.id not in languages:
                left_out.append(Problem(utterance.id, "not in utt2lang"))
            elif not labels:
                left_out.append(Problem(utterance.id, "no language in utt2lang"))
            elif len(labels) > 2:
                reason = f"utt2lang: {' '.join(labels)!r}, expected a language, or a language and a dialect"
                left_out.append(Problem(utterance.id, reason))
            elif unknown:
                left_out.append(Problem(utterance.id, f"utt2lang: {' '.join(unknown)} not in the dictionary"))
            else:
                found[utterance.id] = tokenizer.ids_of(labels)
        return found

    train, dev, left_out = corpora(settings, targets, config.init or config.encoder)
    specaugment = settings.section("specaugment", SpecAugmentConfig)
    objective = EncoderDecoderObjective(
        model, specaugment, dropout=config.dropout, label_smoothing=config.label_smoothing
    )
    return Task(objective, train, dev, data.batch_frames, left_out)


KIND = TaskKind(FeatureDataConfig, LidTaskConfig, build, SPEECH_SECTIONS)
