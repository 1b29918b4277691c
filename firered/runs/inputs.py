"""What a command's IN stands for: a data directory, a wav.scp, a folder of audio, or audio files."""

import contextlib
import logging
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.audio.probe import probe, with_durations
from firered.data.datadir import DataDir, Segment, format_segment, read_table, spk2utt_of, utt2spk_of, write_table
from firered.data.files import LEFT_BY_SYSTEMS, NOT_UTF8, is_hidden, reason_of, why_no_line
from firered.data.partition import subset
from firered.data.utterance import Utterance, make_id
from firered.errors import AudioError, DataError, Problem

log = logging.getLogger(__name__)
_SOUND = ("wav", "flac", "ogg", "oga", "opus", "mp3", "m4a", "aac", "wma", "amr", "aiff", "aif", "au", "sph", "caf")
_VIDEO = ("mp4", "m4v", "mkv", "mov", "avi", "webm")
AUDIO_SUFFIXES = frozenset(f".{name}" for name in (*_SOUND, *_VIDEO))


@dataclass
class Inputs:
    """The utterances of one run, sorted by id, and what of the input could not be used."""

    utterances: list[Utterance] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    data: DataDir | None = None  # where they come from, if that is a data directory

    def write_tables(self, keys: Iterable[str], out: Path) -> None:
        """Write a data directory of the utterances `keys`: all tables the source has, or wav.scp and speakers."""
        wanted = set(keys)  # may be of segments, where the utterances here are whole recordings
        kept = {utterance.id: utterance for utterance in self.utterances if utterance.id in wanted}
        known = wanted.intersection(self.data.utterances() if self.data else ())
        if self.data is not None:
            subset(self.data, sorted(known), out)
        if self.data is None or any(utterance.channel for utterance in kept.values()):
            write_table(out / "wav.scp", {utterance.recording: utterance.rxfilename for utterance in kept.values()})
            write_channels(out, kept.values())
        cut = {
            key: Segment(utterance.recording, utterance.start_s, utterance.end_s)
            for key, utterance in kept.items()
            if key != utterance.recording
        }
        if cut and wanted - known:
            write_table(out / "segments", {key: format_segment(part) for key, part in cut.items()})
        if self.data is None or None in (self.data.utt2spk, self.data.spk2utt) or wanted - known:
            utt2spk = {key: (kept[key].speaker if key in kept else "") or key for key in sorted(wanted)}
            write_table(out / "utt2spk", utt2spk)
            write_table(out / "spk2utt", spk2utt_of(utt2spk))


def write_channels(out: Path, utterances: Iterable[Utterance]) -> None:
    """Write reco2file_and_channel, where recordings are single channels of their files."""
    named = {utterance.recording: channel_name(utterance.channel) for utterance in utterances if utterance.channel}
    lines = {key: f"{key.removesuffix('-' + name)} {name}" for key, name in named.items()}
    if lines:
        write_table(out / "reco2file_and_channel", lines)
    else:
        (out / "reco2file_and_channel").unlink(missing_ok=True)


def resolve(
    paths: Sequence[str],
    config: AudioConfig,
    *,
    by_segment: bool,
    durations: bool = True,
    tables: bool = True,
) -> Inputs:
    """Utterances of the inputs given on a command line.

    Args:
        paths: data directories, wav.scp files, folders of audio and audio files in any number; the tables of a data
            directory are passed on where it is the only one.
        config: how audio is read; `channel: each` makes a recording of every channel.
        by_segment: one utterance a line of `segments` where there is one; otherwise whole recordings.
        durations: fill in each utterance's `duration_s`, here and nowhere later, as far as tables, segments or the
            headers of the files tell it; pipes are not run for it.
        tables: a wav.scp is written of them, so that a file whose name no line of it can hold is a problem.

    Raises:
        DataError: an input does not exist, or none is left to process.
    """
    found = Inputs()
    if len(paths) == 1 and _is_data_dir(Path(paths[0])):
        _from_data_dir(Path(paths[0]), by_segment, found)
    else:
        _from_several(paths, by_segment, found, tables=tables)
    if config.channel == "each":
        found.utterances = [
            channel for utterance in found.utterances for channel in _per_channel(utterance, config, found.problems)
        ]
    found.utterances.sort(key=lambda utterance: utterance.id)
    if durations:
        found.utterances = with_durations(found.utterances, config)
    if not found.utterances and not found.problems:
        raise DataError(f"nothing to work on in {' '.join(paths)}: no recordings and no audio files")
    return found


