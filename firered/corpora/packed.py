"""Recordings that a copy of a corpus has inside of tar or parquet files, written out as files of their own."""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from firered.corpora import parquet, tars
from firered.data.atomic import replacing
from firered.data.names import file_names, write_file_names
from firered.errors import DataError

log = logging.getLogger(__name__)

_SUFFIX = re.compile(r"\.\w{1,8}")


@dataclass(frozen=True)
class Packed:
    """A recording inside of a container.

    Attributes:
        container: a tar file, compressed or not, or a parquet file.
        member: in a tar, the file's name without folder and suffix; in a parquet file, the number of the row, from 0.
    """

    container: Path
    member: str

    def __str__(self) -> str:
        return f"{self.container}: {self.member}"


@dataclass
class Made:
    """What became of recordings that were to have files of their own, by ids: the files, or why there is none."""

    files: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def unpack(recordings: Mapping[str, Packed], folder: Path) -> Made:
    """The recordings as files in `folder`, named by their ids; those that an earlier run wrote are kept.

    Bytes are written as they are packed. A file has its container's time of change: another tells that it is of a
    container that has changed since, and is written again.
    """
    done = Made()
    by_container: dict[Path, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for recording, packed in recordings.items():
        by_container[packed.container][packed.member].append(recording)
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names(recordings)
    write_file_names(folder, names)
    stems = {path.stem: path for path in folder.iterdir()}
    here = {recording: stems[name] for recording, name in names.items() if name in stems}
    for container, members in sorted(by_container.items()):
        if container.is_file():
            _unpack_one(container, members, here, folder, names, done)
        else:
            done.failed.update(dict.fromkeys(chain.from_iterable(members.values()), f"{container} is not there"))
    return done


def _unpack_one(
    container: Path,
    members: Mapping[str, list[str]],
    here: Mapping[str, Path],
    folder: Path,
    names: Mapping[str, str],
    done: Made,
) -> None:
    """Write out what is wanted of one container."""
    written_ns = container.stat().st_mtime_ns
    for recording in chain.from_iterable(members.values()):
        path = here.get(recording)
        if path is not None and path.stat().st_mtime_ns == written_ns:
            done.files[recording] = path
    missing = {member for member, recordings in members.items() if not done.files.keys() >= set(recordings)}
    if not missing:
        return
    log.info("%s: unpacking %d recordings to %s", container, len(missing), folder)
    is_parquet = container.suffix == parquet.SUFFIX
    problem = "row {} of {} has none" if is_parquet else "{} is not in {}"
    try:
        extract = parquet.extract if is_parquet else tars.extract
        for member, suffix, content in extract(container, missing):
            for recording in members[member]:
                path = folder / f"{names[recording]}{suffix if _SUFFIX.fullmatch(suffix) else '.audio'}"
                with replacing(path, only_writer=True) as unfinished:
                    unfinished.write_bytes(content)
                    os.utime(unfinished, ns=(written_ns, written_ns))
                done.files[recording] = path
    except DataError as error:
        problem = str(error).replace("{", "{{").replace("}", "}}")
    for member in missing:
        reason = problem.format(member, container)
        done.failed.update({recording: reason for recording in members[member] if recording not in done.files})
