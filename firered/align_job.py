"""Forced alignment over many utterances: the files that firered-align writes."""

from pathlib import Path

import kaldiio
import numpy as np

from firered.aligner import Aligner
from firered.asr_job import ctm_lines
from firered.batch import Job, fingerprint
from firered.checkpoint import CHECKPOINT
from firered.config import AudioConfig, JobConfig
from firered.datadir import read_table, write_lines, write_table
from firered.errors import Problem
from firered.inputs import resolve
from firered.options import write_settings
from firered.utterance_job import run_utterances


def run_align(
    data: str, text: Path, out: Path, model: Path, aligner: Aligner, audio: AudioConfig, config: JobConfig
) -> int:
    """Exit status of aligning the lines of `text` to the utterances of `data`, with ctm, ali.ark and utt2score.

    Raises:
        DataError: there is nothing to work on, or `text` cannot be read.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve([data], audio, by_segment=True)
    texts = read_table(text, inputs.problems, empty_value_ok=True)
    known = {one.id for one in inputs.utterances}
    inputs.problems += [Problem(key, f"{text}: no utterance of this id in {data}") for key in texts if key not in known]
    inputs.problems += [Problem(key, f"{text}: has no line for this utterance") for key in sorted(known - texts.keys())]
    inputs.utterances = [one for one in inputs.utterances if one.id in texts]
    files = [model / name for name in (CHECKPOINT, "cmvn.ark", "dict.txt")]
    with Job(out, fingerprint("firered-align", aligner.config, audio, text, *files), config, "utterances") as job:
        job.take(inputs)
        run_utterances(
            inputs.utterances,
            audio,
            job,
            aligner.config.batch_seconds,
            lambda batch: aligner.align(batch, [texts[one.key] for one in batch]),
        )
        records = {one.id: job.results[one.id] for one in inputs.utterances if one.id in job.results}
        inputs.write_tables(records, out)
        write_table(out / "text", {key: texts[key] for key in records})
        write_table(out / "utt2score", {key: f"{one['score']:.4f}" for key, one in records.items()})
        write_lines(out / "ctm", ctm_lines(inputs, {key: one["words"] for key, one in records.items()}))
        with kaldiio.WriteHelper(f"ark,scp:{out}/ali.ark,{out}/ali.scp") as writer:
            for key, one in sorted(records.items()):
                writer(key, np.array(one["labels"], np.int32))
        write_settings(out / "config.yaml", f"firered-align --model {model}", aligner.config, audio)
        return job.finish()
