"""A Ray cluster on this machine: a head that runs nothing, and two workers, each of which may be killed."""

import contextlib
import os
from pathlib import Path

_STORE_BYTES = 80 << 20  # the least that Ray takes


class Workers:
    """The two workers of a cluster, and its address."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.address = cluster.address
        self.nodes = [cluster.add_node(num_cpus=2, object_store_memory=_STORE_BYTES) for _ in range(2)]
        self.environment = {**os.environ, "RAY_ADDRESS": self.address}

    def processes(self, node, words):
        """Processes of a worker whose command has these words."""
        raylets = {info.process.pid for info in node.all_processes["raylet"]}
        return [pid for pid, parent, command in _processes() if parent in raylets and words in command]

    def kill(self, node):
        """What happens when a machine loses its power."""
        self._cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)


def _processes():
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            yield int(path.name), parent, (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


@contextlib.contextmanager
def ray_cluster():
    """Begins it, and ends it with the block."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        yield Workers(cluster)
    finally:
        ray.shutdown()
        cluster.shutdown()
