"""Encoder output of utterances as a Kaldi archive: the files that firered-encode writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firered.asr.recogniser import Encoded, Encoder
from firered.audio.config import AudioConfig
from firered.data.archives import MatrixWriter
from firered.data.datadir import write_lines, write_table
from firered.data.write import seconds
from firered.errors import Outcome
from firered.options import write_settings
from firered.runs.config import EncodeConfig, JobConfig
from firered.runs.inputs import resolve
from firered.runs.journal import Job, fingerprint
from firered.runs.over_utterances import Loader, run_utterances
from firered.runtime.speech import Speech


@dataclass(frozen=True)
class _Stored:
    """An utterance's matrix on its way into the archive."""

    encoded: Encoded
    writer: MatrixWriter
    earlier: dict[str, Any] | None  # its entry, where an earlier run has written it

    def to_record(self) -> dict[str, Any]:
        """Where the matrix is now, which is written here if it is not there yet, and its size."""
        if self.earlier is not None:
            return self.earlier
        place, rows = self.writer.write(self.encoded.uttid, [self.encoded.feats.numpy()])
        shift_s = self.encoded.frame_shift_s
        return {
            "offset": place.rpartition(":")[2],
            "frames": rows,
            "dur": self.encoded.dur_s,
            "frame_shift": round(shift_s, 6),
        }


def run_encode(
    paths: Sequence[str],
    out: Path,
    model: Path,
    encoder: Encoder,
    encode: EncodeConfig,
    audio: AudioConfig,
    config: JobConfig,
) -> int:
    """Exit status of writing feats.scp, feats.ark, utt2num_frames, utt2dur and frame_shift beside the inputs' tables.

    The matrices are (T, D), one row each `frame_shift` seconds from the utterance's start; T is its valid length.

    Raises:
        DataError: there is nothing to work on.
        FireRedError: `out` cannot be written.
        OptionError: the model has no such layer, or no adapter.
    """
    inputs = resolve(paths, audio, by_segment=True)
    encoder.encode([], layer=encode.layer, adapter=encode.adapter)  # refused at once, not utterance by utterance
    with Job(
        out, fingerprint("firered-encode", encoder.config, encode, audio, *encoder.sources), config, "utterances"
    ) as job:
        job.take(inputs)
        ark = out / "feats.ark"
        with MatrixWriter(ark, encode.compress, job.mark if job.mark else None) as writer:

            def process(batch: list[Speech]) -> list[Outcome[_Stored]]:
                outcomes = encoder.encode(batch, layer=encode.layer, adapter=encode.adapter)
                return [
                    outcome
                    if isinstance(outcome, Exception)
                    else _Stored(outcome, writer, job.results.get(outcome.uttid))
                    for outcome in outcomes
                ]

            loader = Loader(audio, encoder.front_end)
            run_utterances(inputs.utterances, loader, job, encoder.config.batch_seconds, process, writer.tell)
        entries = {one.id: job.results[one.id] for one in inputs.utterances if one.id in job.results}
        inputs.write_tables(entries, out)
        write_table(out / "feats.scp", {key: f"{ark}:{entry['offset']}" for key, entry in entries.items()})
        write_table(out / "utt2num_frames", {key: str(entry["frames"]) for key, entry in entries.items()})
        write_table(out / "utt2dur", {key: seconds(entry["dur"]) for key, entry in entries.items()})
        write_lines(out / "frame_shift", sorted({f"{entry['frame_shift']:g}" for entry in entries.values()}))
        write_settings(out / "config.yaml", f"firered-encode --model {model}", encoder.config, encode, audio)
        return job.finish()
