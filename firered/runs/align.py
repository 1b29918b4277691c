"""Forced alignment over many utterances: the files that firered-align writes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from firered.align.base import CtcAligner
from firered.audio.config import AudioConfig
from firered.data.archives import write_integers
from firered.data.datadir import read_table, write_lines, write_table
from firered.data.write import json_line
from firered.errors import Outcome, Problem
from firered.output.published import published
from firered.results import AlignResult
from firered.runs.asr import ctm_lines
from firered.runs.config import RunConfig
from firered.runs.inputs import resolve
from firered.runs.over_utterances import ModelRun
from firered.runtime.speech import Speech


def run_align(
    data: str, text: Path, out: Path, model: Path, aligner: CtcAligner, audio: AudioConfig, config: RunConfig
) -> int:
    """Exit status of aligning the lines of `text` to the utterances of `data`: ctm, align.jsonl, ali.ark, utt2score.

    Raises:
        DataError: there is no input to process, or `text` cannot be read.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve([data], audio, by_segment=True)
    texts = read_table(text, inputs.problems, empty_value_ok=True)
    known = {utterance.id for utterance in inputs.utterances}
    inputs.problems += [Problem(key, f"{text}: no utterance of this id in {data}") for key in texts if key not in known]
    inputs.problems += [Problem(key, f"{text}: has no line for this utterance") for key in sorted(known - texts.keys())]
    inputs.utterances = [utterance for utterance in inputs.utterances if utterance.id in texts]
    options = aligner.config
    seconds, front_end = options.batch_seconds, aligner.front_end
    run = ModelRun("firered-align", model, (), options, seconds, audio, config, AlignResult, front_end)

    def write(results: Mapping[str, AlignResult]) -> None:
        write_table(out / "text", {key: texts[key] for key in results})
        scores = {key: result.alignment.mean_log_prob for key, result in results.items()}
        write_table(out / "utt2score", {key: f"{score:.4f}" for key, score in scores.items()})
        write_lines(out / "align.jsonl", [json_line(published(results[key])) for key in sorted(results)])
        write_lines(out / "ctm", ctm_lines(inputs, {key: result.words for key, result in results.items()}))
        labels = {key: np.array(results[key].alignment.to_kaldi(), np.int32) for key in sorted(results)}
        write_table(out / "ali.scp", write_integers(out / "ali.ark", labels))

    def process(batch: list[Speech]) -> list[Outcome[AlignResult]]:
        return aligner.align(batch, [texts[speech.key] for speech in batch])

    return run.over(inputs, out, process, write, texts.__getitem__)
