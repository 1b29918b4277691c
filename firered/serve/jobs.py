"""Jobs, for long recordings: /v1/jobs."""

from collections.abc import Mapping
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS as FILES
from firered.serve.auth import Client
from firered.serve.calls import CallError, check_url
from firered.serve.errors import ApiError, invalid, unsupported
from firered.serve.job_runner import JobRunner, job_body
from firered.serve.job_store import DONE, FAILED, Job, JobStore
from firered.serve.params import FORMATS, asked_for
from firered.serve.services import Caller, Shared
from firered.serve.transcriptions import answer, need_file
from firered.serve.uploads import Bounds, Form, form_of

router = APIRouter()

_OWN = ("url", "webhook")  # fields that transcriptions do not have


class Jobs:
    """What the routes of jobs share."""

    def __init__(self, store: JobStore, runner: JobRunner) -> None:
        self.store, self.runner = store, runner

    def of(self, id: str, client: Client) -> Job:
        """A job of a client.

        Raises:
            ApiError: it has none of this id.
        """
        job = self.store.get(id)
        if job is None or job.owner != client.owner:
            raise ApiError(404, f"no job {id[:100]!r}", code="job_not_found")
        return job


def _jobs(request: Request) -> Jobs:
    jobs: Jobs | None = request.app.state.jobs
    if jobs is None:
        raise ApiError(404, "this server takes no jobs", code="not_found")
    return jobs


SharedJobs = Annotated[Jobs, Depends(_jobs)]


@router.post("/v1/jobs")
async def create_job(request: Request, services: Shared, client: Caller, jobs: SharedJobs) -> Response:
    """Take in a recording, which is recognised when its turn comes."""
    services.need_ready()
    config = services.config
    _check_number(jobs.store.of(client.owner), config.max_jobs)
    id = jobs.store.new_id()
    path = jobs.store.audio(id)
    kept = False

    def new_file() -> IO[bytes]:
        return path.open("xb")

    try:
        with services.limits.admitted(client):
            bounds = Bounds(round(1e6 * config.max_job_mb), config.receive_s, config.upload_s)
            async with form_of(request, bounds, new_file) as form:
                fields = [(name, value) for name, value in form.fields if name not in _OWN]
                asked = asked_for(fields, services.engine.able, services.defaults)
                if asked.stream:
                    raise unsupported("stream", "jobs are asked for their progress")
                url = _call(form, "url", config.fetch)
                webhook = _call(form, "webhook", config.webhook)
                if url and form.file is not None:
                    raise invalid("url", "give a file or a URL, not both")
                name = url.rpartition("/")[2][:100] or "audio" if url else need_file(form.file).name
        job = await run_in_threadpool(jobs.store.add, id, client.owner, name, fields, url, webhook)
        kept = True
    finally:
        if not kept:
            path.unlink(missing_ok=True)
    jobs.runner.look()
    return JSONResponse(job_body(job), 201)


def _check_number(jobs: list[Job], most: int) -> None:
    if sum(job.status not in (DONE, FAILED) for job in jobs) >= most:
        raise ApiError(
            429,
            f"{most} jobs of yours wait, the most that one client may have",
            code="too_many_jobs",
            kind="rate_limit_error",
            retry_after_s=60,
        )


def _call(form: Form, name: str, hosts: tuple[str, ...]) -> str:
    """The URL of a field; empty without one.

    Raises:
        ApiError: it may not be called.
    """
    given = [value.strip() for field, value in form.fields if field == name and value.strip()]
    if not given:
        return ""
    if len(given) > 1:
        raise invalid(name, f"given {len(given)} times")
    if not hosts:
        raise unsupported(name, "this server calls no other hosts")
    try:
        check_url(given[0], hosts)
    except CallError as error:
        raise invalid(name, str(error)) from None
    return given[0]


@router.get("/v1/jobs")
async def list_jobs(client: Caller, jobs: SharedJobs) -> dict:
    """The client's jobs, the oldest first."""
    return {"object": "list", "data": [job_body(job) for job in jobs.store.of(client.owner)]}


@router.get("/v1/jobs/{id}")
async def show_job(id: str, client: Caller, jobs: SharedJobs) -> Mapping[str, Any]:
    """How far a job is."""
    return job_body(jobs.of(id, client))


@router.delete("/v1/jobs/{id}")
async def delete_job(id: str, client: Caller, jobs: SharedJobs) -> dict:
    """End a job, and forget all of it."""
    job = jobs.of(id, client)
    await run_in_threadpool(jobs.runner.cancel, job.id)
    await run_in_threadpool(jobs.store.remove, job.id)
    return {"id": job.id, "object": "transcription.job", "deleted": True}


@router.get("/v1/jobs/{id}/result")
async def show_result(id: str, request: Request, services: Shared, client: Caller, jobs: SharedJobs) -> Response:
    """What a job has heard, in any format."""
    job = jobs.of(id, client)
    if job.status == FAILED:
        error = job.error or {}
        raise ApiError(409, f"the job has failed: {error.get('message')}", code="job_failed")
    heard = await run_in_threadpool(jobs.store.result, job.id)
    if heard is None:
        raise ApiError(409, f"the job is {job.status}, {job.progress:.0%} done", code="job_not_done", retry_after_s=5)
    query = request.query_params.multi_items()
    wanted = request.query_params.get("response_format", "")
    if wanted in FILES and wanted not in FORMATS:
        return PlainTextResponse(FILES[wanted](heard.transcript, SubtitleConfig()))
    asked_again = {name.removesuffix("[]") for name, _ in query}
    fields = [(name, value) for name, value in job.request if name.removesuffix("[]") not in asked_again]
    if wanted and "timestamp_granularities" not in asked_again:
        fields = [pair for pair in fields if pair[0].removesuffix("[]") not in ("timestamp_granularities", "include")]
    return answer(heard, asked_for([*fields, *query], services.engine.able, services.defaults))
