"""Runs jobs, some at a time, and tells of their end: `JobRunner`."""

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

from firered.errors import Outcome
from firered.serve.calls import CallError, fetch, tell
from firered.serve.errors import ApiError, invalid
from firered.serve.heard import Heard
from firered.serve.job_store import DONE, QUEUED, RUNNING, Job, JobStore
from firered.serve.params import asked_for
from firered.serve.services import Services, error_of
from firered.serve.work import JOB, Task, Work
from firered.system.assemble import Segment
from firered.system.recording import Recording

log = logging.getLogger(__name__)

_AT_ONCE = 4
_LOOK_S = 1.0
_TRIES_S = (0.0, 2.0, 10.0)  # seconds to wait before each try to tell
_PRUNE_S = 3600.0


class JobRunner:
    """Has the engine recognise what waits in the store.

    Args:
        store: of the jobs.
        services: of the server.
    """

    def __init__(self, store: JobStore, services: Services) -> None:
        self._store, self._services = store, services
        self._lock = threading.Lock()
        self._running: dict[str, Work | None] = {}  # None: its recording is fetched
        self._telling: set[str] = set()
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="firered-jobs", daemon=True)

    def start(self) -> None:
        """Go on with what an earlier server has left."""
        self._store.forget_strays()
        self._thread.start()

    def stop(self) -> None:
        """Begin no more jobs; those that run go on when the server is started again."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(2 * _LOOK_S)

    def look(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def cancel(self, id: str) -> None:
        """Do no more of a job."""
        with self._lock:
            work = self._running.pop(id, None)
        if work is not None:
            self._services.engine.cancel(work)
        self.look()

    def _run(self) -> None:
        pruned = 0.0
        while not self._stopping.is_set():
            self._wake.wait(_LOOK_S)
            self._wake.clear()
            if self._services.keeper.ready:
                self._begin()
            self._tell()
            if time.monotonic() - pruned > _PRUNE_S or not pruned:
                pruned = time.monotonic()
                for job in self._store.older_than(3600 * self._services.config.keep_hours):
                    self._store.remove(job.id)

    def _begin(self) -> None:
        for job in self._store.with_status(QUEUED):
            with self._lock:
                if self._stopping.is_set() or len(self._running) >= _AT_ONCE:
                    return
                if job.id in self._running:
                    continue
                self._running[job.id] = None
            self._store.update(job.id, status=RUNNING, started=time.time())
            if job.url:
                threading.Thread(target=self._fetch, args=(job,), name="firered-fetch", daemon=True).start()
            else:
                self._submit(job)

    def _fetch(self, job: Job) -> None:
        config, path = self._services.config, self._store.audio(job.id)
        try:
            if not path.exists():
                part = path.with_suffix(".part")
                fetch(job.url, part, config.fetch, round(1e6 * config.max_job_mb), config.upload_s)
                part.rename(path)
        except CallError as error:
            self.ended(job, invalid("url", str(error)))
        else:
            self._submit(job)
        finally:
            path.with_suffix(".part").unlink(missing_ok=True)
            if self._store.get(job.id) is None:  # it was deleted meanwhile
                path.unlink(missing_ok=True)

    def _submit(self, job: Job) -> None:
        services = self._services
        try:
            asked = asked_for(job.request, services.engine.able, services.defaults)
            known = self._store.segments(job.id)
            task = Task(
                *(self._store.audio(job.id), asked.context, asked.vad, JOB, 3600 * services.config.max_job_hours, known)
            )
            with self._lock:
                if job.id not in self._running:  # cancelled
                    return
                self._running[job.id] = services.engine.submit(task, _Progress(self, self._store, job, set(known)))
        except ApiError as error:
            if not self._stopping.is_set():
                self.ended(job, error)

    def ended(self, job: Job, outcome: Outcome[Heard]) -> None:
        """A job is done, or has failed."""
        if isinstance(outcome, Exception):
            error = error_of(outcome, self._store.audio(job.id), job.name)
            self._store.finish(job.id, error=error.body["error"])
        else:
            self._store.finish(job.id, result=outcome)
            self._services.measures.audio_s.add(outcome.transcript.dur_s)
        with self._lock:
            self._running.pop(job.id, None)
        self.look()

    def _tell(self) -> None:
        for job in self._store.untold():
            if job.id not in self._telling:
                self._telling.add(job.id)
                threading.Thread(target=self._tell_of, args=(job,), name="firered-webhook", daemon=True).start()

    def _tell_of(self, job: Job) -> None:
        for wait_s in _TRIES_S:
            if self._stopping.wait(wait_s):
                return
            try:
                tell(job.webhook, job_body(job), self._services.config.webhook)
                break
            except CallError as error:
                log.warning("%s: its webhook %s", job.id, error)
        self._store.update(job.id, told=True)
        self._telling.discard(job.id)


class _Progress:
    """Keeps on disk what becomes of a job."""

    def __init__(self, runner: JobRunner, store: JobStore, job: Job, known: set) -> None:
        self._runner, self._store, self._job, self._known = runner, store, job, known
        self._done_s = 0.0

    def opened(self, recording: Recording) -> None:
        """Its length is known."""
        speech_s = sum(stretch.duration_s for stretch in recording.segments)
        self._store.update(self._job.id, duration_s=recording.spool.duration_s, speech_s=speech_s)

    def recognised(self, number: int, segment: Segment) -> None:
        """A segment is done."""
        self._done_s += segment.span[1] - segment.span[0]
        if segment.span not in self._known:
            self._store.note(self._job.id, segment, self._done_s)

    def finished(self, outcome: Outcome[Heard]) -> None:
        """All are."""
        self._runner.ended(self._job, outcome)


def job_body(job: Job) -> Mapping[str, Any]:
    """What clients are told of a job: times in seconds of the epoch, lengths in seconds of audio and of speech."""
    return {
        "id": job.id,
        "object": "transcription.job",
        "status": job.status,
        "progress": round(job.progress, 4),
        "name": job.name,
        "created_at": int(job.created),
        "started_at": None if job.started is None else int(job.started),
        "finished_at": None if job.finished is None else int(job.finished),
        "duration": None if job.duration_s is None else round(job.duration_s, 3),
        "speech": None if job.speech_s is None else round(job.speech_s, 3),
        "error": job.error,
        "result": f"/v1/jobs/{job.id}/result" if job.status == DONE else None,
    }
