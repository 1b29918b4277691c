"""The error rate on a part of the dev set in the course of training."""

import logging
import math

import numpy as np
import torch
from accelerate import Accelerator

from firered.errors import FireRedError, OptionError
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer
from firered.train.data.stream import Request, dynamic_batches, read
from firered.train.data.text import table_of
from firered.train.layout import Whole
from firered.train.sections import Settings
from firered.train.steps import Steps
from firered.train.sums import Sums
from firered.train.task import Task

log = logging.getLogger(__name__)

ERROR_RATE = "error_rate"


class DevErrors:
    """Decodes the same utterances of the dev set after each evaluation, greedily, and counts errors.

    Tokens are those of `firered-score` by its defaults: characters of Chinese, Japanese and Thai, words of the others.

    Args:
        settings: of the training: how many utterances, drawn by its seed, and by which part of the model.
        task: whose model writes text.
        accelerator: of the processes, which share the utterances out; where a model is in shards all decode the same.
        layout: of the model on them.
        steps: has the arithmetic of the settings.

    Raises:
        OptionError: models of the task write no text.
        DataError: the dev set has no texts.
    """

    def __init__(self, settings: Settings, task: Task, accelerator: Accelerator, layout: Whole, steps: Steps) -> None:
        if task.text_of is None:
            raise OptionError(f"train.error_rate_utterances: models of the task {settings.task} write no text")
        self._task, self._layout, self._steps, self._text_of = task, layout, steps, task.text_of
        self._by = settings.train.error_rate_by
        texts = table_of(getattr(settings.sections["data"], "dev"), "text", [])  # noqa: B009 - of every task with text
        count = min(settings.train.error_rate_utterances, len(task.dev.keys))
        chosen = np.random.default_rng(settings.train.seed).choice(len(task.dev.keys), count, replace=False)
        self._references = {key: texts[key] for key in (task.dev.keys[index] for index in chosen)}
        sizes = task.dev.sizes(None)
        batches = dynamic_batches(sizes, task.batch_size, chosen[np.argsort(-sizes[chosen], kind="stable")])
        if not layout.in_shards:
            batches = batches[accelerator.process_index :: accelerator.num_processes]
        requests = [Request(None, number, tuple(batch)) for number, batch in enumerate(batches)]
        self._batches = read(task.dev, requests, 0)
        self._counts = accelerator.is_main_process or not layout.in_shards
        self._rule = normalizer(NormalizerConfig())

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Percent of errors, and how many there are of each kind; utterances that cannot be read are left out."""
        self._layout.plain.eval()
        sums = Sums()
        for _, batch in self._batches:
            if isinstance(batch, FireRedError):
                log.warning("not decoded: %s", batch)
                continue
            tokens = self._steps.decoded(batch, self._by)
            if self._counts:
                written = {key: self._text_of(ids) for key, ids in zip(batch.keys, tokens, strict=True)}
                own = {key: self._references[key] for key in batch.keys}
                counts = total(found.counts for found in align_texts(own, written, self._rule))
                kinds = {name: float(getattr(counts, name)) for name in ("substitutions", "deletions", "insertions")}
                sums.add(tokens=counts.tokens, **kinds)
        self._layout.settle()
        summed = sums.over_processes()
        tokens_in_all = summed.pop("tokens", 0.0)
        rate = 100 * sum(summed.values()) / tokens_in_all if tokens_in_all else math.nan
        return {ERROR_RATE: rate, **summed}
