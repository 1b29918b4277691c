"""Language identification over many utterances: the files that firered-lid writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.data.datadir import write_lines, write_table
from firered.data.write import json_line
from firered.lid.identify import Lid
from firered.output.published import published
from firered.results import LidResult
from firered.runs.config import RunConfig
from firered.runs.inputs import resolve
from firered.runs.over_utterances import ModelRun


def run_lid(paths: Sequence[str], out: Path, model: Path, lid: Lid, audio: AudioConfig, config: RunConfig) -> int:
    """Exit status of a run over all utterances of `paths`, with utt2lang, utt2lang_conf and lid.jsonl in `out`.

    Raises:
        DataError: there is no input to process.
        FireRedError: `out` cannot be written.
    """

    def write(results: Mapping[str, LidResult]) -> None:
        write_table(out / "utt2lang", {key: result.lang.replace(" ", "-") for key, result in results.items()})
        write_table(out / "utt2lang_conf", {key: f"{result.confidence:.3f}" for key, result in results.items()})
        write_lines(out / "lid.jsonl", [json_line(published(results[key])) for key in sorted(results)])

    inputs = resolve(paths, audio, by_segment=True)
    run = ModelRun("firered-lid", model, (), lid.config, lid.config.batch_seconds, audio, config, LidResult)
    return run.over(inputs, out, lid.identify, write)
