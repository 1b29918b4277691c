"""Recognition and forced alignment over many utterances: the files that firered-asr and firered-align write."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from firered.asr.config import RecogniserConfig
from firered.asr.recogniser import Recogniser
from firered.audio.config import AudioConfig
from firered.data.datadir import write_lines, write_table
from firered.data.write import json_line
from firered.runs.config import JobConfig
from firered.runs.inputs import Inputs, channel_name, resolve
from firered.runs.over_utterances import ModelRun
from firered.runtime.config import ContextConfig
from firered.runtime.context import Context

log = logging.getLogger(__name__)

_DEED = {"flag": "flagged", "drop": "dropped"}


def run_asr(
    paths: Sequence[str],
    out: Path,
    model: Path,
    asr: Recogniser,
    audio: AudioConfig,
    config: JobConfig,
    context: Context | None = None,
) -> int:
    """Exit status of a run over all utterances of `paths`, with everything firered-asr promises written to `out`.

    What is known of an utterance beforehand is in utt2lang and utt2prompt of the data directory; else `context`.

    Raises:
        DataError: there is nothing to work on.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve(paths, audio, by_segment=True)
    sources, known = tuple(asr.sources), context or Context()
    told = ContextConfig(language=known.language, prompt=known.prompt)
    run = ModelRun("firered-asr", model, (), asr.config, audio, config, sources, asr.front_end, known, (told,))

    def write(records: dict[str, dict[str, Any]]) -> None:
        write_asr(out, records, asr.config)
        if asr.times_words:
            write_lines(out / "ctm", ctm_lines(inputs, {key: one["json"]["timestamp"] for key, one in records.items()}))

    return run.over(inputs, out, asr.recognise, write)


def write_asr(out: Path, records: dict[str, dict[str, Any]], config: RecogniserConfig) -> None:
    """text, token, token_conf, utt2conf, asr.jsonl and, if asked for, nbest.jsonl and the guard's flags."""
    write_table(out / "text", {key: one["json"]["text"] for key, one in records.items()})
    write_table(out / "token", {key: " ".join(one["tokens"]) for key, one in records.items()})
    confidences = {key: " ".join(f"{prob:.3f}" for prob in one["token_confidence"]) for key, one in records.items()}
    write_table(out / "token_conf", confidences)
    write_table(out / "utt2conf", {key: f"{one['json']['confidence']:.3f}" for key, one in records.items()})
    write_lines(out / "asr.jsonl", [json_line(one["json"]) for _, one in sorted(records.items())])
    if config.nbest > 1:
        lines = [json_line({"uttid": key, "nbest": one["nbest"]}) for key, one in sorted(records.items())]
        write_lines(out / "nbest.jsonl", lines)
    if config.guard != "off":
        flags = {key: "; ".join(one["json"]["flags"]) for key, one in records.items() if "flags" in one["json"]}
        write_table(out / "flags", flags)
        log.log(
            logging.WARNING if flags else logging.INFO,
            "guard: %d of %d texts %s; reasons in %s",
            *(len(flags), len(records), _DEED[config.guard], out / "flags"),
        )


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
