"""The server as replicas on the machines of a Ray cluster, by Ray Serve: `serve_replicas`.

Each replica is the application of `firered.serve.app` with models of its own. Jobs lie in one folder, which one server
uses at a time, so they have an application of one replica; Ray sends what begins with /v1/jobs there.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from ray import serve
from starlette.types import ASGIApp, Receive, Scope, Send

from firered.errors import FireRedError, OptionError
from firered.live.config import LiveConfig
from firered.runtime.context import Context
from firered.serve.auth import KEY, Doorman
from firered.serve.config import ServeConfig
from firered.serve.ray_config import RayConfig
from firered.serve.server import application, log_less
from firered.system.system import System
from firered.vad.config import VadConfig
from firered.vad.detect import StreamVad

log = logging.getLogger(__name__)

APP, JOBS_APP = "firered", "firered-jobs"
_JOBS_AT = "/v1/jobs"
_CONTROLLER = "SERVE_CONTROLLER_ACTOR"  # the name of Ray Serve's own actor
_PROBES = 16  # requests of a replica beside those that its limits count, such as for its health
_LOOK_S, _END_S = 0.2, 15.0
_QUIET = {"log_level": "WARNING", "enable_access_log": False}
_CHECK_S, _ANSWER_S = (
    10.0,
    30.0,
)  # from one look at a replica's health to the next, and until it must have answered


@dataclass(frozen=True)
class Plan:
    """What a replica is made of, as it goes to the replica's machine.

    Attributes:
        config, build, name, languages, context, vad, detector, live: as in `firered.serve.server.application`.
        folder: that relative paths start from.
        keys: what `FIRERED_API_KEY` says here.
    """

    config: ServeConfig
    build: Callable[[], System]
    name: str
    languages: Sequence[str]
    context: Context
    vad: VadConfig
    detector: Callable[[], StreamVad] | None
    live: LiveConfig
    folder: Path = field(default_factory=Path.cwd)
    keys: str = field(default_factory=lambda: os.environ.get(KEY, ""))

    def application(self) -> FastAPI:
        """The application, on the machine of its replica."""
        os.chdir(self.folder)
        os.environ[KEY] = self.keys
        logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="firered: %(levelname)s %(message)s")
        log_less()
        app = application(
            *(self.config, self.build, self.name, self.languages, self.context, self.vad),
            detector=self.detector,
            live=self.live,
        )
        app.add_middleware(_Whole)
        app.state.services.keeper.failed = _tell
        return app


def _tell(error: Exception) -> None:
    log.error("%s", error, exc_info=None if isinstance(error, FireRedError) else error)


class _Whole:
    """Has the application see whole paths, where Ray takes what an application's routes begin with for its root."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await self._app({**scope, "root_path": ""}, receive, send)


class Replica:
    """What Ray asks of a replica besides requests."""

    app: FastAPI

    async def check_health(self) -> None:
        """Wait until it is ready; raise where it is not, so that Ray begins another in its place."""
        keeper = self.app.state.services.keeper
        while keeper.state == "loading":
            await asyncio.sleep(_LOOK_S)
        if not keeper.ready:
            raise RuntimeError(keeper.state)

    async def end_streams(self, grace_s: float) -> None:
        """Have the last words of live streams recognised, and close them."""
        await self.app.state.sockets.end(grace_s)


def deployment_options(config: ServeConfig, scale: RayConfig) -> dict[str, Any]:
    """What Ray is told of the replicas of a server."""
    options: dict[str, Any] = {
        "name": APP,
        "num_replicas": scale.replicas,
        "ray_actor_options": {"num_cpus": scale.replica_cpus, "num_gpus": scale.replica_gpus},
        # More than its own limits take: what is too much is answered by the replica, in the API's form.
        "max_ongoing_requests": config.max_open + config.max_sockets + _PROBES,
        "graceful_shutdown_timeout_s": config.grace_s + _LOOK_S,
        "health_check_period_s": _CHECK_S,
        "health_check_timeout_s": _ANSWER_S,
    }
    if scale.max_replicas > scale.replicas:
        options["num_replicas"] = "auto"
        options["autoscaling_config"] = {
            "min_replicas": scale.replicas,
            "max_replicas": scale.max_replicas,
            "target_ongoing_requests": scale.replica_requests,
            "downscale_delay_s": scale.replica_idle_s,
        }
    return options


def serve_replicas(plan: Plan, scale: RayConfig) -> int:
    """Exit status of a server on a cluster, which runs until a signal.

    Raises:
        OptionError: it would serve other machines without a key, or its port is not named.
        FireRedError: there is no such cluster, or the replicas do not start.
    """
    config = plan.config
    if not config.port:
        raise OptionError("port: 0 is not for --ray: name the port")
    Doorman.of(config)
    with _cluster(scale.ray_address), _noted_signals() as told:
        began = not _serves()
        if not began:
            log.warning("Ray Serve runs on this cluster already: its address holds, not --host and --port")
        serve.start(
            proxy_location="HeadOnly",
            http_options={"host": config.host, "port": config.port},
            logging_config=_QUIET,
        )
        names = {APP: "/"} | ({JOBS_APP: _JOBS_AT} if config.jobs else {})
        try:
            handles = [_run(name, at, plan, scale) for name, at in names.items()]
            log.info("ready on http://%s:%d of the cluster's head", config.host, config.port)
            told.wait()
            log.info("no more requests; those that run are finished")
            _end_within(config.grace_s + _END_S)
            for handle in handles:
                handle.broadcast("end_streams", config.grace_s).results()
        finally:
            for name in names:
                serve.delete(name)
            if began:
                serve.shutdown()
    return 0


def _run(name: str, at: str, plan: Plan, scale: RayConfig) -> Any:  # noqa: ANN401 - a handle of Ray Serve
    """The handle of an application of the server, once all of its replicas are ready.

    Raises:
        FireRedError: they do not start.
    """
    options = deployment_options(plan.config, scale)
    if name == JOBS_APP:
        own = plan
        options |= {"name": JOBS_APP, "num_replicas": 1}
        options.pop("autoscaling_config", None)
    else:
        own = replace(plan, config=replace(plan.config, jobs=""))

    def build() -> FastAPI:
        return own.application()

    deployment = serve.deployment(serve.ingress(build)(Replica)).options(**options)
    try:
        return serve.run(deployment.bind(), name=name, route_prefix=at, logging_config=_QUIET)
    except RuntimeError as error:
        raise FireRedError(f"{name}: the replicas did not start; the lines above say why") from error


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[None]:
    """Connected to a cluster; one that was begun for the block ends with it.

    Raises:
        FireRedError: there is none at this address.
    """
    try:
        ray.init(address or None, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise FireRedError(f"no Ray cluster at {address}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _noted_signals() -> Iterator[threading.Event]:
    """What is set with the first SIGINT or SIGTERM; a second one ends this process, and Ray goes on by itself."""
    told = threading.Event()

    def note(number: int, _: object) -> None:
        if told.is_set():
            log.error("ended at once by a second signal; what is left of it on the cluster: serve shutdown")
            os._exit(128 + number)
        told.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_within(seconds: float) -> None:
    """Have this process end by then, also where the cluster answers no more."""

    def end() -> None:
        log.error("the cluster does not answer; what is left of the server on it: serve shutdown")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _serves() -> bool:
    """Whether Ray Serve runs on the cluster."""
    return any(actor["name"] == _CONTROLLER for actor in ray.util.list_named_actors(all_namespaces=True))