def _is_data_dir(path: Path) -> bool:
    return path.is_dir() and any((path / name).exists() for name in ("wav.scp", "feats.scp"))


def _from_data_dir(path: Path, by_segment: bool, found: Inputs) -> None:
    data = found.data = DataDir(path, problems=found.problems)
    wav_scp = data.wav_scp or {}
    channels = _channels(data, found.problems)
    segments = data.segments if by_segment else None
    if data.segments is not None and not by_segment:
        log.info("%s: whole recordings are processed; segments is ignored", path)
    feats = (data.feats_scp or {}) if by_segment or data.segments is None else {}
    durations = _durations(data, segments is not None)
    speakers = data.utt2spk or utt2spk_of(data.spk2utt or {})
    if segments is None:
        for key in sorted(wav_scp.keys() | feats.keys()):
            found.utterances.append(
                Utterance(
                    key, key, wav_scp.get(key, ""), channels.get(key), speaker=speakers.get(key, key),
                    feats=feats.get(key, ""), duration_s=durations.get(key, math.nan),
                )
            )  # fmt: skip
        return
    for key, part in segments.items():
        if part.recording not in wav_scp and key not in feats:
            found.problems.append(Problem(key, f"segments: recording {part.recording} is not in wav.scp"))
            continue
        found.utterances.append(
            Utterance(
                key, part.recording, wav_scp.get(part.recording, ""), channels.get(part.recording), part.start_s,
                part.end_s, speakers.get(key, key), feats.get(key, ""), durations.get(key, math.nan),
            )
        )  # fmt: skip


def _durations(data: DataDir, by_segment: bool) -> dict[str, float]:
    """Seconds of each utterance as far as the tables have them; without segments both are of recordings."""
    if by_segment:
        return _seconds(data.table("utt2dur"))
    durations = _seconds(data.table("reco2dur"))
    return durations if data.segments else durations | _seconds(data.table("utt2dur"))


def durations_of(inputs: Inputs) -> dict[str, float]:
    """Seconds of the recordings of a data directory, by its reco2dur."""
    known = _seconds(inputs.data.table("reco2dur")) if inputs.data is not None else {}
    return {key: value for key, value in known.items() if math.isfinite(value) and value > 0}


def _seconds(table: dict[str, str] | None) -> dict[str, float]:
    """Durations of a table; lines without a number are skipped."""
    found = {}
    for key, value in (table or {}).items():
        with contextlib.suppress(ValueError):
            found[key] = float(value)
    return found


def _channels(data: DataDir, problems: list[Problem]) -> dict[str, int]:
    """Channels, from 1, that reco2file_and_channel names as A, B, ... or as numbers."""
    channels = {}
    for key, value in (data.table("reco2file_and_channel") or {}).items():
        name = value.split()[-1]
        if name.isdigit() and int(name) > 0:
            channels[key] = int(name)
        elif len(name) == 1 and "A" <= name <= "Z":
            channels[key] = ord(name) - ord("A") + 1
        else:
            problems.append(Problem(key, f"reco2file_and_channel: channel {name!r} is neither a letter nor a number"))
    return channels


def _from_several(paths: Sequence[str], by_segment: bool, found: Inputs, *, tables: bool) -> None:
    """Utterances of inputs of any kind; an id that an earlier input has is a problem."""
    taken: set[str] = set()
    for utterance, source in _offered(paths, by_segment, found.problems):
        if utterance.is_file and (reason := _unusable_name(source, tables)):
            shown = _printable(source)
            found.problems.append(Problem(make_id(Path(shown).stem), f"{shown!r}: {reason}; rename the file"))
        elif utterance.id in taken:
            found.problems.append(Problem(utterance.id, f"{source}: another input has this id already"))
        else:
            found.utterances.append(utterance)
            taken.add(utterance.id)


