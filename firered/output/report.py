"""One self-contained HTML page of a transcript: player, text, and places where the system was in doubt."""

import base64
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.frontend import SAMPLE_RATE
from firered.audio.like import Rxfilename
from firered.audio.load import INT16_SCALE, read_blocks
from firered.data.datadir import write_lines
from firered.data.write import one_line
from firered.hotwords.occurrences import occurrences
from firered.lid.labels import labels, split_label
from firered.output.envelope import Envelope
from firered.output.html import fill, packaged, script_data
from firered.output.published import published
from firered.output.timed_text import timed_pieces
from firered.results import Transcript
from firered.version import __version__

EMBED_S = 1200.0  # recordings up to this long are part of the page (400 kB a minute), longer ones a link to the file
_PEAKS = 200_000  # at most so many, of at least 10 ms: fine enough for the close-up, some 500 kB of page
# Constant 40 kbit/s: players seek exactly, and below that libsndfile leaves out the tag that cancels MP3's delay.
_MP3 = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": 0.8}
# What a recording's name or words could smuggle in would not run, and the page never asks a network for anything.
_POLICY = "default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; media-src data: 'self' file:"


def report(
    transcript: Transcript,
    audio: str | Path | Rxfilename | None,
    out: Path,
    config: AudioConfig | None = None,
    channel: int | None = None,
) -> None:
    """Write the page of a transcript: one file that needs no network.

    Args:
        transcript: what was found.
        audio: the recording, as the path of a file or an `Rxfilename`. Up to `EMBED_S` seconds it becomes part of the
            page as MP3; a longer one is linked by its path relative to the page, if it is a file. None: a page without
            player and waveform.
        out: the file to write.
        config: how the recording was read.
        channel: which of its channels was transcribed, from 1, if one.

    Raises:
        AudioError: the recording cannot be read.
    """
    data = _data(transcript)
    if audio is not None:
        source = audio.name if isinstance(audio, Rxfilename) else Path(audio)
        blocks = read_blocks(source, config or AudioConfig(), channel=channel)
        mp3 = io.BytesIO()
        embed = transcript.dur_s <= EMBED_S
        data["peaks"] = _peaks(_also_encoded(blocks, mp3) if embed else blocks)
        data["audio"] = f"data:audio/mpeg;base64,{_base64(mp3.getvalue())}" if embed else _link(Path(source), out)
    script = _packaged("report.js")
    page = {
        "title": escape(one_line(transcript.uttid)),
        "policy": _POLICY.format(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()),
        "style": _packaged("report.css"),
        "data": script_data(data),
        "script": script,
        "version": __version__,
    }
    text = fill(_packaged("report.html"), page)
    write_lines(out, text.encode(errors="replace").decode().removesuffix("\n").split("\n"))


def _packaged(name: str) -> str:
    return packaged("firered.output", name)


def _data(transcript: Transcript) -> dict[str, Any]:
    """The record of the transcript, its words in the sentences they belong to, and the names of its languages."""
    data = published(transcript)
    del data["words"]
    for sentence, pieces in zip(data["sentences"], timed_pieces(transcript), strict=True):
        marked = _in_hotwords([piece.text for piece in pieces], transcript.hotwords)
        sentence["words"] = [[*piece, int(own)] for piece, own in zip(pieces, marked, strict=True)]
    languages = [sentence.lang for sentence in transcript.sentences if sentence.lang]
    data["languages"] = {lang: _language_name(lang) for lang in languages}
    return data


def _in_hotwords(pieces: Sequence[str], hotwords: Sequence[str]) -> list[bool]:
    """Whether each piece of a sentence is in a hotword."""
    text, ends = "".join(pieces), [0, *accumulate(map(len, pieces))]
    spans = [span for entry in hotwords for span in occurrences(entry, text)]
    return [any(max(start, a) < min(end, b) for a, b in spans) for start, end in pairwise(ends)]


def _language_name(lang: str) -> str:
    """`Chinese (Yue)` for `zh yue`; the label itself where it is not in the table."""
    language, dialect = split_label(lang)
    names = {(label.level, label.code): label.english for label in labels()}
    name = names.get(("dialect", dialect or "")) or names.get(("language", language), lang)
    return re.sub(r":[^)]*", "", name)  # without the list of places


def _also_encoded(blocks: Iterable[np.ndarray], mp3: io.BytesIO) -> Iterator[np.ndarray]:
    """The same blocks, which are encoded as they pass."""
    with soundfile.SoundFile(mp3, "w", SAMPLE_RATE, 1, **_MP3) as file:
        for block in blocks:
            file.write(np.clip(block / INT16_SCALE, -1, 1))
            yield block


def _peaks(blocks: Iterable[np.ndarray]) -> dict[str, Any]:
    """Lowest and highest sample of equal steps of the signal, as pairs of signed bytes.

    Of amplitudes these are the square roots, the largest 127, so that quiet speech next to loud music is visible.
    """
    envelope = Envelope()
    for block in blocks:
        envelope.add(block)
    times, low, high = envelope.curve(_PEAKS)
    pairs = np.stack([low, high], 1)  # (points, 2)
    roots = np.sign(pairs) * np.sqrt(np.abs(pairs) / max(np.abs(pairs).max(), 1.0))
    values = np.round(127 * roots).astype(np.int8)
    return {"step_s": float(times[1]) if len(times) > 1 else Envelope.STRETCH_S, "pairs": _base64(values.tobytes())}


def _link(audio: Path, page: Path) -> str | None:
    """Relative URL of a recording from a page; None for what is no file of its own, such as a pipe."""
    return quote(os.path.relpath(audio.absolute(), page.parent.absolute())) if audio.is_file() else None


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
