"""Codec, rate, channels and duration of a recording, read from its header without decoding."""

import contextlib
import json
import math
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import soundfile

from firered.audio.config import AudioConfig
from firered.audio.framing import check_rate
from firered.audio.plain_wav import plain_wav
from firered.audio.source import Recording, Source, open_source, tail_of
from firered.data.files import is_pipe
from firered.data.utterance import Utterance
from firered.errors import AudioError, Outcome

_HEADER_BYTES = 512  # more than the header of an empty wav
# Containers whose header states the duration; of others ffprobe makes it up from the bit rate, which may be far off.
_STATING = ("mov", "matroska", "asf", "avi")
_EXACT_SUBTYPES = ("PCM", "FLOAT", "DOUBLE", "ULAW", "ALAW", "ALAC")  # of libsndfile
_EXACT_CODECS = ("pcm_", "flac", "alac", "wavpack", "tta", "ape")  # of ffmpeg
_PLAYLISTS = (b"#EXTM3U", b"ffconcat ")  # ffmpeg would open whatever files they name
# The same by the names that ffprobe has for them: they may begin with anything.
_NAMING_OTHERS = frozenset(("concat", "dash", "hls", "applehttp", "imf", "rtsp", "sdp", "webm_dash_manifest"))
_PLAYLIST_BYTES = 16
_AT_ONCE = 8  # files probed in parallel: most of the time goes to waiting for the disk
_IN_A_ROW = 32  # files of one thread's task: handing over each by itself takes as long as reading a header


@dataclass(frozen=True)
class Header:
    """What the header of a recording states.

    `codec` is libsndfile's name of the sample format (`PCM_16`, `MPEG_LAYER_III`) or ffmpeg's of the codec (`aac`);
    `rate` is in Hz. `duration_s` is None where finding out takes reading all of it; of compressed video containers it
    is that of the container, which may differ from what decoding gives by some hundredths of a second.

    Raises:
        AudioError: nothing is recorded at this rate.
    """

    codec: str
    rate: int
    channels: int
    duration_s: float | None

    def __post_init__(self) -> None:
        check_rate(self.rate)

    @property
    def lossy(self) -> bool:
        """Whether the codec is lossy: it leaves parts of the spectrum out."""
        return not self.codec.startswith((*_EXACT_SUBTYPES, *_EXACT_CODECS))


def probe(recording: Recording, config: AudioConfig | None = None) -> Header:
    """The header of a recording, nothing of which is decoded; a pipe is run.

    Args:
        recording: Kaldi extended file name (str), path of a file (Path) or binary file.
        config: what to do with pipes and truncated files.

    Raises:
        AudioError: nothing there, not audio, cut short (unless allowed), a failing or refused pipe.
    """
    config = config or AudioConfig()
    if (plain := plain_wav(recording)) is not None:
        return Header("PCM_16", *plain)
    with (
        open_source(recording, pipes=config.pipes, allow_truncated=config.allow_truncated) as source,
        contextlib.ExitStack() as stack,
    ):
        file = open_soundfile(source, stack)
        if file is not None:
            return soundfile_header(file)
        return ffprobe(source.on_disk(stack), source.name, config.ffmpeg_seconds)


def open_soundfile(source: Source, stack: contextlib.ExitStack) -> soundfile.SoundFile | None:
    """The recording opened by libsndfile; None where ffmpeg is to read it."""
    try:
        file = stack.enter_context(
            soundfile.SoundFile(source.place if isinstance(source.place, Path) else BytesIO(source.place))
        )
    except (soundfile.LibsndfileError, TypeError, RuntimeError):
        return None
    if file.format == "MP3" and not _states_length(source):
        return None  # libsndfile would guess it from the first frame, and lose or promise audio
    if (
        file.frames == 0
        and isinstance(source.place, Path)
        and source.place.stat().st_size > _HEADER_BYTES
        and shutil.which("ffmpeg")
    ):
        return None  # a recorder that was killed left a length of 0; ffmpeg reads what follows
    return file


def soundfile_header(file: soundfile.SoundFile) -> Header:
    """The header of a file that libsndfile has opened."""
    return Header(file.subtype, file.samplerate, file.channels, file.frames / file.samplerate)


def _states_length(source: Source) -> bool:
    """Whether an MP3 holds its number of frames (a Xing, Info or VBRI header in its first frame)."""
    with source.opened() as file:
        head = file.read(1 << 16)
    if head[:3] == b"ID3" and len(head) >= 10:
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        with source.opened() as file:
            file.seek(size + 10)
            head = file.read(1 << 12)
    return any(name in head[: 1 << 12] for name in (b"Xing", b"Info", b"VBRI"))


