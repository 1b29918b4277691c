"""firered-noisy: a noisy copy of every utterance of a data directory."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.frames import samples_of
from firered.audio.framing import SAMPLE_RATE
from firered.data.datadir import KNOWN_FILES, UTTERANCE, DataDir, spk2utt_of, write_lines, write_table
from firered.data.names import file_names, write_file_names
from firered.data.partition import known_files
from firered.data.utterance import Utterance
from firered.data.write import seconds
from firered.errors import FireRedError, SilentError
from firered.options import write_settings
from firered.runs.config import NoisyConfig, RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs, resolve
from firered.runs.journal import Run
from firered.runs.noise import Noise, find_noises, write_mixed

# Tables of the original audio or of its features and times, which the copy does not share.
_OWN = {"segments", "feats.scp", "vad.scp", "ali.scp", "utt2num_frames", "utt2uniq", "utt2dur", "utt2spk"}
_TRIES = 5  # recordings of noise, where one is silent


def make_noisy(data: str, noise: str, out: Path, config: NoisyConfig, audio: AudioConfig, job: RunConfig) -> int:
    """Exit status of writing a data directory of noisy copies, with utt2noise and utt2snr.

    What is drawn for an utterance follows from the seed and its id alone, so that parts of a data directory give what
    the whole gives.

    Raises:
        DataError: there are no utterances, or no noise.
    """
    noises = find_noises(noise)
    inputs = resolve([data], audio, by_segment=True)
    listed = "\n".join(f"{own.key} {own.audio} {own.start_s}" for own in noises)
    identity = fingerprint("firered-noisy", config, audio, f"noise {zlib.crc32(listed.encode())}")
    with Run[dict[str, Any]](out, identity, job, "utterances") as run:
        run.take(inputs)
        folder = out.absolute() / "wav"
        folder.mkdir(parents=True, exist_ok=True)
        names = file_names(f"{utterance.id}{config.suffix}" for utterance in inputs.utterances)
        write_file_names(folder, names)
        for utterance in inputs.utterances:
            wav = folder / f"{names[utterance.id + config.suffix]}.wav"
            if utterance.id in run.results and wav.is_file():
                continue
            try:
                result = _mixed(utterance, noises, wav, config, audio)
            except FireRedError as error:
                run.results.pop(utterance.id, None)
                run.fail_with(utterance.id, error)
                continue
            run.done(utterance.id, result, result["seconds"])
        made = {
            utterance.id: run.results[utterance.id] for utterance in inputs.utterances if utterance.id in run.results
        }
        files = {key: str(folder / f"{names[key + config.suffix]}.wav") for key in made}
        _write(inputs, made, files, out, config.suffix)
        write_settings(out / "config.yaml", "firered-noisy", config, audio)
        return run.finish()


def _mixed(
    utterance: Utterance, noises: Sequence[Noise], wav: Path, config: NoisyConfig, audio: AudioConfig
) -> dict[str, Any]:
    """Write the copy of an utterance; what was drawn for it."""
    rng = np.random.default_rng([config.seed, zlib.crc32(utterance.id.encode())])
    speech = np.concatenate(list(samples_of(utterance, audio))).astype(np.float32)
    snr_db = round(float(rng.normal(config.snr_mean, config.snr_std)), 2)
    for number in rng.permutation(len(noises))[:_TRIES].tolist():
        noise = noises[number]
        try:
            excerpt, offset_s = noise.drawn_excerpt(len(speech), rng)
        except SilentError:
            continue
        write_mixed(wav, speech, excerpt, snr_db)
        name = f"{noise.audio} {offset_s:g}"
        return {"noise": name, "snr_db": snr_db, "seconds": len(speech) / SAMPLE_RATE}
    raise SilentError("the noise drawn for it is all zeros; leave silent recordings out of the noise")


def _write(inputs: Inputs, made: dict[str, dict[str, Any]], files: dict[str, str], out: Path, suffix: str) -> None:
    """Write the tables of the copies: those of the data directory that hold for them as well, and their own."""
    speakers = {utterance.id: utterance.speaker or utterance.id for utterance in inputs.utterances}
    tables = {
        "wav.scp": files,
        "utt2spk": {key: f"{speakers[key]}{suffix}" for key in made},
        "utt2dur": {key: seconds(drawn["seconds"]) for key, drawn in made.items()},
        "utt2noise": {key: drawn["noise"] for key, drawn in made.items()},
        "utt2snr": {key: f"{drawn['snr_db']:g}" for key, drawn in made.items()},
    }
    for name in known_files(inputs.data.path) if inputs.data else ():
        if KNOWN_FILES.get(name) == UTTERANCE and name not in _OWN:
            table = (inputs.data and inputs.data.table(name)) or {}
            tables[name] = {key: table[key] for key in made if key in table}
    for name, table in tables.items():
        write_table(out / name, {f"{key}{suffix}": value for key, value in table.items()})
    write_table(out / "spk2utt", spk2utt_of({f"{key}{suffix}": own for key, own in tables["utt2spk"].items()}))
    if inputs.data is not None:
        _write_others(inputs.data, set(made), {speakers[key] for key in made}, out, suffix)


def _write_others(data: DataDir, made: set[str], speakers: set[str], out: Path, suffix: str) -> None:
    """Write spk2gender, and the rttm where utterances are whole recordings."""
    if (genders := data.table("spk2gender")) is not None:
        write_table(out / "spk2gender", {f"{key}{suffix}": genders[key] for key in speakers & genders.keys()})
    if data.segments is None and (labels := data.lines("rttm")) is not None:
        rows = [line.split() for key in sorted(made & labels.keys()) for line in labels[key]]
        write_lines(out / "rttm", [" ".join([row[0], f"{row[1]}{suffix}", *row[2:]]) for row in rows])
