"""A real Ray cluster on this machine: a head without cores, and two nodes of one core each, with a cache of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.hardware import usable_cores

MEMORY = 200 << 20
TUNED = {f"health_check_{name}": 1000 for name in ("initial_delay_ms", "period_ms", "timeout_ms")}
VARIABLES = {
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}


class Nodes:
    """The cluster; nodes are added one for each usable core."""

    def __init__(self, cache: Path) -> None:
        from ray.cluster_utils import Cluster

        os.environ |= VARIABLES | {"HARNESS_CACHE_DIR": str(cache)}
        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": MEMORY,
                "include_dashboard": False,
                "_system_config": TUNED | {"health_check_failure_threshold": 3},
            },
        )
        self.nodes: dict[int, Any] = {}

    @property
    def options(self) -> tuple[str, ...]:
        """Options of a command that works on it."""
        return ("--engine", "ray", "--address", str(self.cluster.address), "--insecure-cluster")

    def complete(self) -> None:
        """Let each of two cores have a living node."""
        before = os.sched_getaffinity(0)
        for core in usable_cores()[:2]:
            if core not in self.nodes:
                os.sched_setaffinity(0, {core})  # the node's processes inherit it
                try:
                    self.nodes[core] = self.cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
                finally:
                    os.sched_setaffinity(0, before)

    def freeze_node(self) -> None:
        """Stop the raylet of a node: its post goes on to work, but the cluster takes the node for dead."""
        _, node = self.nodes.popitem()
        self.frozen = node.all_processes["raylet"][0].process.pid
        os.kill(self.frozen, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the frozen raylet find out that it is taken for dead, and end the post that went on to work without it."""
        os.kill(self.frozen, signal.SIGCONT)
        for post in posts():
            os.kill(post, signal.SIGKILL)

    def kill_node(self) -> None:
        """Kill a node, without a warning."""
        core, node = self.nodes.popitem()
        raylet = node.all_processes["raylet"][0].process
        self.cluster.remove_node(node, allow_graceful=False)
        raylet.poll()  # a zombie looks alive to its actor
        assert core not in self.nodes

    def close(self) -> None:
        """Stop all nodes."""
        self.cluster.shutdown()


def posts() -> list[int]:
    """Return the process ids of all posts on this machine."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if place.read_bytes().startswith(b"ray::Node"):
                found.append(int(place.parent.name))
    return found


def kill_a_post() -> None:
    """Kill a post's process outright."""
    os.kill(posts()[0], signal.SIGKILL)


@contextlib.contextmanager
def two_nodes(cache: Path) -> Iterator[Nodes]:
    """Start a cluster of two nodes for a ``with`` block."""
    before = dict(os.environ)
    nodes = Nodes(cache)
    try:
        nodes.complete()
        yield nodes
    finally:
        nodes.close()
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":  # with a token: Ray reads its variables once a process
    with two_nodes(Path(sys.argv[1])) as started:
        print(started.cluster.address, flush=True)  # noqa: T201
        sys.stdin.read()
