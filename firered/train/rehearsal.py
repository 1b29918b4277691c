"""What a training would do, without training: its batches, steps and memory, and examples to listen to."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import soundfile
import torch

from firered.audio.framing import FRAME_SHIFT_S, SAMPLE_RATE
from firered.audio.frontend import CmvnStats
from firered.audio.load import INT16_SCALE
from firered.data.atomic import replacing
from firered.data.datadir import DataDir, write_lines, write_table
from firered.data.names import file_names
from firered.data.write import json_line
from firered.errors import FireRedError, OptionError
from firered.train.data.batch import Batch, Corpus
from firered.train.data.config import FeatureDataConfig
from firered.train.data.speech import SpeechCorpus
from firered.train.data.stream import Stream
from firered.train.meter import Meter
from firered.train.objectives.objective import Objective
from firered.train.sections import Settings
from firered.train.task import Task
from firered.train.tasks import TASKS

log = logging.getLogger(__name__)

PROMPTS = "prompts.jsonl"
_GB = 1e9
_PEAK = INT16_SCALE - 1
_QUANTILES = (0.1, 0.5, 0.95)  # of the sizes whose memory is measured
_READABLE = 20  # examples that are tried until one can be read


@contextmanager
def rehearsed(settings: Settings) -> Iterator[tuple[Task, Stream]]:
    """The task and the batches of one process; what is written beside a model goes to a folder that does not last."""
    data = settings.sections["data"]
    with tempfile.TemporaryDirectory(prefix="firered-train-") as folder:
        if isinstance(data, FeatureDataConfig):
            data = replace(data, cmvn=str(_statistics(Path(folder) / "none.ark")))
        own = Settings(settings.task, Path(folder), {**settings.sections, "data": data})
        torch.manual_seed(settings.train.seed)
        task = TASKS[settings.task].build(own)
        accum = settings.train.accum_grad
        yield task, Stream(task.train, task.batch_size, settings.train.seed, 0, 1, accum, task.train.sampling)


def _statistics(path: Path) -> Path:
    """The path of new statistics for normalisation that change nothing: those of the data are not needed here."""
    none = CmvnStats()
    none.stats[0, -1] = 1.0
    none.stats[1, :-1] = 1.0
    none.write(path)
    return path


def preview(settings: Settings, count: int) -> Path:
    """The folder OUT/preview with the first examples of a training: a data directory, and what was drawn for each.

    Raises:
        OptionError: the task has no audio.
        FireRedError: the data cannot be used.
    """
    out = settings.out / "preview"
    with rehearsed(settings) as (task, stream):
        corpus = task.train
        if not isinstance(corpus, SpeechCorpus):
            raise OptionError(f"--preview: the task {settings.task} has no audio")
        examples = chain.from_iterable(request.examples() for request in stream)
        chosen = [next(examples) for _ in range(min(count, len(corpus.keys)))]
        texts = _texts(settings)
        tables: dict[str, dict[str, str]] = {"wav.scp": {}, "text": {}, "utt2spk": {}}
        rows, prompts = ["id\tutterance\tdrawn"], list[str]()
        for number, (index, epoch) in enumerate(chosen):
            key = f"{number:04d}-{corpus.keys[index]}"
            wav = out.absolute() / "wav" / f"{next(iter(file_names([key]).values()))}.wav"
            told: list[str] = []
            try:
                samples, draw = corpus.audio(index, epoch or 0, told)
            except FireRedError as error:
                log.warning("%s: %s", corpus.keys[index], error)
                continue
            _write_wav(wav, samples, told)
            text = "" if draw.pure_noise else texts.get(corpus.keys[index], "")
            for table, value in zip(tables.values(), (str(wav), text, key), strict=True):
                table[key] = value
            rows.append(f"{key}\t{corpus.keys[index]}\t{'; '.join(told) or 'nothing'}")
            if prompt := corpus.told(index, epoch or 0):
                prompts.append(json_line({"uttid": key, **prompt}))
    for name, table in tables.items():
        write_table(out / name, table)
    write_table(out / "spk2utt", tables["utt2spk"])  # every example is a speaker
    write_lines(out / "drawn.tsv", rows)
    if prompts:
        write_lines(out / PROMPTS, prompts)
    also = f", in {PROMPTS} what it is asked" if prompts else ""
    log.info("%s: %d examples to listen to, in drawn.tsv what was drawn for each%s", out, len(rows) - 1, also)
    return out


def _texts(settings: Settings) -> dict[str, str]:
    paths = getattr(settings.sections["data"], "train", "").split()
    return {key: text for path in paths for key, text in (DataDir(Path(path), []).text or {}).items()}


def _write_wav(path: Path, samples: np.ndarray, told: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > _PEAK:
        told.append(f"here at {_PEAK / peak:.2f} of its volume, so that it is not clipped")
        samples = samples * (_PEAK / peak)
    with replacing(path) as unfinished:
        soundfile.write(unfinished, np.round(samples).astype(np.int16), SAMPLE_RATE, subtype="PCM_16", format="WAV")


def dry_run(settings: Settings) -> list[str]:
    """Lines that say what a training would do: batches, steps and memory.

    Raises:
        FireRedError: data, options or the initial model cannot be used.
    """
    with rehearsed(settings) as (task, stream):
        lines = [f"{settings.task}: {len(task.train.keys)} examples, dev {len(task.dev.keys)}"]
        left_out = {problem.key: str(problem) for problem in task.left_out}
        if left_out:
            lines.append(f"left out: {len(left_out)}, such as {'; '.join(list(left_out.values())[:3])}")
        if stream.sampling is not None and stream.sampling.is_weighted:
            lines.append(f"epoch 1 draws {stream.sampling.told(0, task.train.sizes(None))}")
        batches = _batches(stream)
        lines += _told_batches(batches, isinstance(task.train, SpeechCorpus))
        lines.append(_told_steps(settings, stream))
        if settings.train.gradient_checkpointing:
            lines.append("activations are those without train.gradient_checkpointing, which keeps far less")
        return [*lines, *_told_memory(settings, task, stream, batches)]


def _batches(stream: Stream) -> list[np.ndarray]:
    """The sizes of the examples of each batch of the first epoch."""
    sizes = stream.sizes(0)
    return [sizes[batch] for batch in stream.batches(0)]


def _told_batches(batches: list[np.ndarray], audio: bool) -> list[str]:
    counts = np.array([len(batch) for batch in batches])
    filled = sum(int(batch.sum()) for batch in batches)
    room = sum(len(batch) * int(batch.max()) for batch in batches)
    longest = max(int(batch.max()) for batch in batches)
    hours = f", {filled * FRAME_SHIFT_S / 3600:.2f} h" if audio else ""
    seconds = f" ({longest * FRAME_SHIFT_S:.1f} s)" if audio else ""
    unit = "frames" if audio else "tokens"
    return [
        f"epoch 1: {len(batches)} batches of {counts.min()} to {counts.max()} examples, {counts.mean():.1f} on average"
        f"{hours}",
        f"longest example {longest} {unit}{seconds}; padding {100 * (1 - filled / room):.1f}% of the {unit}",
    ]


def _told_steps(settings: Settings, stream: Stream) -> str:
    config, each = settings.train, stream.steps(0)
    steps = min(each * config.max_epochs, config.max_steps or each * config.max_epochs)
    batches = "one batch" if config.accum_grad == 1 else f"{config.accum_grad} batches"
    return f"steps: {each} an epoch, {steps} in all, of {batches} with one process; with several, as many times fewer"


def _told_memory(settings: Settings, task: Task, stream: Stream, batches: list[np.ndarray]) -> list[str]:
    parameters = list(task.objective.parameters())
    weights = sum(p.numel() * p.element_size() for p in parameters)
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    measured = measured_activations(settings, task, stream)
    if not measured:
        return ["memory: not estimated, no example can be read"]
    largest = max(activations(measured, batches))
    state, means = 4 * trained, 8 * trained
    return [
        f"memory: weights {weights / _GB:.3f} GB, gradients {state / _GB:.3f}, Adam's means {means / _GB:.3f}, "
        f"activations of the largest batch {largest / _GB:.3f}: {(weights + state + means + largest) / _GB:.3f} GB",
        f"activations were measured on examples of {', '.join(map(str, sorted(measured)))} on a processor, and "
        "extrapolated; a GPU's fused attention keeps less, its allocator holds some more",
    ]


def activations(measured: Mapping[int, int], batches: Sequence[np.ndarray]) -> list[float]:
    """Bytes that each batch keeps, of the sizes of its examples, by those measured of single examples by their size.

    Activations grow with the length and, by attention, with its square.
    """
    sizes, kept = zip(*sorted(measured.items()), strict=True)
    curve = np.polyfit((0, *sizes), (0, *kept), min(2, len(sizes)))
    return [len(batch) * float(np.polyval(curve, batch.max())) for batch in batches]


def measured_activations(settings: Settings, task: Task, stream: Stream) -> dict[int, int]:
    """Bytes of what the forward pass keeps for the backward pass, for single examples, by their size."""
    sizes = stream.corpus.sizes(0)
    order = np.argsort(sizes, kind="stable")
    found: dict[int, int] = {}
    for quantile in _QUANTILES:
        first = round(quantile * (len(order) - 1))
        for index in order[first : first + _READABLE].tolist():
            if (batch := _readable(task.train, index)) is not None:
                found[int(sizes[index])] = kept_bytes(task.objective, batch, settings.train.dtype == "bfloat16")
                break
    return found


def _readable(corpus: Corpus, index: int) -> Batch | None:
    try:
        return corpus.collate([corpus.item(index, 0)])
    except FireRedError:
        return None


def kept_bytes(objective: Objective, batch: Batch, bfloat16: bool) -> int:
    """Bytes of all tensors kept for the backward pass, each storage once, the model's own weights not."""
    own = {parameter.untyped_storage().data_ptr() for parameter in objective.parameters()}
    kept: dict[int, int] = {}
    alive = []  # or a storage that is freed lends its address to the next

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=bfloat16),
    ):
        objective.train()
        with torch.no_grad():
            batch = objective.prepare(batch, 0, Meter())
        objective(batch.tensors)
    return sum(kept.values())
