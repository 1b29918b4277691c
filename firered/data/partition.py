"""Data directories cut into parts and put together again, for jobs that run side by side."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from firered.data.datadir import (
    EITHER,
    KNOWN_FILES,
    LINES,
    MOST_SHOWN,
    RECORDING,
    SPEAKER,
    UTTERANCE,
    DataDir,
    line_key,
    spk2utt_of,
    table_lines,
    utt2spk_of,
    write_lines,
)
from firered.data.files import visible
from firered.data.hotwords import REPORT, copy_lists, merged_reports
from firered.data.lines import read_lines
from firered.data.speed import SPEED, read_speed, together
from firered.errors import DataError, OptionError


def known_files(path: str | Path) -> list[str]:
    """Return the sorted names of the files in a directory that a data directory is made of."""
    return sorted(file.name for pattern in KNOWN_FILES for file in visible(Path(path), pattern) if file.is_file())


def _write_all(out: Path, contents: Mapping[str, Iterable[str]]) -> None:
    # Only once everything was read and fits together: a mistake in the last file must not leave a half-new directory.
    for name, lines in contents.items():
        write_lines(out / name, lines)


def subset(src: DataDir, utts: Sequence[str], out: str | Path) -> None:
    """Write a data directory of just these utterances, their recordings and their speakers.

    Every known file of `src` is cut down to them; unknown files stay behind.
    """
    out, utterances = Path(out), set(utts)
    if unknown := sorted(utterances.difference(src.utterances())):
        more = " ..." * (len(unknown) > MOST_SHOWN)
        raise DataError(f"{src.path}: no utterance {', '.join(unknown[:MOST_SHOWN])}{more}")
    recordings = utterances if src.segments is None else {src.segments[key].recording for key in utterances}
    speaker_of = src.utt2spk or utt2spk_of(src.spk2utt or {})
    spk2utt = spk2utt_of({key: speaker_of[key] for key in utterances if key in speaker_of})
    wanted = {UTTERANCE: utterances, RECORDING: recordings, EITHER: utterances | recordings, SPEAKER: set(spk2utt)}
    contents = {}
    for name in known_files(src.path):
        by = KNOWN_FILES.get(name, LINES)
        if by == LINES:
            owned = src.lines(name) or {}
            contents[name] = [line for key in sorted(wanted[EITHER] & owned.keys()) for line in owned[key]]
        else:
            table = spk2utt if name == "spk2utt" else src.table(name) or {}
            contents[name] = table_lines(out / name, {key: table[key] for key in wanted[by] if key in table})
    _write_all(out, contents)
    copy_lists(src.path, DataDir(out), out)


def share_out(loads: Mapping[str, float], count: int) -> list[list[str]]:
    """The keys in `count` parts of about the same load, fewer where there are fewer keys: none is empty.

    The largest go first, each to the part that has least so far. The parts do not depend on the order of the keys.

    Args:
        loads: of each key, such as its seconds.
        count: parts wanted, at least 1.
    """
    # Beside the load, the number of keys: where all loads are zero every part must still get its share.
    heap = [(0.0, 0, part) for part in range(min(count, len(loads)))]
    parts: list[list[str]] = [[] for _ in heap]
    for key in sorted(loads, key=lambda key: (-loads[key], key)):
        total, held, part = heap[0]
        parts[part].append(key)
        heapq.heapreplace(heap, (total + loads[key], held + 1, part))
    return parts


def _parts_of(src: DataDir, nj: int) -> list[list[str]]:
    if nj < 1:
        raise OptionError(f"number of parts: {nj} is less than 1")
    segments, known = src.segments, src.durations()
    mean_s = sum(known.values()) / len(known) if known else 1.0
    units: dict[str, list[str]] = {}
    for key in src.utterances():  # a recording is read once, so all that was cut from it belongs in one part
        units.setdefault(key if segments is None else segments[key].recording, []).append(key)
    if not units:
        raise DataError(f"{src.path}: no utterances to split")
    loads = {unit: sum(known.get(key, mean_s) for key in keys) for unit, keys in units.items()}
    return [[key for unit in part for key in units[unit]] for part in share_out(loads, nj)]


def _split_dir(src: DataDir, nj: int, out: str | Path | None) -> Path:
    return src.path / f"split{nj}utt" if out is None else Path(out)


def _old_parts(out: Path) -> list[Path]:
    numbered = [part for part in out.glob("[1-9]*") if part.name.isdecimal() and known_files(part)]
    return sorted(numbered, key=lambda part: int(part.name))


def current_split(src: DataDir, nj: int, out: str | Path | None = None) -> list[Path]:
    """Return the parts of an earlier split that is complete and newer than all of its source, else nothing."""
    parts, names = _old_parts(_split_dir(src, nj, out)), known_files(src.path)
    expected = [str(number) for number, _ in enumerate(_parts_of(src, nj), start=1)]
    if [part.name for part in parts] != expected or any(known_files(part) != names for part in parts):
        return []
    newest_source = max((src.path / name).stat().st_mtime_ns for name in names)
    oldest_part = min((part / name).stat().st_mtime_ns for part in parts for name in names)
    return parts if oldest_part > newest_source else []


def split(src: DataDir, nj: int, out: str | Path | None = None) -> list[Path]:
    """Return the directories of at most `nj` parts of about the same duration, written as `<out>/1`, `<out>/2`, ...

    `out` is `<dir>/split<nj>utt` by default. What was cut from one recording stays together; where there is less to
    share out than `nj`, fewer parts are made. Parts of an earlier split are removed.
    """
    out = _split_dir(src, nj, out)
    parts = _parts_of(src, nj)
    old = _old_parts(out)
    if any(part.samefile(src.path) for part in old):
        raise DataError(f"{out}: its part {src.path.name} is the data directory to be split; choose another place")
    for part in old:  # before the new ones, so that a split cut short never looks whole
        for name in known_files(part):
            (part / name).unlink()
        if not any(part.iterdir()):
            part.rmdir()
    made = [out / str(number) for number in range(1, len(parts) + 1)]
    for part, utterances in zip(made, parts, strict=True):
        subset(src, utterances, part)
    return made


def _joined(tables: Mapping[Path, Mapping[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    origin: dict[str, Path] = {}
    for file, table in tables.items():
        for key, value in table.items():
            if joined.setdefault(key, value) != value:
                raise DataError(f"{key} is not the same in {origin[key]} and in {file}")
            origin.setdefault(key, file)
    return joined


def _merged_speakers(sources: Sequence[DataDir]) -> dict[str, str]:
    # A part may have come with one direction only.
    tables = {
        source.path / "spk2utt": utt2spk_of(source.spk2utt or spk2utt_of(source.utt2spk or {})) for source in sources
    }
    return spk2utt_of(_joined(tables))


def _merged_lines(name: str, sources: Sequence[DataDir]) -> list[str]:
    owned = {source.path / name: source.lines(name) or {} for source in sources}
    if name.endswith(".jsonl"):
        joined = _joined({file: {key: "\n".join(owned[file][key]) for key in owned[file]} for file in owned})
        return [joined[key] for key in sorted(joined)]
    lines = {line for table in owned.values() for of_key in table.values() for line in of_key}
    return sorted(lines, key=lambda line: line_key(name, line))


def _config(path: Path) -> tuple[str, ...] | None:
    file = path / "config.yaml"
    return tuple(line for _, line in read_lines(file)) if file.is_file() else None


def combine(parts: Sequence[str | Path], out: str | Path) -> None:
    """Write the union of data directories, the same whatever their order and number.

    A key that two parts have must have one value. A file that only some parts have is merged from those. Files that
    none has are left as they are in `out`, but for the reports of an earlier run: `failed`, `flags`, `config.yaml`,
    `hotwords.tsv`, `text_streaming`, `live.jsonl` and, unless all parts have one, `speed.json`.
    """
    out, sources = Path(out), [DataDir(Path(part)) for part in parts]
    names = {source.path: known_files(source.path) for source in sources}
    # A part that is not there, or is bare, is a job whose results would go missing in silence.
    if not sources or not all(names.values()):
        bare = [str(path) for path, found in names.items() if not found]
        raise DataError(f"no data in {', '.join(bare)}" if bare else "no data directories to combine")
    contents: dict[str, Iterable[str]] = {}
    for name in sorted(set().union(*names.values())):
        having = [source for source in sources if name in names[source.path]]
        if name == "reco2dur" and any("wav.scp" in names[source.path] for source in sources if source not in having):
            (out / name).unlink(missing_ok=True)  # of some recordings only it would be no valid table
        elif KNOWN_FILES.get(name, LINES) == LINES:
            contents[name] = _merged_lines(name, having)
        elif name == "spk2utt":
            contents[name] = table_lines(out / name, _merged_speakers(sources))
        else:
            contents[name] = table_lines(
                out / name, _joined({part.path / name: part.table(name) or {} for part in having})
            )
    configs = {_config(source.path) for source in sources}
    if len(configs) == 1 and (config := configs.pop()) is not None:
        contents["config.yaml"] = config
    speeds = [speed for source in sources if (speed := read_speed(source.path)) is not None]
    if len(speeds) == len(sources):
        contents[SPEED] = together(speeds).lines()
    reports = [source.path / REPORT for source in sources if (source.path / REPORT).is_file()]
    if reports:
        contents[REPORT] = merged_reports(reports)
    for name in {"failed", "flags", "config.yaml", "text_streaming", "live.jsonl", SPEED, REPORT} - set(contents):
        (out / name).unlink(missing_ok=True)
    _write_all(out, contents)
    for source in sources:
        copy_lists(source.path, source, out)