def _offered(paths: Sequence[str], by_segment: bool, problems: list[Problem]) -> Iterator[tuple[Utterance, Path]]:
    """The utterances of each input, and the path that each is from; audio files come last, with unique ids."""
    files: list[Path] = []
    for name in paths:
        path = Path(name)
        if reason := _not_there(path):
            shown = Path(_printable(path))
            problems.append(Problem(make_id(shown.stem), f"{shown}: {reason}"))
        elif _is_data_dir(path):
            inside = Inputs(problems=problems)
            _from_data_dir(path, by_segment, inside)
            yield from ((utterance, path) for utterance in inside.utterances)
        elif path.is_dir():
            below = sorted(audio_files(path))
            if not below:
                raise DataError(f"{path}: neither a data directory (no wav.scp) nor a folder with audio files")
            files.extend(below)
        elif _is_table(path):
            yield from ((Utterance(key, key, rx, speaker=key), path) for key, rx in read_table(path, problems).items())
        elif path.name.lower() in LEFT_BY_SYSTEMS:
            log.info("%s: passed over, systems leave such files in folders", path)
        else:
            files.append(path)
    for key, path in unique_ids(files).items():
        yield Utterance(key, key, str(path.absolute()), speaker=key, is_file=True), path


def _printable(path: Path) -> str:
    """A path that may not be UTF-8, for messages."""
    return str(path).encode(errors="replace").decode()


def _is_table(path: Path) -> bool:
    """Whether a path names a wav.scp, whose lines may be pipes; a file with the name of audio never is one."""
    return ".scp" in path.suffixes and path.suffix.lower() not in AUDIO_SUFFIXES


def _not_there(path: Path) -> str:
    """Why there is nothing to open at a path; a wav.scp's own reader says it better."""
    try:
        path.stat()
    except FileNotFoundError:
        return "" if _is_table(path) else "no such file"
    except (OSError, ValueError) as error:  # such as a name that is too long, or holds NUL
        return reason_of(error)
    return ""


def _unusable_name(path: Path, tables: bool) -> str:
    """Why a file cannot be worked on under its name."""
    reason = why_no_line(path.absolute())
    return reason if tables or reason == NOT_UTF8 else ""


def audio_files(folder: Path) -> Iterator[Path]:
    """Files with the name of an audio or video format in a folder and below; linked folders once, loops not at all.

    Hidden files and folders, and those that systems make for themselves, are passed over.
    """
    seen: set[str] = set()
    hidden = 0
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        named = [name for name in sorted(names) if Path(name).suffix.lower() in AUDIO_SUFFIXES]
        visible = [name for name in named if not is_hidden(name)]
        hidden += len(named) - len(visible)
        yield from (Path(root) / name for name in visible)
    if hidden:
        log.info("%s: %d hidden files with names of audio passed over", folder, hidden)


def unique_ids(files: Iterable[Path]) -> dict[str, Path]:
    """Ids for files: the name without its suffix; of files that share it, as much of the path as makes it unique."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(files):
        groups[make_id(path.stem)].append(path)
    ids: dict[str, Path] = {}
    for name, paths in groups.items():
        if len(paths) == 1:
            ids[name] = paths[0]
            continue
        root = Path(os.path.commonpath([path.absolute().parent for path in paths]))
        for path in paths:
            ids[_free_id(path.absolute().relative_to(root), ids.keys() | groups.keys())] = path
    return ids


def _free_id(path: Path, taken: set[str]) -> str:
    wanted = make_id("-".join(path.with_suffix("").parts))
    if wanted in taken:
        wanted = make_id("-".join(path.parts)).replace(".", "_")
    number, free = 2, wanted
    while free in taken:
        free, number = f"{wanted}-{number}", number + 1
    return free


def _per_channel(utterance: Utterance, config: AudioConfig, problems: list[Problem]) -> Iterator[Utterance]:
    if utterance.channel is not None or not utterance.rxfilename:
        yield utterance  # one channel already, or only features
        return
    try:
        header = probe(utterance.audio, config)
    except AudioError as error:
        problems.append(Problem(utterance.id, str(error)))
        return
    if header.channels == 1:
        yield utterance
        return
    rest_s = math.nan if header.duration_s is None else min(header.duration_s, utterance.end_s) - utterance.start_s
    for channel in range(1, header.channels + 1):
        name = channel_name(channel)
        key, recording = f"{utterance.id}-{name}", f"{utterance.recording}-{name}"
        yield replace(utterance, id=key, recording=recording, channel=channel, speaker=key, feats="", duration_s=rest_s)


def channel_name(channel: int) -> str:
    """Kaldi's name of a channel counted from 1: A, B, ...; beyond Z the number."""
    return chr(ord("A") + channel - 1) if channel <= 26 else str(channel)
