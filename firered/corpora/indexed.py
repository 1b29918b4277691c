"""Corpora that are no data directories, with one made of them: shards, manifests of lhotse, parquet files, messages.

What lies in tar files that are not compressed stays there: wav.scp has its place, `SHARD.tar:BYTE`.
"""

import json
import logging
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import soundfile

from firered.corpora import lhotse, parquet, tars
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.messages import has_messages, messages_set
from firered.corpora.packed import Packed
from firered.data.datadir import read_table, write_lines
from firered.data.files import visible
from firered.errors import DataError
from firered.runs.inputs import AUDIO_SUFFIXES
from firered.train.sections import Settings

log = logging.getLogger(__name__)

_TABLES = ("wav.scp", "feats.scp", "text", "segments")  # one of them makes a folder a data directory
_COMPRESSED = (".gz", ".bz2", ".xz", ".tgz")
# Names of the same thing in the JSON of shards.
_TEXTS = ("text", "txt", "transcript", "transcription", "sentence")
_SPEAKERS = ("speaker", "speaker_id", "spk", "spk_id")
_LANGUAGES = ("language", "lang")
_SECONDS = ("duration", "duration_s", "dur")


def indexed(path: Path, out: Path) -> Path:
    """A data directory of a corpus: the path itself where it is one or is no folder of shards, else `out`.

    Args:
        path: a data directory; a folder with shards (*.tar), with manifests of lhotse or with parquet files; one such
            manifest; training data of Fun-ASR-Nano (*.jsonl with `messages`).
        out: where the data directory of all but the first is written, skipped.txt with what cannot be used included.

    Raises:
        DataError: there is no utterance, or a file cannot be read.
    """
    if path.is_dir():
        if _is_data_dir(path):
            return path
        # Beside manifests tar files are theirs.
        found = _of_copy(path, copy_of(path), path) or _of_shards(path)
    elif has_messages(path):
        found = messages_set(path)
    else:
        found = _of_copy(path, [path], path.parent) if path.name.endswith((*lhotse.SUFFIXES, parquet.SUFFIX)) else None
    if found is None:
        return path
    log.info("%s: making an index in %s", path, out)
    _stay_in_tars(found)
    _all_or_none(found, "language")
    _all_or_none(found, "dialect")
    found.write(out, allow_missing=True)
    return out


def training_sets(settings: Settings, once: Callable[[Callable[[], None]], None]) -> Settings:
    """The settings with data directories in the place of all that `train` and `dev` name; see `indexed`.

    They are written to OUT/index, unless they are there and newer than what they are of.

    Args:
        settings: of the training.
        once: calls what it is given in one of the processes, while the others wait.

    Raises:
        DataError: one has no utterance, or cannot be read.
    """
    data = settings.sections["data"]
    given = {what: getattr(data, what, "").split() for what in ("train", "dev")}
    places = {path: Path(path) for paths in given.values() for path in paths}
    table = settings.out / "index" / "places.json"

    def write() -> None:
        made = {}
        for number, (name, path) in enumerate(places.items()):
            out = settings.out / "index" / f"{number}-{path.name}"
            made[name] = str(out if _is_fresh(path, out) else indexed(path, out))
        if any(made[name] != str(path) for name, path in places.items()):
            write_lines(table, [json.dumps(made, ensure_ascii=False)])
        else:
            table.unlink(missing_ok=True)

    once(write)
    if not table.is_file():
        return settings
    made = json.loads(table.read_text(encoding="utf-8"))
    changed: dict[str, Any] = {what: " ".join(made[path] for path in paths) for what, paths in given.items()}
    return replace(settings, sections={**settings.sections, "data": replace(data, **changed)})


def _is_fresh(path: Path, out: Path) -> bool:
    """Whether an index is there and newer than the files that it is of."""
    if not (out / "wav.scp").is_file() or not path.exists() or (path.is_dir() and _is_data_dir(path)):
        return False
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return max(file.stat().st_mtime_ns for file in files) < (out / "wav.scp").stat().st_mtime_ns


def in_tars(data: Path) -> bool:
    """Whether all recordings of a data directory are inside of tar files."""
    places = read_table(data / "wav.scp").values() if (data / "wav.scp").is_file() else []
    return bool(places) and all(".tar:" in place for place in places)


def _is_data_dir(path: Path) -> bool:
    """Whether a folder has tables, and where these say that audio is in its own tar files, it is there."""
    if not any((path / name).is_file() for name in _TABLES):
        return False
    shards = visible(path, "*.tar")
    if not shards or not (path / "wav.scp").is_file():
        return True
    first = next(iter(read_table(path / "wav.scp", []).values()), "")
    return Path(first.rpartition(":")[0]).is_file() or ".tar:" not in first  # else it was moved


