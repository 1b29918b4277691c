"""Compressed recordings converted to wav, so that cutting segments out of one does not decode it for each of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE, read_blocks
from firered.data.atomic import replacing
from firered.data.names import file_names, write_file_names


def converted(recordings: Mapping[str, Path], folder: Path) -> dict[str, Path]:
    """A wav (16 kHz, mono, 16 bit) in `folder` for each recording, by its id; existing files are kept.

    Raises:
        AudioError: a recording cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(recordings)
    write_file_names(folder, names)
    wavs = {key: folder.absolute() / f"{names[key]}.wav" for key in recordings}
    with ThreadPoolExecutor() as pool:
        list(pool.map(_convert, recordings.values(), wavs.values()))
    return wavs


def _convert(recording: Path, wav: Path) -> None:
    if wav.is_file():
        return
    with (
        replacing(wav, only_writer=True) as unfinished,
        soundfile.SoundFile(unfinished, "w", SAMPLE_RATE, 1, "PCM_16", format="WAV") as out,
    ):
        for block in read_blocks(recording, AudioConfig()):
            out.write(np.clip(block / INT16_SCALE, -1.0, 1.0))
