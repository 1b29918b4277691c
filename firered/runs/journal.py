"""One command's run over many recordings: with progress, a list of failures, and resume."""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from firered.data.datadir import write_lines
from firered.data.lock import FolderLock
from firered.data.speed import SPEED
from firered.data.write import json_line
from firered.errors import FireRedError, Problem, writing
from firered.results import Result
from firered.runs.config import RunConfig
from firered.runs.depends import Identity, Source, changed_names, sources_of
from firered.runs.inputs import Inputs
from firered.runs.speed import measured

log = logging.getLogger(__name__)

R = TypeVar("R")

_JOURNAL = ".journal.jsonl"
_REPORT_EVERY_S = 10.0
_SHOWN = 5  # names in a message


class Journal:
    """Entries of a run, on disk the moment they are noted, so that a run that was killed can be resumed.

    `entries` are those of an earlier run of the same identity; another's are dropped. Of them `kept` says how many are
    of use: those at the end may not be.
    """

    def __init__(
        self,
        path: Path,
        identity: Identity,
        *,
        resume: bool,
        kept: Callable[[list[dict[str, Any]]], int] = len,
    ) -> None:
        self._path = path
        earlier, sizes = self._earlier(identity) if resume else ([], [])
        self.entries = earlier[: kept(earlier)]
        if self.entries:  # go on after them, without the line that the run was killed in
            os.truncate(path, sum(sizes[: 1 + len(self.entries)]))
        self._file = path.open("a" if self.entries else "w", encoding="utf-8")
        if not self.entries:
            self.note(identity.to_dict())

    def _earlier(self, identity: Identity) -> tuple[list[dict[str, Any]], list[int]]:
        """The entries of an earlier run, and the bytes of each line, of which the first is that of the identity."""
        if not self._path.exists():
            return [], []
        entries, sizes = [], []
        for line in self._path.read_bytes().splitlines(keepends=True):
            try:
                entry = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                entry = None
            if not isinstance(entry, dict):
                break
            entries.append(entry)
            sizes.append(len(line))
        changed = identity.changed(entries[0]) if entries else ["its journal is damaged"]
        if changed:
            log.warning("an earlier run with other settings is not resumed (changed: %s)", _some(changed))
            return [], []
        return entries[1:], sizes

    def note(self, entry: dict[str, Any]) -> None:
        """Add an entry.

        Raises:
            FireRedError: it cannot be written.
        """
        with writing(self._path):
            self._file.write(json_line(entry) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Leave the file for a later run."""
        with contextlib.suppress(OSError):  # again what could not be written: that error was raised
            self._file.close()

    def remove(self) -> None:
        """Remove the file of a complete run: there is nothing left to resume."""
        self.close()
        self._path.unlink(missing_ok=True)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _unchanged(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


class Run(Generic[R]):
    """What is done, what failed and what is left of one command's run into the folder `out`.

    Every result is noted in a journal immediately, so that the same command resumes after it was killed; when the run
    is complete the journal is removed. Failures are tried again. Nobody else writes into the folder in the meantime.
    Use as a context manager.

    Args:
        out: the folder.
        identity: of all that decides the results (see `fingerprint`); the journal of another identity is not used.
        config: whether to resume, and what failures mean for the exit status.
        unit: what is counted in messages.
        read: a result from its plain form in the journal, which is what its `to_dict` gives; without one, results are
            plain JSON values themselves.
        archive: name of the file in `out` that results are written to; an earlier run whose archive is not there is not
            resumed.
        grouped: results come in groups whose members share their computation, down to the last bit: see `end_group`.
        noted: results are in the journal; without it an interrupted run is done again, which suits results that cost
            less than noting them.
    """

    def __init__(
        self,
        out: Path,
        identity: Identity,
        config: RunConfig,
        unit: str = "recordings",
        read: Callable[[Any], R] = _unchanged,
        archive: str = "",
        grouped: bool = False,
        noted: bool = True,
    ) -> None:
        self.out = out
        self.results: dict[str, R] = {}
        self.problems: dict[str, Problem] = {}
        self.mark = 0  # size up to which the run's archive is complete
        self.through = ""  # the last utterance of the last group that is complete, see `end_group`
        self._config, self._unit, self._read = config, unit, read
        self._sources: dict[str, Source] = {}  # what each utterance is made of, now and in an earlier run
        self._old_sources: dict[str, Source] = {}
        self._audio_s = 0.0
        self._done = 0  # by this run itself
        self._begun = self._reported = time.monotonic()
        self._total = 0
        if "\n" in str(out):
            raise FireRedError(f"{str(out)!r}: the name of a folder for tables cannot hold a line break")
        self._lock = FolderLock(out)
        self._archive, self._grouped, self._noted = archive, grouped, noted
        with writing(out):
            self._journal = Journal(out / _JOURNAL, identity, resume=config.resume, kept=self._kept)
        for entry in self._journal.entries:
            self.mark = entry["mark"]
            if "through" in entry:
                self.through = entry["through"]
            else:
                self.results[entry["key"]] = self._read(entry["result"])
                self._old_sources[entry["key"]] = entry["source"]
        if self.results:
            count = len(self.results)
            log.info("resumes after %d %s of an earlier run (--no-resume starts afresh)", count, unit)

    def _kept(self, entries: list[dict[str, Any]]) -> int:
        """How many of an earlier run's entries are of use."""
        count = len(entries)
        if self._grouped:  # what the run was killed in is done again as a whole
            count = max((number for number, entry in enumerate(entries, 1) if "through" in entry), default=0)
        if count and self._archive:
            archive = self.out / self._archive
            if not archive.is_file() or archive.stat().st_size < entries[count - 1]["mark"]:
                log.warning("%s is not as an earlier run left it, which is therefore not resumed", archive)
                return 0
        return count

    def take(self, inputs: Inputs, also: Callable[[str], str] = lambda _: "") -> None:
        """Set the utterances of the run; inputs that cannot be used count as failures.

        Args:
            inputs: the utterances.
            also: what else the result of an utterance depends on, by its id: see `sources_of`.
        """
        self._total = len(inputs.utterances)
        self._sources = sources_of(inputs.utterances, also) if self._noted else {}
        old = {key: self._old_sources.get(key, {}) for key in self.results}
        changed = {
            key: changed_names(old[key], self._sources[key]) for key in self.results.keys() & self._sources.keys()
        }
        self.results = {key: result for key, result in self.results.items() if not changed.get(key, True)}
        names = {name or "their places" for found in changed.values() for name in found}
        if names:
            count = sum(map(bool, changed.values()))
            log.warning("%d %s are done again, changed since: %s", count, self._unit, _some(sorted(names)))
        for problem in inputs.problems:
            self.fail(problem.key, problem.reason)

    def done(self, key: str, result: R, audio_s: float, mark: int = 0) -> None:
        """Note a result, the seconds of audio behind it, and the archive's size after it."""
        self.results[key] = result
        if self._noted:
            plain = result.to_dict() if isinstance(result, Result) else result
            self.check()
            self._journal.note({"key": key, "source": self._sources.get(key, {}), "result": plain, "mark": mark})
        self._audio_s += audio_s
        self._done += 1
        self._report()

    def end_group(self, key: str, mark: int = 0) -> None:
        """Note that a group of results is complete, of utterances up to this one in the order of the inputs.

        A resumed run begins after the last complete group, so that groups are those of an uninterrupted run.
        """
        self._journal.note({"through": key, "mark": mark})

    def fail(self, key: str, reason: object) -> None:
        """Note a recording or utterance that could not be done, and why; the run continues."""
        text = " ".join(str(reason).split()).encode(errors="replace").decode()  # a path in it may be no UTF-8
        problem = Problem(key, text)
        self.problems[key if key not in self.problems else f"{key}\t{len(self.problems)}"] = problem
        log.error("%s", problem)

    def fail_with(self, key: str, error: Exception) -> None:
        """Note the error of a recording or utterance; any other than a FireRedError is logged with its traceback."""
        if isinstance(error, FireRedError):
            self.fail(key, error)
        else:
            log.error("%s: unexpected", key, exc_info=error)
            self.fail(key, f"unexpected {type(error).__name__}: {error}")

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported < _REPORT_EVERY_S:
            return
        self._reported = now
        done = len(self.results) + len(self.problems)
        left = (now - self._begun) / max(done, 1) * max(self._total - done, 0)
        log.info("%d of %d %s%s, about %s left", done, self._total, self._unit, self._speed(), _clock(left))

    def _speed(self) -> str:
        if self._audio_s == 0:
            return ""
        factor = self._audio_s / max(time.monotonic() - self._begun, 1e-9)
        shown = f"{factor:.0f}" if factor >= 10 else f"{factor:.2g}"
        return f", {self._audio_s / 3600:.2f} h, {shown} times real time"

    def write_failed(self) -> None:
        """Write OUT/failed: an id and a reason a line; empty when all went well."""
        lines = sorted(str(problem) for problem in self.problems.values())
        with writing(self.out / "failed"):
            (self.out / "failed").write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def check(self) -> None:
        """Raise FireRedError where the folder has been removed or replaced."""
        self._lock.check()

    def finish(self, *, keep_journal: bool = False) -> int:
        """Close the run after its outputs are written; the command's exit status.

        With `keep_journal` the next run does again only what failed.
        """
        self.check()
        self.write_failed()
        if self._done:  # else an earlier run has done all, and said what it took
            speed = measured(self._done, self._audio_s, time.monotonic() - self._begun)
            write_lines(self.out / SPEED, speed.lines())
        if keep_journal:
            self._journal.close()
        else:
            self._journal.remove()
        log.info("%d %s done, %d failed%s", len(self.results), self._unit, len(self.problems), self._speed())
        if self.problems:
            log.error("%d failed, listed with reasons in %s", len(self.problems), self.out / "failed")
        return 1 if self.problems and not self._config.keep_going else 0

    def __enter__(self) -> "Run[R]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()
        self._lock.release()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"
