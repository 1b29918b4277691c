"""Manifests of lhotse: cuts with their recordings in tar files (shards, Shar) or as files, and recordings apart."""

import gzip
import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import check_fetched
from firered.corpora.packed import Packed
from firered.errors import DataError

SUFFIXES = (".jsonl.gz", ".jsonl")
_TARS = (".tar.gz", ".tar", ".tgz")
_CLOSE_S = 0.01  # a cut that ends this near to its recording's end is the whole of it


def add_cuts(found: CorpusSet, manifest: Path, corpus: Path, *, languages: bool = False) -> None:
    """Add the utterances of a manifest of cuts; those that cannot be used are recorded as missing.

    With `languages` they have those of the manifest, as it writes them.

    Raises:
        DataError: the manifest is not readable.
    """
    for number, cut in _objects(manifest):
        where = f"{manifest.name}:{number}"
        try:
            recording = cut["recording"]
            audio = _audio(cut, recording, manifest, corpus)
            start_s = _offset(cut, audio)
            for supervision in cut["supervisions"]:
                _add(found, supervision, recording, audio, (start_s, start_s + cut["duration"]), languages)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            found.miss(str(cut.get("id", where)), f"{where}: not a cut with recording and supervisions: {error!r}")


def add_supervisions(
    found: CorpusSet, manifest: Path, recordings: Path, corpus: Path, *, languages: bool = False
) -> None:
    """Add the utterances of a manifest of supervisions, with the manifest of the recordings that they are of.

    Raises:
        DataError: a manifest is not readable.
    """
    by_id = {recording["id"]: recording for _, recording in _objects(recordings)}
    for number, supervision in _objects(manifest):
        where = f"{manifest.name}:{number}"
        try:
            recording = by_id[supervision["recording_id"]]
            audio = _audio(supervision, recording, recordings, corpus)
            _add(found, supervision, recording, audio, (0.0, math.inf), languages)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            found.miss(str(supervision.get("id", where)), f"{where}: not the supervision of a recording: {error!r}")


def _add(
    found: CorpusSet,
    supervision: dict,
    recording: dict,
    audio: Path | Packed,
    cut: tuple[float, float],
    languages: bool,
) -> None:
    """Add an utterance; `cut` is the stretch of its audio that its cut is, which it may go beyond."""
    key, text = supervision["id"], supervision.get("text")
    if not text:
        found.miss(key, "no text")
        return
    start_s = cut[0] + max(supervision["start"], 0.0)
    end_s = min(cut[0] + supervision["start"] + supervision["duration"], cut[1])
    whole = start_s < _CLOSE_S and abs(recording.get("duration", math.inf) - end_s) < _CLOSE_S
    # A shard has the audio of one cut under a recording's id that several cuts may share.
    of = Path(audio.member if isinstance(audio, Packed) else audio).stem if not whole else ""
    found.add(
        Entry(
            key,
            audio,
            supervision.get("speaker") or "",
            text,
            recording=of,
            span=None if whole else (start_s, end_s),
            duration_s=end_s - start_s,
            language=supervision.get("language") if languages else None,
        )
    )


def _offset(cut: dict, audio: Path | Packed) -> float:
    """Where a cut starts in its audio; in Shar's tar files the audio is the cut."""
    in_shar = isinstance(audio, Packed) and cut["recording"]["sources"][0].get("type") == "shar"
    return 0.0 if in_shar else cut.get("start", 0.0)


def _audio(of: dict, recording: dict, manifest: Path, corpus: Path) -> Path | Packed:
    """Where the audio of a cut or supervision is: a file, or a member of a tar file beside the manifest."""
    source = recording["sources"][0]
    if source.get("type") == "shar":
        shard = manifest.name.removeprefix("cuts").removesuffix(".gz").removesuffix(".jsonl")
        tar = _beside(manifest, f"recording{shard}")
        return Packed(tar or manifest.with_name(f"recording{shard}.tar"), of["id"])
    listed = Path(source["source"])
    places = [folder / listed for folder in (corpus, manifest.parent, *manifest.parent.parents)]
    found = next((path for path in places if path.is_file()), None)
    if found is None and (tar := _beside(manifest, manifest.name.removesuffix(".gz").removesuffix(".jsonl"))):
        return Packed(tar, PurePosixPath(listed).stem)
    return found or corpus / listed


def _beside(manifest: Path, stem: str) -> Path | None:
    """The tar file of this name beside a manifest, if there is one."""
    return next((path for suffix in _TARS if (path := manifest.with_name(f"{stem}{suffix}")).is_file()), None)


def _objects(manifest: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a manifest with their line numbers."""
    check_fetched(manifest)
    number = 0
    try:
        with (gzip.open if manifest.suffix == ".gz" else open)(manifest, "rt", encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    value = json.loads(line)
                    if not isinstance(value, dict):
                        raise ValueError("not an object")
                    yield number, value
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DataError(f"{manifest}: not readable as JSON lines after line {number}: {error}") from None
