"""POST /v1/audio/transcriptions, as OpenAI's API has it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from firered.data.temporary import named_file
from firered.serve.bodies import answer_of, log_probs_of, text_body
from firered.serve.errors import ApiError
from firered.serve.events import EventStream, unless_gone
from firered.serve.heard import Heard, Part
from firered.serve.params import SRT, VTT, Asked, asked_for
from firered.serve.runs import Run
from firered.serve.services import Caller, Services, Shared, error_of
from firered.serve.uploads import Bounds, Upload, form_of
from firered.serve.work import Task
from firered.text.joining import join_texts

router = APIRouter()

_MEDIA = {SRT: "application/x-subrip", VTT: "text/vtt"}


@router.post("/v1/audio/transcriptions")
async def create_transcription(request: Request, services: Shared, client: Caller) -> Response:
    """The text of a recording."""
    services.need_ready()
    config = services.config
    bounds = Bounds(round(1e6 * config.max_upload_mb), config.receive_s, config.upload_s)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(services.limits.admitted(client))
        form = await stack.enter_async_context(form_of(request, bounds, named_file))
        asked = asked_for(form.fields, services.engine.able, services.defaults)
        upload = need_file(form.file)
        path = Path(upload.file.name)
        answered = partial(error_of, path=path, name=upload.name)
        run = Run()
        task = Task(path, asked.context, asked.vad, longest_s=3600 * config.max_hours)
        work = services.engine.submit(task, run)
        stack.callback(services.engine.cancel, work)
        try:
            await unless_gone(request, run.until_read())
            if asked.stream:
                return EventStream(_events(run, asked, services), stack.pop_all(), answered)
            heard = await unless_gone(request, _all(run))
        except (ApiError, ClientDisconnect):
            raise
        except Exception as error:
            raise answered(error) from None
    services.measures.audio_s.add(heard.transcript.dur_s)
    return answer(heard, asked)


def need_file(upload: Upload | None) -> Upload:
    """The file of a form.

    Raises:
        ApiError: there is none, or there is nothing in it.
    """
    if upload is None:
        raise ApiError(400, "file: the audio is missing", param="file", code="missing_required_parameter")
    if not upload.size:
        raise ApiError(400, f"file: {upload.name} is empty", param="file", code="invalid_audio")
    return upload


async def _all(run: Run) -> Heard:
    async for found in run.found():
        if isinstance(found, Heard):
            return _whole(found)
    raise AssertionError("a run ends with what was heard")


def _whole(heard: Heard) -> Heard:
    """What was heard.

    Raises:
        ApiError: a part of the recording could not be recognised: a text with a hole in it would not show it.
    """
    failed = [trouble for trouble in heard.transcript.troubles if trouble.kind == "failed"]
    if failed:
        first = failed[0]
        where = f"{first.start_s:.2f} to {first.end_s:.2f} s"
        raise ApiError(500, f"{len(failed)} parts could not be recognised, the first from {where}", code="failed")
    return heard


def answer(heard: Heard, asked: Asked) -> Response:
    """The answer in the form that is asked for."""
    body = answer_of(heard, asked)
    if isinstance(body, str):
        return PlainTextResponse(body, media_type=_MEDIA.get(asked.format, "text/plain"))
    return JSONResponse(body)


async def _events(run: Run, asked: Asked, services: Services) -> AsyncIterator[Mapping[str, Any]]:
    """A delta a segment, as it is recognised, and then all of it; the deltas, joined, are the text."""
    text, number = "", 0
    async for found in run.found():
        if isinstance(found, Part):
            grown = join_texts([text, found.text])
            if grown != text:
                yield _delta(grown[len(text) :], found, number, asked)
            text, number = grown, number + 1
            continue
        heard = _whole(found)
        services.measures.audio_s.add(heard.transcript.dur_s)
        yield {"type": "transcript.text.done", **text_body(heard, log_probs=asked.log_probs)}


def _delta(text: str, part: Part, number: int, asked: Asked) -> Mapping[str, Any]:
    event: dict[str, Any] = {"type": "transcript.text.delta", "delta": text, "segment_id": f"seg_{number}"}
    if asked.log_probs:
        event["logprobs"] = log_probs_of([part])
    return event
