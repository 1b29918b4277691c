"""One command's run over many recordings: with progress, a list of failures, and resume."""

import hashlib
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from firered.data.utterance import Utterance
from firered.data.write import json_line
from firered.errors import FireRedError, Problem
from firered.options import Options
from firered.results import Result
from firered.runs.config import RunConfig
from firered.runs.inputs import Inputs
from firered.version import __version__

log = logging.getLogger(__name__)

R = TypeVar("R")

_JOURNAL = ".journal.jsonl"
_REPORT_EVERY_S = 10.0


def fingerprint(command: str, *parts: Options | Path) -> str:
    """Digest of everything that determines a command's results: its name, the version, its options and model files."""
    digest = hashlib.sha256(f"{command} {__version__}".encode())
    for part in parts:
        digest.update(_identity(part).encode())
    return digest.hexdigest()


def _identity(part: Options | Path) -> str:
    if isinstance(part, Path):
        state = part.stat()
        return f"{part.resolve()} {state.st_size} {state.st_mtime_ns}"
    return json.dumps(part.to_dict(), sort_keys=True)


def source_of(utterance: Utterance) -> str:
    """What an utterance is made of: a result holds only as long as this stays the same."""
    stretch = f"{utterance.feats} {utterance.rxfilename} {utterance.channel} {utterance.start_s} {utterance.end_s}"
    try:
        state = Path(utterance.rxfilename).stat()
    except OSError:  # a pipe, or a place in an archive
        return stretch
    return f"{stretch} {state.st_size} {state.st_mtime_ns}"


class Journal:
    """Entries of a run, on disk the moment they are noted, so that a run that was killed can be resumed.

    `entries` are those of an earlier run of the same identity; another's are dropped.
    """

    def __init__(self, path: Path, identity: str, *, resume: bool) -> None:
        self._path = path
        self.entries = self._earlier(identity) if resume else []
        self._file = path.open("w", encoding="utf-8")
        for entry in [{"identity": identity}, *self.entries]:
            self.note(entry)

    def _earlier(self, identity: str) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        lines = []
        for text in self._path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
            try:
                lines.append(json.loads(text))
            except json.JSONDecodeError:
                break  # the line that the run was killed in
        if not lines or lines[0].get("identity") != identity:
            log.info("an earlier run with other settings is not resumed")
            return []
        return lines[1:]

    def note(self, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self._file.write(json_line(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Leave the file for a later run."""
        self._file.close()

    def remove(self) -> None:
        """Remove the file of a complete run: there is nothing left to resume."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _unchanged(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


class Run(Generic[R]):
    """What is done, what failed and what is left of one command's run into the folder `out`.

    Every result is noted in a journal immediately, so that the same command resumes after it was killed; when the run
    is complete the journal is removed. Failures are tried again. Use as a context manager.

    Args:
        out: the folder.
        identity: of all that decides the results (see `fingerprint`); the journal of another identity is not used.
        config: whether to resume, and what failures mean for the exit status.
        unit: what is counted in messages.
        read: a result from its plain form in the journal, which is what its `to_dict` gives; without one, results are
            plain JSON values themselves.
    """

    def __init__(
        self,
        out: Path,
        identity: str,
        config: RunConfig,
        unit: str = "recordings",
        read: Callable[[Any], R] = _unchanged,
    ) -> None:
        self.out = out
        self.results: dict[str, R] = {}
        self.problems: dict[str, Problem] = {}
        self.mark = 0  # size up to which the run's archive is complete
        self._config, self._unit, self._read = config, unit, read
        self._sources: dict[str, str] = {}  # what each utterance is made of, now and in the journal of an earlier run
        self._old_sources: dict[str, str] = {}
        self._audio_s = 0.0
        self._begun = self._reported = time.monotonic()
        self._total = 0
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._journal = self._open_journal(identity)
        except OSError as error:
            raise FireRedError(f"cannot write into {out}: {error.strerror}") from error

    def _open_journal(self, identity: str) -> Journal:
        journal = Journal(self.out / _JOURNAL, identity, resume=self._config.resume)
        for entry in journal.entries:
            self.results[entry["key"]] = self._read(entry["result"])
            self._old_sources[entry["key"]] = entry["source"]
            self.mark = entry["mark"]
        if journal.entries:
            count = len(journal.entries)
            log.info("resumes after %d %s of an earlier run (--no-resume starts afresh)", count, self._unit)
        return journal

    def take(self, inputs: Inputs) -> None:
        """Set the utterances of the run; inputs that cannot be used count as failures."""
        self._total = len(inputs.utterances)
        self._sources = {utterance.id: source_of(utterance) for utterance in inputs.utterances}
        same = {key for key, source in self._sources.items() if self._old_sources.get(key) in (None, source)}
        self.results = {key: result for key, result in self.results.items() if key in same}
        for problem in inputs.problems:
            self.fail(problem.key, problem.reason)

    def done(self, key: str, result: R, audio_s: float, mark: int = 0) -> None:
        """Note a result, the seconds of audio behind it, and the archive's size after it."""
        self.results[key] = result
        plain = result.to_dict() if isinstance(result, Result) else result
        self._journal.note({"key": key, "source": self._sources.get(key), "result": plain, "mark": mark})
        self._audio_s += audio_s
        self._report()

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
        return f", {self._audio_s / 3600:.2f} h, {factor:.0f} times real time"

    def write_failed(self) -> None:
        """Write OUT/failed: an id and a reason a line; empty when all went well."""
        lines = sorted(str(problem) for problem in self.problems.values())
        (self.out / "failed").write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def finish(self) -> int:
        """Close the run after its outputs are written; the command's exit status."""
        self.write_failed()
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


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"
