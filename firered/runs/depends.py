"""What a run's results depend on: settings, files, and what each utterance is made of."""

import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from firered.audio.probe import is_pipe
from firered.data.archives import archive_of
from firered.data.utterance import Utterance
from firered.errors import ModelError
from firered.hub.find import find_model
from firered.options import Options
from firered.version import __version__

_HASHED_BYTES = 1 << 20  # of files up to this size the content counts as well
_CONFIG = "config.json"  # marks a folder in a model directory that is part of the model

Source = Mapping[str, str]  # the state of each thing that an utterance is made of


@dataclass(frozen=True)
class Identity:
    """What decides all results of a run: its settings, and the state of each file that it reads for every one."""

    settings: str
    files: Mapping[str, str]

    def to_dict(self) -> dict[str, object]:
        """For the journal."""
        return {"identity": self.settings, "files": dict(self.files)}

    def changed(self, before: Mapping[str, object]) -> list[str]:
        """What is not as in another's `to_dict`, in words; nothing where the results of both are the same."""
        if before.get("identity") != self.settings:
            return ["other settings"]
        files = before.get("files")
        return changed_names(files if isinstance(files, Mapping) else {}, self.files)


def changed_names(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The names whose states differ, or that only one side has."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def fingerprint(command: str, *parts: Options | Path | str) -> Identity:
    """The identity of a run: command, version, options, other settings, and files, those of model directories too."""
    settings = [command, __version__, *(_settings_of(part) for part in parts if not isinstance(part, Path))]
    paths = [part for part in parts if isinstance(part, Path)]
    paths += [path for part in parts if isinstance(part, Options) for path in models_of(part)]
    digest = hashlib.sha256("\n".join(settings).encode(errors="surrogateescape")).hexdigest()
    return Identity(digest, {str(path): state_of(path) for path in files_of(paths)})


def _settings_of(part: Options | str) -> str:
    return part if isinstance(part, str) else json.dumps(part.to_dict(), sort_keys=True)


def models_of(options: Options) -> Iterator[Path]:
    """The model directories and files that options name, where they are."""
    for field in fields(options):
        name, given = field.metadata.get("model"), getattr(options, field.name)
        if name is None or not given:
            continue
        if Path(given).is_file():
            yield Path(given)
            continue
        try:
            yield find_model(given, name or None)
        except ModelError:  # loading it says what is wrong, if it is loaded at all
            continue


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and of model directories those that a model is loaded from, each once.

    These are all files in the directory, and in folders inside that have a config.json: a base language model, a BERT.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            found[path.resolve()] = None
            continue
        folders = [path, *(folder for folder in path.iterdir() if (folder / _CONFIG).is_file())]
        inside = (file for folder in folders for file in sorted(folder.iterdir()))
        found |= {file.resolve(): None for file in inside if file.is_file() and not file.name.startswith(".")}
    return list(found)


def state_of(path: Path) -> str:
    """Size and time of a file, of a small one with a digest of its content; empty where there is none."""
    try:
        state = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if state.st_size <= _HASHED_BYTES else ""
    except OSError:
        return ""
    return f"{state.st_size} {state.st_mtime_ns} {digest}".strip()


def sources_of(utterances: Iterable[Utterance], also: Callable[[str], str] = lambda _: "") -> dict[str, Source]:
    """What each utterance is made of: its place, and size and time of its files, each of which is looked at once.

    Args:
        utterances: recordings, or stretches of them.
        also: what else the result of an utterance depends on, by its id, such as its text.
    """
    known: dict[str, str] = {}

    def state(path: str) -> str:
        if path not in known:
            try:
                found = os.stat(path)  # noqa: PTH116 - a hundred thousand of them
                known[path] = f"{found.st_size} {found.st_mtime_ns}"
            except (OSError, ValueError):
                known[path] = ""
        return known[path]

    sources: dict[str, Source] = {}
    for utterance in utterances:
        place = f"{utterance.rxfilename} {utterance.channel} {utterance.start_s} {utterance.end_s} {utterance.feats}"
        own = {"": place if not (more := also(utterance.id)) else f"{place} {more}"}
        sources[utterance.id] = own | {path: found for path in _files(utterance) if (found := state(path))}
    return sources


def _files(utterance: Utterance) -> Iterator[str]:
    """Paths that an utterance may be read from."""
    if utterance.feats:
        yield archive_of(utterance.feats)
    if is_pipe(utterance.rxfilename):
        try:
            words = shlex.split(utterance.rxfilename)
        except ValueError:  # quotes that do not match
            words = utterance.rxfilename.split()
        yield from (word for word in words if "/" in word or "." in word)
    elif utterance.rxfilename:
        yield utterance.rxfilename
        path, _, offset = utterance.rxfilename.rpartition(":")
        if path and offset.isdigit():
            yield path
