"""Language identification over many utterances: the files that firered-lid writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firered.audio.config import AudioConfig
from firered.data.datadir import write_lines, write_table
from firered.data.write import json_line
from firered.lid.identify import Lid
from firered.runs.config import JobConfig
from firered.runs.inputs import resolve
from firered.runs.over_utterances import ModelRun
from firered.runtime.loaded import AED_FILES


def run_lid(paths: Sequence[str], out: Path, model: Path, lid: Lid, audio: AudioConfig, config: JobConfig) -> int:
    """Exit status of a run over all utterances of `paths`, with utt2lang, utt2lang_conf and lid.jsonl in `out`.

    Raises:
        DataError: there is nothing to work on.
        FireRedError: `out` cannot be written.
    """

    def write(records: dict[str, dict[str, Any]]) -> None:
        write_table(out / "utt2lang", {key: one["lang"].replace(" ", "-") for key, one in records.items()})
        write_table(out / "utt2lang_conf", {key: f"{one['confidence']:.3f}" for key, one in records.items()})
        write_lines(out / "lid.jsonl", [json_line(one) for _, one in sorted(records.items())])

    inputs = resolve(paths, audio, by_segment=True)
    return ModelRun("firered-lid", model, AED_FILES, lid.config, audio, config).over(inputs, out, lid.identify, write)
