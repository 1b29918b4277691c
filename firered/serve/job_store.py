"""Jobs on disk, so that a restart goes on where the server ended, however it ended: `JobStore`."""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from firered.data.lock import FolderLock
from firered.errors import writing
from firered.results import AsrResult, LidResult, PuncResult, Result, Seconds
from firered.serve.heard import Heard
from firered.system.assemble import Segment

QUEUED, RUNNING, DONE, FAILED = "queued", "in_progress", "completed", "failed"
_FILE = "jobs.sqlite3"
_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, status TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL,
    url TEXT NOT NULL, webhook TEXT NOT NULL, told INTEGER NOT NULL, created REAL NOT NULL, started REAL,
    finished REAL, duration_s REAL, speech_s REAL, done_s REAL NOT NULL, error TEXT, result TEXT
);
CREATE TABLE IF NOT EXISTS segments (
    job TEXT NOT NULL, start_s REAL NOT NULL, end_s REAL NOT NULL, segment TEXT NOT NULL,
    PRIMARY KEY (job, start_s, end_s)
);
"""


@dataclass(frozen=True)
class Job:
    """A job as it is on disk; times are seconds of the epoch, `request` the fields of the form."""

    id: str
    owner: str
    status: str
    name: str
    request: list[tuple[str, str]]
    url: str
    webhook: str
    told: bool
    created: float
    started: float | None
    finished: float | None
    duration_s: float | None
    speech_s: float | None
    done_s: float
    error: dict[str, Any] | None

    @property
    def progress(self) -> float:
        """The share of its speech that was recognised."""
        if self.status == DONE:
            return 1.0
        return min(1.0, self.done_s / self.speech_s) if self.speech_s else 0.0


_COLUMNS = [f.name for f in fields(Job)]


class JobStore:
    """The jobs of a folder: a database, and the recordings that wait in it. It is made with the first job.

    Args:
        folder: that no other server uses at the same time.

    Raises:
        FireRedError: another server uses it, or it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._database: sqlite3.Connection | None = None
        self._held: FolderLock | None = None
        if (folder / _FILE).exists():
            self._open()
            with self._opened() as database:
                database.execute("UPDATE jobs SET status = ? WHERE status = ?", (QUEUED, RUNNING))

    def _open(self) -> sqlite3.Connection:
        with writing(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = FolderLock(self.folder)
        self._database = sqlite3.connect(self.folder / _FILE, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute(
            "PRAGMA synchronous = NORMAL"
        )  # a segment may be lost with the power, not with the process
        self._database.executescript(_TABLES)
        return self._database

    def _opened(self) -> sqlite3.Connection:
        """The database; as a block, what it does is written as a whole or not at all. The lock has to be held."""
        return self._database or self._open()

    def close(self) -> None:
        """Let others use the folder."""
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None
            if self._held is not None:
                self._held.release()
                self._held = None

    def audio(self, id: str) -> Path:
        """Where a job's recording lies until the job is done."""
        return self.folder / f"{id}.audio"

    def new_id(self) -> str:
        """An id that nobody guesses."""
        with self._lock:
            self._opened()  # there is a folder for its recording then
        return f"job-{secrets.token_hex(16)}"

    def add(
        self, id: str, owner: str, name: str, request: list[tuple[str, str]], url: str = "", webhook: str = ""
    ) -> Job:
        """A new job, which waits."""
        values = (id, owner, QUEUED, name, json.dumps(request), url, webhook, not webhook, time.time(), 0.0)
        columns = "id, owner, status, name, request, url, webhook, told, created, done_s"
        with self._lock, self._opened() as database:
            database.execute(f"INSERT INTO jobs ({columns}) VALUES ({', '.join('?' * len(values))})", values)
        found = self.get(id)
        assert found is not None
        return found

    def get(self, id: str) -> Job | None:
        """A job by its id."""
        return next(iter(self._jobs("id = ?", id)), None)

    def of(self, owner: str) -> list[Job]:
        """All jobs of an owner, the oldest first."""
        return self._jobs("owner = ?", owner)

    def with_status(self, status: str) -> list[Job]:
        """All jobs of a status, the oldest first."""
        return self._jobs("status = ?", status)

    def untold(self) -> list[Job]:
        """Jobs whose end somebody wants to be told of, and was not."""
        return self._jobs("told = 0 AND status IN (?, ?)", DONE, FAILED)

    def older_than(self, age_s: float) -> list[Job]:
        """Jobs that ended so long ago."""
        return self._jobs("finished < ?", time.time() - age_s)

    def counts(self) -> dict[str, float]:
        """How many jobs there are of each status."""
        with self._lock:
            if self._database is None:
                return {}
            return dict(self._database.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status").fetchall())

    def _jobs(self, where: str, *values: object) -> list[Job]:
        with self._lock:
            if self._database is None:
                return []
            query = f"SELECT {', '.join(_COLUMNS)} FROM jobs WHERE {where} ORDER BY created, id"
            rows = self._database.execute(query, values).fetchall()
        return [_job(dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def update(self, id: str, **values: object) -> None:
        """Change columns of a job."""
        changes = ", ".join(f"{name} = ?" for name in values)
        with self._lock, self._opened() as database:
            database.execute(f"UPDATE jobs SET {changes} WHERE id = ?", (*values.values(), id))

    def note(self, id: str, segment: Segment, done_s: float) -> None:
        """Keep what was made of a segment, unless something failed in it, and how far the job is."""
        with self._lock, self._opened() as database:
            database.execute("UPDATE jobs SET done_s = ? WHERE id = ?", (done_s, id))
            if (stored := _stored(segment)) is not None:
                values = (id, *segment.span, json.dumps(stored, ensure_ascii=False))
                database.execute("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?)", values)

    def segments(self, id: str) -> dict[Seconds, Segment]:
        """The segments of a job that were kept, by their span."""
        with self._lock, self._opened() as database:
            rows = database.execute("SELECT start_s, end_s, segment FROM segments WHERE job = ?", (id,)).fetchall()
        return {(start_s, end_s): _segment((start_s, end_s), json.loads(text)) for start_s, end_s, text in rows}

    def finish(self, id: str, *, result: Heard | None = None, error: Mapping[str, Any] | None = None) -> None:
        """A job has ended, with a result or an error; its recording and segments are not needed any more."""
        values = {
            "status": FAILED if result is None else DONE,
            "finished": time.time(),
            "result": None if result is None else json.dumps(result.to_dict(), ensure_ascii=False),
            "error": None if error is None else json.dumps(error, ensure_ascii=False),
        }
        with self._lock, self._opened() as database:
            self.update(id, **values)
            database.execute("DELETE FROM segments WHERE job = ?", (id,))
        self.audio(id).unlink(missing_ok=True)

    def result(self, id: str) -> Heard | None:
        """What a job has heard, once it is done."""
        with self._lock, self._opened() as database:
            row = database.execute("SELECT result FROM jobs WHERE id = ?", (id,)).fetchone()
        return Heard.from_dict(json.loads(row[0])) if row and row[0] else None

    def remove(self, id: str) -> None:
        """Nothing is left of a job."""
        with self._lock, self._opened() as database:
            database.execute("DELETE FROM segments WHERE job = ?", (id,))
            database.execute("DELETE FROM jobs WHERE id = ?", (id,))
        self.audio(id).unlink(missing_ok=True)

    def forget_strays(self) -> None:
        """Remove recordings of which there is no job: their upload was cut off by the end of the server."""
        if self._database is None:
            return
        for path in self.folder.glob("*.audio"):
            if self.get(path.stem) is None:
                path.unlink(missing_ok=True)


def _job(row: Mapping[str, Any]) -> Job:
    request = [(name, value) for name, value in json.loads(row["request"])]
    error = json.loads(row["error"]) if row["error"] else None
    return Job(**{**row, "request": request, "error": error, "told": bool(row["told"])})


_KINDS: dict[str, type[Result]] = {"lid": LidResult, "asr": AsrResult, "punc": PuncResult}


def _stored(segment: Segment) -> dict[str, Any] | None:
    """A segment's results; None where a module failed, which another try may not."""
    found = {name: getattr(segment, name) for name in _KINDS}
    if any(isinstance(outcome, Exception) for outcome in found.values()):
        return None
    return {name: outcome.to_dict() for name, outcome in found.items() if outcome is not None}


def _segment(span: Seconds, stored: Mapping[str, Any]) -> Segment:
    found: dict[str, Any] = {name: kind.from_dict(stored[name]) for name, kind in _KINDS.items() if name in stored}
    return Segment(span, **found)
