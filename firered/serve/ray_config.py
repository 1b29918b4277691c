"""Options of a server that is spread over a Ray cluster."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class RayConfig(Options):
    """Scale-out: the same server as replicas on the machines of a Ray cluster, by Ray Serve."""

    ray: bool = option(False, "serve by replicas on a Ray cluster; needs the extra ray")
    ray_address: str = option(
        "",
        "address of the cluster; empty: that of RAY_ADDRESS or of this machine, else a new one of this machine alone",
    )
    replicas: int = option(1, "replicas, each with models of its own", low=1)
    max_replicas: int = option(0, "replicas while requests wait, at most; 0: no more than --replicas", low=0)
    replica_requests: float = option(
        8.0, "open requests and streams of a replica, above which more replicas are started", low=0.1
    )
    replica_idle_s: float = option(600.0, "seconds with less, after which replicas that are too many end", low=1)
    replica_cpus: float = option(1.0, "processors of a replica", low=0.1)
    replica_gpus: float = option(0.0, "GPUs of a replica; 0.5: two share one", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_replicas and self.max_replicas < self.replicas:
            raise OptionError(f"max_replicas: {self.max_replicas} is less than --replicas {self.replicas}")