def ffprobe(path: Path, name: str, seconds: float = 0.0) -> Header:
    """The header of the first audio stream of a file, as ffprobe has it.

    Args:
        path: of the file.
        name: for messages.
        seconds: that it may take; 0: any.

    Raises:
        AudioError: ffmpeg is not installed, finds no audio, or takes too long.
    """
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        raise AudioError(f"{name}: not wav, flac, ogg or mp3; install ffmpeg to read other formats")
    with path.open("rb") as file:
        if file.read(_PLAYLIST_BYTES).lstrip(b"\xef\xbb\xbf").startswith(_PLAYLISTS):
            raise AudioError(f"{name}: a playlist, which names other files; give those")
    command = ["ffprobe", "-v", "error", "-protocol_whitelist", "file,pipe", "-select_streams", "a:0"]
    command += ["-show_entries", "stream=codec_name,sample_rate,channels,duration:format=format_name,duration"]
    command += ["-of", "json", f"file:{path}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds or None
        )
    except subprocess.TimeoutExpired:
        raise AudioError(f"{name}: ffprobe took more than {seconds:g} s over it (--ffmpeg-seconds)") from None
    if done.returncode != 0:
        raise AudioError(f"{name}: not audio that soundfile or ffmpeg can read{tail_of(done.stderr)}")
    found: dict[str, Any] = json.loads(done.stdout)
    container = found.get("format", {})
    kind = str(container.get("format_name", ""))
    if not _NAMING_OTHERS.isdisjoint(kind.split(",")):
        raise AudioError(f"{name}: a playlist ({kind}), which names other files; give those")
    stream: dict[str, Any] = next(iter(found.get("streams", ())), {})
    rate, channels = (_positive(stream.get(field)) for field in ("sample_rate", "channels"))
    if not (rate and channels):
        raise AudioError(f"{name}: holds no audio stream")
    stated = kind.startswith(_STATING)
    duration_s = (_positive(stream.get("duration")) or _positive(container.get("duration"))) if stated else None
    return Header(str(stream.get("codec_name", "")), int(rate), int(channels), duration_s)


def _positive(value: str | int | None) -> float | None:
    """A number above zero; None for anything else that ffprobe writes in its place."""
    try:
        number = float(value or 0)
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def duration_of(utterance: Utterance, config: AudioConfig) -> float:
    """Seconds of an utterance where they are known without decoding it or running a pipe; else NaN."""
    known = _stated(utterance)
    if math.isfinite(known) or not _to_probe(utterance):
        return known
    return _rest_of(utterance, probe_all([utterance.audio], config)[utterance.audio])


def with_durations(utterances: Sequence[Utterance], config: AudioConfig) -> list[Utterance]:
    """The same utterances with `duration_s` filled in where it is known without decoding or running a pipe.

    Durations of the data directory and times of segments are taken as they are; otherwise the headers of the files are
    read, each once and several in parallel.
    """
    unknown = [utterance.audio for utterance in utterances if math.isnan(_stated(utterance)) and _to_probe(utterance)]
    headers = probe_all(unknown, config)
    filled = []
    for utterance in utterances:
        seconds = _stated(utterance)
        if math.isnan(seconds) and utterance.audio in headers:
            seconds = _rest_of(utterance, headers[utterance.audio])
        filled.append(utterance if seconds == utterance.duration_s else replace(utterance, duration_s=seconds))
    return filled


def probe_all(recordings: Iterable[str | Path], config: AudioConfig) -> dict[str | Path, Outcome[Header]]:
    """The header of each recording, or its error; pipes are left out."""
    files = [recording for recording in dict.fromkeys(recordings) if not is_pipe(recording)]

    def header_or_error(recording: str | Path) -> Outcome[Header]:
        try:
            return probe(recording, config)
        except AudioError as error:
            return error

    if len(files) < 2:
        return {recording: header_or_error(recording) for recording in files}

    def headers_or_errors(first: int) -> list[Outcome[Header]]:
        return [header_or_error(recording) for recording in files[first : first + row]]

    row = min(_IN_A_ROW, -(-len(files) // _AT_ONCE))  # no thread is to wait while there are files
    with ThreadPoolExecutor(min(_AT_ONCE, len(files))) as pool:
        found = chain.from_iterable(pool.map(headers_or_errors, range(0, len(files), row)))
        return dict(zip(files, found, strict=True))


def _stated(utterance: Utterance) -> float:
    if math.isfinite(utterance.duration_s):
        return utterance.duration_s
    return utterance.end_s - utterance.start_s if math.isfinite(utterance.end_s) else math.nan


def _to_probe(utterance: Utterance) -> bool:
    return bool(utterance.rxfilename) and not is_pipe(utterance.audio)


def _rest_of(utterance: Utterance, header: Outcome[Header]) -> float:
    """Seconds from an utterance's start to the end of its recording; NaN where the header gives none."""
    if isinstance(header, Exception) or header.duration_s is None:
        return math.nan
    rest_s = header.duration_s - utterance.start_s
    return rest_s if rest_s > 0 else math.nan
