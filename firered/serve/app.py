"""The application that a server runs: `create_app`."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from firered.live.config import BREATH_S, LiveConfig
from firered.runtime.context import Context
from firered.serve import jobs, page, plain_stream, realtime, routes, transcriptions
from firered.serve.auth import Doorman
from firered.serve.config import ServeConfig
from firered.serve.counted import Counted
from firered.serve.engine import Engine
from firered.serve.errors import answer_errors
from firered.serve.job_runner import JobRunner
from firered.serve.job_store import JobStore
from firered.serve.jobs import Jobs
from firered.serve.keeper import Keeper
from firered.serve.limits import Limits
from firered.serve.params import Defaults
from firered.serve.services import Services
from firered.serve.sockets import Sockets
from firered.vad.config import VadConfig
from firered.version import __version__

LIVE = LiveConfig(silence_s=BREATH_S)


def create_app(
    config: ServeConfig,
    engine: Engine,
    *,
    context: Context | None = None,
    vad: VadConfig | None = None,
    live: LiveConfig | None = None,
) -> FastAPI:
    """The application: its routes, and what they share as `app.state.services`.

    It starts the engine when it is started itself, and stops it when it ends.

    Args:
        config: of the server.
        engine: owns the models; not started yet.
        context: what the recogniser is given where a request says nothing else.
        vad: options of the voice detector likewise.
        live: options of live streams likewise.

    Raises:
        OptionError: the server would serve other machines without a key.
        FireRedError: another server uses the folder of jobs.
    """
    names = (engine.name, *(name for name in config.alias if name != engine.name))
    services = Services(
        config=config,
        engine=engine,
        keeper=Keeper(engine),
        doorman=Doorman.of(config),
        limits=Limits(config, lambda: engine.wait_s),
        sockets=Limits(config, lambda: 0.0, most=config.max_sockets, what="streams"),
        measures=engine.measures,
        defaults=Defaults(names, context or Context(), vad or VadConfig(), live or LIVE),
    )
    taken = _jobs(services)
    app = FastAPI(
        title="firered",
        version=__version__,
        lifespan=_lifespan(services, taken),
        docs_url=None,  # these pages would take their scripts from other servers
        redoc_url=None,
        openapi_url=None,
    )
    app.state.services, app.state.jobs, app.state.sockets = services, taken, Sockets(services)
    answer_errors(app)
    routes.watch(services)
    for router in (
        routes.router,
        transcriptions.router,
        jobs.router,
        realtime.router,
        plain_stream.router,
        page.router,
    ):
        app.include_router(router)
    if config.origin:
        app.add_middleware(CORSMiddleware, allow_origins=list(config.origin), allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Counted, measures=services.measures)
    return app


def _lifespan(
    services: Services, taken: Jobs | None
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        services.engine.start()
        services.keeper.start()
        if taken is not None:
            taken.runner.start()
        try:
            yield
        finally:
            services.keeper.stop()
            if taken is not None:
                taken.runner.stop()
            await run_in_threadpool(services.engine.stop, services.config.grace_s)
            if taken is not None:
                taken.store.close()

    return running


def _jobs(services: Services) -> Jobs | None:
    """The jobs of a server, where it takes any."""
    if not services.config.jobs:
        return None
    store = JobStore(Path(services.config.jobs))
    services.measures.watch_each("firered_jobs", "jobs, by status", "status", store.counts)
    return Jobs(store, JobRunner(store, services))
