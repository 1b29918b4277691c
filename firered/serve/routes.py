"""Models, health and measures of a server."""

import time

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.responses import Response

from firered.serve.measures import MEDIA_TYPE
from firered.serve.params import no_model
from firered.serve.services import Caller, Services, Shared

router = APIRouter()

_STARTED = int(time.time())


@router.get("/v1/models")
async def list_models(services: Shared, _: Caller) -> dict:
    """The model under its own name and its aliases."""
    return {"object": "list", "data": [_model(name) for name in services.defaults.names]}


@router.get("/v1/models/{name:path}")
async def show_model(name: str, services: Shared, _: Caller) -> dict:
    """One of them."""
    if name not in services.defaults.names:
        raise no_model(name, services.defaults.names)
    return _model(name)


def _model(name: str) -> dict:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": "firered"}


@router.get("/health")
async def health(services: Shared) -> Response:
    """Whether the server works: 503 once a batch takes too long, or a thread has died."""
    state = "hung" if services.engine.hung else "ok"
    return JSONResponse({"status": state, "open": services.limits.open}, 200 if state == "ok" else 503)


@router.get("/ready")
async def ready(services: Shared) -> Response:
    """Whether requests would be served: after the first decode, and as long as test decodes succeed."""
    state = services.keeper.state
    loaded = services.engine.models.loaded
    return JSONResponse({"status": state, "loaded": loaded}, 200 if services.keeper.ready else 503)


@router.get("/metrics")
async def metrics(services: Shared, _: Caller) -> Response:
    """What was counted."""
    return PlainTextResponse(services.measures.text(), media_type=MEDIA_TYPE)


def watch(services: Services) -> None:
    """Have the state of the server among its measures."""
    engine, measures = services.engine, services.measures
    measures.watch("firered_open_requests", "requests that are worked on or wait", lambda: services.limits.open)
    measures.watch("firered_works", "recordings that are worked on or wait", lambda: engine.works)
    measures.watch("firered_waiting_seconds", "speech that waits", lambda: engine.turns.waiting_s)
    measures.watch("firered_models_loaded", "1 while models are in memory", lambda: float(engine.models.loaded))
    measures.watch("firered_ready", "1 while requests are served", lambda: float(services.keeper.ready))
