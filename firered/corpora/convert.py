"""Compressed recordings converted to wav, so that cutting segments out of one does not decode it for each of them."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE, read_blocks
from firered.corpora.packed import Made
from firered.data.atomic import replacing
from firered.data.names import file_names, write_file_names
from firered.errors import AudioError


def converted(recordings: Mapping[str, Path], folder: Path) -> Made:
    """A wav (16 kHz, mono, 16 bit) in `folder` for each recording that can be read; existing ones are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(recordings)
    write_file_names(folder, names)
    wavs = {key: folder.absolute() / f"{names[key]}.wav" for key in recordings}
    with ThreadPoolExecutor() as pool:
        reasons = dict(zip(wavs, pool.map(_convert, recordings.values(), wavs.values()), strict=True))
    return Made(
        {key: wav for key, wav in wavs.items() if not reasons[key]},
        {key: reason for key, reason in reasons.items() if reason},
    )


def _convert(recording: Path, wav: Path) -> str:
    """Write the wav; returns what is wrong with the recording, or nothing."""
    if wav.is_file():
        return ""
    try:
        with (
            replacing(wav, only_writer=True) as unfinished,
            soundfile.SoundFile(unfinished, "w", SAMPLE_RATE, 1, "PCM_16", format="WAV") as out,
        ):
            for block in read_blocks(recording, AudioConfig()):
                out.write(np.clip(block / INT16_SCALE, -1.0, 1.0))
    except AudioError as error:
        return str(error)
    return ""
