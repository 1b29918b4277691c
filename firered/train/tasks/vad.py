"""The VAD family: voice, offline and streaming; speech, singing and music (FireRedASR2S paper, section 4)."""

import logging
import math
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from firered.audio.framing import FRAME_REST_S, FRAME_SHIFT_S
from firered.audio.frontend import NUM_BINS, Cmvn
from firered.data.utterance import Utterance
from firered.errors import DataError, ModelError, Problem
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import load_checkpoint, model_files
from firered.models.dfsmn import Dfsmn, DfsmnConfig
from firered.options import Options, option
from firered.train.beside import cmvn_beside
from firered.train.data.augment import Draw, WaveAugment
from firered.train.data.batch import Batch
from firered.train.data.config import AugmentConfig, SpecAugmentConfig, VadDataConfig
from firered.train.data.labels import Spans, frame_labels, read_spans
from firered.train.data.mixing import sampling_of
from firered.train.data.sampling import Sampling
from firered.train.data.speech import SpeechCorpus, usable, utterances_of
from firered.train.data.transcribed import examples_of
from firered.train.objectives.objective import BatchLoss
from firered.train.objectives.speech import SpeechObjective
from firered.train.sections import Settings
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind
from firered.vad.detect import EVENTS

log = logging.getLogger(__name__)

# task -> events of its outputs, look-ahead in frames (None: as configured)
_KINDS: dict[str, tuple[tuple[str, ...], int | None]] = {
    "vad": (("voice",), None),
    "stream-vad": (("voice",), 0),
    "mvad": (EVENTS, None),
}


@dataclass(frozen=True)
class VadTaskConfig(Options):
    """The DFSMN, under its released names; the streaming model's N2 is 0."""

    init: str | None = option(None, "model directory to fine-tune; its sizes and statistics are kept")
    R: int = option(8, "blocks", low=1)
    H: int = option(256, "hidden size", low=1)
    P: int = option(128, "projection size", low=1)
    N1: int = option(20, "look-back frames", low=1)
    N2: int = option(20, "look-ahead frames", low=0)
    dropout: float = option(0.05, "full dropout rate", low=0, high=0.9)


class FrameCorpus(SpeechCorpus):
    """Features and frame labels."""

    def __init__(self, pieces: "list[_Piece]", events: Sequence[str], cmvn: Cmvn, augment: WaveAugment | None) -> None:
        frames = np.array([piece.frames for piece in pieces], np.int64)
        utterances, spans = [piece.utterance for piece in pieces], [piece.spans for piece in pieces]
        super().__init__(utterances, frames, spans, cmvn, augment)
        self.events = events

    def target(self, index: int, draw: Draw, feats: Tensor) -> np.ndarray:
        """(T, events) labels."""
        return frame_labels([] if draw.pure_noise else self._targets[index], len(feats), self.events, draw)

    def collate(self, items: list[tuple[str, Tensor, np.ndarray]]) -> Batch:
        """Padded features and labels (N, T, events), and a mask (N, T, 1) that is 0 on padding."""
        tensors = self.collate_features(items)
        tensors["labels"] = pad_sequence([torch.from_numpy(item[2]) for item in items], batch_first=True)
        frames = torch.arange(tensors["feats"].shape[1])
        tensors["mask"] = (frames < tensors["lengths"][:, None]).float()[:, :, None]
        weight = int(tensors["lengths"].sum()) * len(self.events)
        return Batch([item[0] for item in items], tensors, weight)


class VadObjective(SpeechObjective[Dfsmn]):
    """Binary cross-entropy over frames and events."""

    def __init__(self, model: Dfsmn, events: Sequence[str], dropout: float, specaugment: SpecAugmentConfig) -> None:
        super().__init__(model, dropout, specaugment)
        self.events = events

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over frames and events."""
        logits = self.model(self.features(tensors), tensors["mask"]).float()
        labels, mask = tensors["labels"], tensors["mask"]
        loss = (F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * mask).sum()
        predicted, true = (logits.detach() >= 0).float() * mask, labels * mask
        parts = {"hits": predicted * true, "predicted": predicted, "true": true}
        counts = {
            f"{name} {event}": value
            for name, frames in parts.items()
            for event, value in zip(self.events, frames.sum((0, 1)), strict=True)
        }
        return BatchLoss(loss, counts)

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """F1 over frames at threshold 0.5, of each event where there are several, and their mean."""
        scores = {}
        for event in self.events:
            both = counts[f"predicted {event}"] + counts[f"true {event}"]
            scores[f"f1_{event}"] = 2 * counts[f"hits {event}"] / both if both else 1.0
        return {**(scores if len(scores) > 1 else {}), "f1": sum(scores.values()) / len(scores)}

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout."""
        return {"args": Namespace(**asdict(self.model.config)), "model_state_dict": state}


