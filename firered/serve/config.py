"""Options of the server."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class ServeConfig(Options):
    """The server: where it listens, who may call, and how much it takes."""

    host: str = option("127.0.0.1", "address that it listens on; 0.0.0.0: all of this machine")
    port: int = option(8000, "port that it listens on; 0: any that is free, which the log names", low=0, high=65535)
    open: bool = option(False, "serve other machines without a key; with one, FIRERED_API_KEY in the environment")
    origin: tuple[str, ...] = option(
        (),
        "origin of web pages that may call besides those of this address, such as https://example.org; several times",
    )
    alias: tuple[str, ...] = option(("whisper-1",), "name that the model goes by besides its own; several times")

    workers: int = option(1, "threads that recognise, each with a copy of the models", low=1)
    readers: int = option(4, "uploads that are decoded and cut into segments at a time", low=1)
    batch_wait_ms: float = option(
        20.0, "milliseconds that a segment waits for others, of other requests, to share its batch", low=0
    )
    turn_seconds: float = option(
        30.0, "seconds of speech, of all requests, that are recognised together; waiting ones take turns", low=0.1
    )
    idle_s: float = option(0.0, "seconds without work after which models are unloaded; 0: never", low=0)
    probe_s: float = option(60.0, "seconds without work after which a test decode is made; 0: never", low=0)
    hang_s: float = option(120.0, "seconds after which a batch counts as hung, and /health fails", low=0.1)
    grace_s: float = option(60.0, "seconds that requests have to end at a shutdown", low=0)

    max_upload_mb: float = option(100.0, "megabytes of an upload", low=0.001)
    max_hours: float = option(4.0, "hours of a recording", low=0.0001)
    max_open: int = option(64, "requests that are worked on or wait at a time; others are answered 503", low=1)
    max_client: int = option(32, "the same of one client, by its key or else its address; others get 429", low=1)
    max_rate: float = option(0.0, "requests a minute of one client, others are answered 429; 0: any", low=0)
    receive_s: float = option(30.0, "seconds that a client may be silent before its request is complete", low=0.1)
    upload_s: float = option(600.0, "seconds that an upload may take", low=0.1)
    media_s: float = option(120.0, "seconds that ffmpeg may take over an upload", low=0.1)

    max_sockets: int = option(64, "live streams that are open at a time; others are answered 503", low=1)
    max_message_mb: float = option(16.0, "megabytes of a message of a live stream", low=0.001)
    idle_socket_s: float = option(600.0, "seconds without a message after which a live stream ends", low=0.1)

    jobs: str = option("firered-jobs", "folder of jobs, made with the first; empty: there are none")
    max_job_mb: float = option(2000.0, "megabytes of a job's recording", low=0.001)
    max_job_hours: float = option(24.0, "hours of a job's recording", low=0.0001)
    max_jobs: int = option(1000, "jobs of one client that wait or run at a time; others are answered 429", low=1)
    keep_hours: float = option(72.0, "hours that the results of a job are kept", low=0)
    fetch: tuple[str, ...] = option(
        (), "host, or host:port, that jobs may name recordings of by their URL; several times; none: no URLs"
    )
    webhook: tuple[str, ...] = option(
        (), "host, or host:port, that may be told of the end of jobs; several times; none: no such calls"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for origin in self.origin:
            parts = urlsplit(origin)
            if not parts.hostname or parts.scheme not in ("http", "https") or parts.path.strip("/"):
                raise OptionError(f"origin: {origin!r} is not of the form https://example.org")
