"""Texts of utterances that are recognised as they are spoken: with every chunk from the start, nothing taken back.

What two passes in a row agree on stands (local agreement, as in `firered live`); at the end of the utterance the rest
of the last pass follows it. As in `firered live`, silence is put behind what is heard so far. This is for recognisers
that have no streaming pass of their own, such as FireRedASR-LLM.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
import soundfile
import torch
import typer

import firered
from firered.asr.fun_asr_config import STREAM_STEP_S
from firered.audio.framing import SAMPLE_RATE
from firered.data.datadir import DataDir, write_lines, write_table
from firered.errors import AudioError, DataError, FireRedError, Outcome
from firered.live.config import LiveConfig
from firered.live.stable import Stable
from firered.results import AsrResult

_LIVE = LiveConfig()
_TOGETHER = 32  # utterances


class Recogniser(Protocol):
    """What recognises recordings."""

    def batch(self, audios: Sequence[np.ndarray], /) -> list[Outcome[AsrResult]]:
        """For each a result, or an error in its place."""
        ...


def beginnings(samples: np.ndarray, chunk: int) -> list[np.ndarray]:
    """An utterance up to the end of each chunk, with silence behind; the last is all of it, as it is.

    Args:
        samples: of the utterance, (n,), at 16 kHz.
        chunk: samples between two passes.
    """
    count = max(1, math.ceil(len(samples) / chunk))
    silence = np.zeros(round(_LIVE.tail_s * SAMPLE_RATE), samples.dtype)
    return [np.concatenate([samples[: number * chunk], silence]) for number in range(1, count)] + [samples]


def text_of(passes: Sequence[Outcome[AsrResult]]) -> str:
    """The text at the end of an utterance that was recognised with each of its chunks.

    Raises:
        FireRedError: a pass failed. Of a beginning an AudioError is none: there may be nothing but zeros in it yet.
    """
    stable, rest = Stable(_LIVE), ""
    for number, result in enumerate(passes, start=1):
        if isinstance(result, AsrResult):
            rest = stable.take(result)
        elif number == len(passes) or not isinstance(result, AudioError):
            raise result
    return stable.text + rest


def streamed(recogniser: Recogniser, utterances: Sequence[np.ndarray], chunk: int) -> Iterator[Outcome[str]]:
    """The text of each utterance, or what failed; all passes over all of them are one batch."""
    pieces = [beginnings(samples, chunk) for samples in utterances]
    results = iter(recogniser.batch([piece for own in pieces for piece in own]))
    for own in pieces:
        passes = [next(results) for _ in own]
        try:
            yield text_of(passes)
        except FireRedError as error:
            yield error


def read(path: Path) -> np.ndarray:
    """Samples of a recording, (n,), int16.

    Raises:
        DataError: it cannot be read, or is not of one channel at 16 kHz.
    """
    try:
        samples, rate = soundfile.read(path, dtype="int16")
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path}: {error}") from error
    if rate != SAMPLE_RATE or samples.ndim != 1:
        raise DataError(f"{path}: expected one channel at {SAMPLE_RATE} Hz")
    return np.asarray(samples)


def transcribed(recogniser: Recogniser, data: DataDir, chunk: int) -> tuple[dict[str, str], list[str]]:
    """The texts of a data directory by utterance, and a line for each utterance that has none."""
    audio = data.wav_scp
    if audio is None or data.segments is not None:
        raise DataError(f"{data.path}: expected wav.scp, and no segments")
    texts: dict[str, str] = {}
    failed: list[str] = []
    keys = sorted(audio)
    for first in range(0, len(keys), _TOGETHER):
        own = keys[first : first + _TOGETHER]
        samples = [read(data.path / audio[key]) for key in own]
        for key, text in zip(own, streamed(recogniser, samples, chunk), strict=True):
            if isinstance(text, str):
                texts[key] = text
            else:
                failed.append(f"{key} {text}")
    return texts, failed


def main(
    model: Annotated[Path, typer.Argument(help="model directory")],
    data: Annotated[Path, typer.Argument(help="data directory with wav.scp: wav files of one channel at 16 kHz")],
    out: Annotated[Path, typer.Argument(help="folder to write `text` to, and `failed` where utterances have none")],
    chunk_seconds: Annotated[float, typer.Option(help="of audio between two passes", min=0.1)] = STREAM_STEP_S,
) -> None:
    """Write the texts."""
    torch.set_num_threads(1)
    try:
        texts, failed = transcribed(firered.load(model), DataDir(data), round(chunk_seconds * SAMPLE_RATE))
        write_table(out / "text", texts)
        if failed:
            write_lines(out / "failed", failed)
            raise FireRedError(f"{len(failed)} utterances have no text: see {out / 'failed'}")
    except FireRedError as error:
        sys.exit(f"growing.py: {error}")


if __name__ == "__main__":
    typer.run(main)
