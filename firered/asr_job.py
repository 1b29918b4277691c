"""Recognition and forced alignment over many utterances: the files that firered-asr and firered-align write."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firered.asr import Asr
from firered.batch import Job, fingerprint
from firered.checkpoint import CHECKPOINT
from firered.config import AsrConfig, AudioConfig, JobConfig
from firered.datadir import write_lines, write_table
from firered.inputs import Inputs, channel_name, resolve
from firered.options import write_settings
from firered.utterance_job import run_utterances


def run_asr(paths: Sequence[str], out: Path, model: Path, asr: Asr, audio: AudioConfig, config: JobConfig) -> int:
    """Exit status of a run over all utterances of `paths`, with everything firered-asr promises written to `out`.

    Raises:
        DataError: there is nothing to work on.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve(paths, audio, by_segment=True)
    elm = [Path(asr.config.elm_dir) / CHECKPOINT] if asr.config.elm_dir else []
    files = [model / name for name in (CHECKPOINT, "cmvn.ark", "dict.txt")]
    identity = fingerprint("firered-asr", asr.config, audio, *files, *elm)
    with Job(out, identity, config, "utterances") as job:
        job.take(inputs)
        run_utterances(inputs.utterances, audio, job, asr.config.batch_seconds, asr.transcribe)
        done = [one.id for one in inputs.utterances if one.id in job.results]
        inputs.write_tables(done, out)
        write_asr(out, {key: job.results[key] for key in done}, asr.config)
        if asr.config.timestamps != "none":
            write_lines(out / "ctm", ctm_lines(inputs, {key: job.results[key]["json"]["timestamp"] for key in done}))
        write_settings(out / "config.yaml", f"firered-asr --model {model}", asr.config, audio)
        return job.finish()


def write_asr(out: Path, records: dict[str, dict[str, Any]], config: AsrConfig) -> None:
    """text, token, token_conf, utt2conf, asr.jsonl and, if asked for, nbest.jsonl."""
    write_table(out / "text", {key: one["json"]["text"] for key, one in records.items()})
    write_table(out / "token", {key: " ".join(one["tokens"]) for key, one in records.items()})
    confidences = {key: " ".join(f"{prob:.3f}" for prob in one["token_confidence"]) for key, one in records.items()}
    write_table(out / "token_conf", confidences)
    write_table(out / "utt2conf", {key: f"{one['json']['confidence']:.3f}" for key, one in records.items()})
    write_lines(out / "asr.jsonl", [_json(one["json"]) for _, one in sorted(records.items())])
    if config.nbest > 1:
        lines = [_json({"uttid": key, "nbest": one["nbest"]}) for key, one in sorted(records.items())]
        write_lines(out / "nbest.jsonl", lines)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def ctm_lines(inputs: Inputs, timestamps: dict[str, list[list]]) -> list[str]:
    """NIST CTM on the recordings' time axes: recording, channel, start, duration, word."""
    lines = []
    for one in inputs.utterances:
        channel = "1" if one.channel is None else channel_name(one.channel)
        for word, start, end in timestamps.get(one.id, ()):
            begin = one.start_s + start
            lines.append(
                (one.recording, channel, begin, f"{one.recording} {channel} {begin:.3f} {end - start:.3f} {word}")
            )
    return [line for *_, line in sorted(lines, key=lambda entry: entry[:3])]