def _of_copy(path: Path, files: list[Path], corpus: Path) -> CorpusSet | None:
    if not files:
        return None
    found = CorpusSet(path.name, path)
    add_copy(found, corpus, files, languages=True)
    return found


def _of_shards(path: Path) -> CorpusSet | None:
    """The utterances of the shards in a folder."""
    shards = visible(path, "*.tar")
    if not shards:
        return None
    found = CorpusSet(path.name, path)
    for shard in shards:
        try:
            with tarfile.open(shard, "r:") as tar:
                for name, parts in _by_key(tar):
                    _add(found, shard, name, parts, tar)
        except (tarfile.TarError, EOFError, OSError) as error:
            found.miss(shard.name, f"{shard}: not a tar file, or cut short: {error}")
    return found


def _by_key(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """The files of each utterance by their suffixes: those that follow each other with the same name up to a dot."""
    key, parts = "", dict[str, tarfile.TarInfo]()
    for member in tar:
        name = PurePosixPath(member.name)
        if not member.isfile() or name.name.startswith("."):
            continue
        stem, _, suffix = name.name.partition(".")
        own = str(name.with_name(stem))
        if own != key and parts:
            yield key, parts
            parts = {}
        key = own
        parts[f".{suffix.lower()}"] = member
    if parts:
        yield key, parts


def _add(found: CorpusSet, shard: Path, name: str, parts: dict[str, tarfile.TarInfo], tar: tarfile.TarFile) -> None:
    audio = next((member for suffix, member in parts.items() if suffix in AUDIO_SUFFIXES), None)
    try:
        known: dict[str, Any] = json.loads(_bytes(tar, parts[".json"])) if ".json" in parts else {}
        text = _bytes(tar, parts[".txt"]).decode() if ".txt" in parts else _first(known, _TEXTS)
        key = str(known.get("key") or name.replace("/", "-"))
        if audio is None:
            found.miss(key, f"{shard}: no audio beside {', '.join(member.name for member in parts.values())}")
            return
        seconds = _first(known, _SECONDS)
        duration_s = float(seconds) if seconds else _duration(_bytes(tar, audio))
    except (ValueError, AttributeError, RecursionError, soundfile.LibsndfileError) as error:
        found.miss(name, f"{shard}: {error}")
        return
    place = Path(f"{shard.absolute()}:{audio.offset_data}")
    speaker, language, dialect = (_first(known, names) for names in (_SPEAKERS, _LANGUAGES, ("dialect",)))
    said = None if text is None else text.strip()
    entry = Entry(key, place, speaker or "", said, language=language, dialect=dialect, duration_s=duration_s)
    if key in found.entries or key.split() != [key]:
        found.miss(key, f"{shard}: this id is there already, or is none")
        return
    found.entries[key] = entry


def _bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None  # it is a file
    return stream.read()


def _first(known: dict[str, Any], names: Iterable[str]) -> str | None:
    return next((str(known[name]) for name in names if known.get(name) is not None), None)


def _duration(audio: bytes) -> float:
    with soundfile.SoundFile(BytesIO(audio)) as file:
        return file.frames / file.samplerate


def _all_or_none(found: CorpusSet, what: str) -> None:
    """Take the labels of all where some have none: their table is of all utterances, and none is to be lost for it."""
    without = [key for key, entry in found.entries.items() if not getattr(entry, what)]
    if 0 < len(without) < len(found.entries):
        log.warning("%s: %d utterances have no %s (%s, ...); none is kept", found.name, len(without), what, without[0])
        none: dict[str, Any] = {what: None}
        found.entries = {key: replace(entry, **none) for key, entry in found.entries.items()}


def _stay_in_tars(found: CorpusSet) -> None:
    """Give recordings in tar files that are not compressed their place there, in the stead of files of their own."""
    offsets: dict[Path, dict[str, int]] = {}
    for key, entry in list(found.entries.items()):
        packed = entry.audio
        if not isinstance(packed, Packed) or packed.container.suffix in (*_COMPRESSED, parquet.SUFFIX):
            continue
        if packed.container not in offsets:
            try:
                offsets[packed.container] = tars.offsets(packed.container)
            except DataError as error:
                offsets[packed.container] = {}
                found.miss(packed.container.name, str(error))
        if packed.member in offsets[packed.container]:
            place = Path(f"{packed.container.absolute()}:{offsets[packed.container][packed.member]}")
            found.entries[key] = replace(entry, audio=place)
        else:
            found.miss(key, f"no audio: {packed.member} is not in {packed.container}")
            del found.entries[key]
