"""Forced alignment over many utterances: the files that firered-align writes."""

from pathlib import Path
from typing import Any

import kaldiio
import numpy as np

from firered.align.aligner import Aligner
from firered.audio.config import AudioConfig
from firered.data.datadir import read_table, write_lines, write_table
from firered.errors import Problem
from firered.runs.asr import ctm_lines
from firered.runs.config import JobConfig
from firered.runs.inputs import resolve
from firered.runs.over_utterances import ModelRun
from firered.runtime.loaded import AED_FILES


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
    run = ModelRun("firered-align", model, AED_FILES, aligner.config, audio, config, (text,))

    def write(records: dict[str, dict[str, Any]]) -> None:
        write_table(out / "text", {key: texts[key] for key in records})
        write_table(out / "utt2score", {key: f"{one['score']:.4f}" for key, one in records.items()})
        write_lines(out / "ctm", ctm_lines(inputs, {key: one["words"] for key, one in records.items()}))
        with kaldiio.WriteHelper(f"ark,scp:{out}/ali.ark,{out}/ali.scp") as writer:
            for key, one in sorted(records.items()):
                writer(key, np.array(one["labels"], np.int32))

    return run.over(inputs, out, lambda batch: aligner.align(batch, [texts[one.key] for one in batch]), write)