def initial_model(config: VadTaskConfig, events: int, lookahead: int | None) -> Dfsmn:
    """The model to train: a new one, or that of `init`."""
    if config.init:
        (path,) = model_files(Path(config.init), CHECKPOINT)
        args, state = load_checkpoint(path)
        sizes = DfsmnConfig.from_args(args, path)
        if sizes.odim != events or (lookahead == 0) != (sizes.N2 == 0):
            raise ModelError(f"{path}: {sizes.odim} outputs, look-ahead {sizes.N2}: not a model of this task")
        return Dfsmn.of(sizes, state, path)
    lookahead = config.N2 if lookahead is None else lookahead
    return Dfsmn(
        DfsmnConfig(
            idim=NUM_BINS,
            odim=events,
            R=config.R,
            H=config.H,
            P=config.P,
            N1=config.N1,
            N2=lookahead,
            dropout=config.dropout,
        )
    )


@dataclass(frozen=True)
class _Piece:
    """A recording, or a piece of a long one; its spans are relative to its start."""

    utterance: Utterance
    frames: int
    spans: Spans
    directory: str = ""


def _pieces(recording: Utterance, count: int, spans: Spans, config: VadDataConfig) -> list[_Piece]:
    """A recording cut into pieces of at most `max_frames`; a rest shorter than `min_frames` is dropped."""
    if count <= config.max_frames:
        return [_Piece(recording, count, spans)]
    found = []
    for first in range(0, max(1, count - config.min_frames), config.max_frames):
        last, begin_s = min(first + config.max_frames, count), first * FRAME_SHIFT_S
        piece = replace(
            recording,
            id=f"{recording.id}-{first:07d}",
            feats=f"{recording.feats}[{first}:{last - 1}]" if recording.feats else "",
            start_s=recording.start_s + begin_s,
            end_s=recording.start_s + last * FRAME_SHIFT_S + FRAME_REST_S,
            duration_s=math.nan,
        )
        found.append(_Piece(piece, last - first, [(start - begin_s, end - begin_s, e) for start, end, e in spans]))
    return found


def _voice(spans: Spans) -> Spans:
    """Speech and singing as one event."""
    return [(start, end, "voice") for start, end, event in spans if event in ("speech", "singing")]


def _read(config: VadDataConfig, what: str, events: Sequence[str], left_out: list[Problem]) -> list[_Piece]:
    found: list[_Piece] = []
    paths = getattr(config, what)
    for path in paths.split() or [""]:
        recordings, problems, _ = utterances_of(path, what, by_segment=False)
        left_out += problems
        spans = read_spans(Path(path), config.labels, [recording.id for recording in recordings], left_out)
        labelled = [recording for recording in recordings if recording.id in spans]
        kept, counts = usable(labelled, config, left_out, longest=False)
        empty = sum(not spans[recording.id] for recording in kept)
        log.info("%s: %d recordings, %d of them without any labelled event", path, len(kept), empty)
        for recording, count in zip(kept, counts.tolist(), strict=True):
            own = spans[recording.id] if events == EVENTS else _voice(spans[recording.id])
            found += [replace(piece, directory=path) for piece in _pieces(recording, count, own, config)]
    if not found:
        raise DataError(f"data.{what}: no recording is left in {paths}{examples_of(left_out)}")
    return found


def _sampling(config: VadDataConfig, seed: int, pieces: list[_Piece]) -> Sampling:
    utterances, owners = (
        [piece.utterance for piece in pieces],
        {piece.utterance.id: piece.directory for piece in pieces},
    )
    return sampling_of(config, seed, utterances, np.array([piece.frames for piece in pieces]), owners)


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", VadTaskConfig), settings.section("data", VadDataConfig)
    events, lookahead = _KINDS[settings.task]
    left_out: list[Problem] = []
    parts = {what: _read(data, what, events, left_out) for what in ("train", "dev")}
    cmvn = cmvn_beside(settings, [piece.utterance for piece in parts["train"]], config.init)
    augment = WaveAugment(settings.section("augment", AugmentConfig), settings.train.seed)
    train = FrameCorpus(parts["train"], events, cmvn, augment)
    train.draw_by(_sampling(data, settings.train.seed, parts["train"]))
    dev = FrameCorpus(parts["dev"], events, cmvn, None)
    model = initial_model(config, len(events), lookahead)
    objective = VadObjective(model, events, config.dropout, settings.section("specaugment", SpecAugmentConfig))
    return Task(objective, train, dev, data.batch_frames, left_out)


KIND = TaskKind(VadDataConfig, VadTaskConfig, build, SPEECH_SECTIONS)
