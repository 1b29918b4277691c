"""Encoder output of utterances as a Kaldi archive: the files that firered-encode writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firered.asr.recogniser import Encoded, Encoder
from firered.audio.config import AudioConfig
from firered.data.archives import MatrixWriter, place_in
from firered.data.datadir import write_lines, write_table
from firered.data.write import seconds
from firered.errors import Outcome
from firered.options import write_settings
from firered.results import Result
from firered.runs.config import EncodeConfig, RunConfig
from firered.runs.depends import fingerprint
from firered.runs.fbank import ARCHIVE
from firered.runs.features import refuse_unfit
from firered.runs.inputs import resolve
from firered.runs.journal import Run
from firered.runs.over_utterances import Loader, run_utterances
from firered.runtime.speech import Speech


@dataclass(frozen=True)
class _Stored(Result):
    """Where in feats.ark an utterance's matrix is, and its size."""

    offset: str  # without the archive's path, which may change between two runs
    frames: int
    dur_s: float
    frame_shift_s: float


def run_encode(
    paths: Sequence[str],
    out: Path,
    model: Path,
    encoder: Encoder,
    encode: EncodeConfig,
    audio: AudioConfig,
    config: RunConfig,
) -> int:
    """Exit status of writing feats.scp, feats.ark, utt2num_frames, utt2dur and frame_shift, with the inputs' tables.

    The matrices are (T, D), one row each `frame_shift` seconds from the utterance's start; T is its valid length.

    Raises:
        DataError: there is no input to process.
        FireRedError: `out` cannot be written.
        OptionError: the model has no such layer, or no adapter.
    """
    inputs = resolve(paths, audio, by_segment=True)
    refuse_unfit(inputs, encoder.front_end, model)
    encoder.encode(
        [], layer=encode.layer, adapter=encode.adapter
    )  # raises before the run rather than for every utterance
    identity = fingerprint("firered-encode", encoder.config, encode, audio, model, *encoder.sources)
    with Run(out, identity, config, "utterances", _Stored.from_dict, ARCHIVE) as run:
        run.take(inputs)
        ark = out / ARCHIVE
        with MatrixWriter(ark, encode.compress, run.mark if run.mark else None) as writer:

            def process(batch: list[Speech]) -> list[Outcome[Encoded]]:
                return encoder.encode(batch, layer=encode.layer, adapter=encode.adapter)

            def store(encoded: Encoded) -> _Stored:
                if encoded.uttid in run.results:  # an earlier run has written it
                    return run.results[encoded.uttid]
                place, rows = writer.write(encoded.uttid, [encoded.feats.numpy()])
                return _Stored(place.rpartition(":")[2], rows, encoded.dur_s, round(encoded.frame_shift_s, 6))

            loader = Loader(audio, encoder.front_end)
            run_utterances(inputs.utterances, loader, run, encoder.config.batch_seconds, process, store, writer.tell)
        ids = [utterance.id for utterance in inputs.utterances]
        stored = {key: run.results[key] for key in ids if key in run.results}
        inputs.write_tables(stored, out)
        write_table(out / "feats.scp", {key: place_in(ark, matrix.offset) for key, matrix in stored.items()})
        write_table(out / "utt2num_frames", {key: str(matrix.frames) for key, matrix in stored.items()})
        write_table(out / "utt2dur", {key: seconds(matrix.dur_s) for key, matrix in stored.items()})
        write_lines(out / "frame_shift", sorted({f"{matrix.frame_shift_s:g}" for matrix in stored.values()}))
        write_settings(out / "config.yaml", f"firered-encode --model {model}", encoder.config, encode, audio)
        return run.finish()
