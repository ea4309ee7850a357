"""Posts in a Ray cluster: one actor a node, at most one execution of every call. The only module that imports ray, and lazily.

Ray finds nodes, carries calls and tells of losses; it repeats nothing, since a second execution would be a second draw.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from harness.errors import ClusterError, HarnessError, LibraryMissingError
from harness.posts.facts import NodeFacts, chosen_kind, describe, differences
from harness.posts.node import Node
from harness.posts.post import PostLostError
from harness.posts.remote import RemotePost

START_S = 60.0
"""Seconds in which a node must give the resources that are asked for."""
MOST_LOSSES = 3
"""Posts that a node may lose before it is left alone."""
SPARE_THREADS = 8
OPEN = (
    "Whoever reaches a Ray cluster without authentication can run code on all of its nodes. Start every node and this command "
    "with RAY_AUTH_MODE=token and one token (`ray get-auth-token --generate`), or pass --insecure-cluster if nobody else reaches "
    "its network."
)
ASK = "import sys; from ray._raylet import GcsClient; GcsClient(address=sys.argv[1]).internal_kv_get(b'x', None, timeout=20)"
NICE = "Start it with RAY_worker_niceness=0 in the environment of `ray start`, or other programs slow its models down."


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise LibraryMissingError(
            "--engine ray needs Ray. Install it on every node: pip install 'unlearning-harness[ray]'"
        ) from error


class RayTicket:
    """A call of an actor's method."""

    def __init__(self, reference: Any) -> None:
        self._reference = reference

    def result(self, timeout_s: float) -> Any:
        """See :meth:`harness.posts.remote.Ticket.result`."""
        ray = _ray()
        known = ray.exceptions
        try:
            return ray.get(self._reference, timeout=timeout_s)
        except known.GetTimeoutError:
            raise TimeoutError from None
        except known.RayTaskError as error:
            raise error.cause from None
        except known.RayError as error:  # of an actor that is gone, or perhaps not: the call may have been executed
            raise PostLostError(_reason(error)) from error


def _reason(error: Exception) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}"[:300]


class RayLine:
    """The way to the actor on a node."""

    def __init__(self, actor: Any, node: str) -> None:
        self._actor, self._node = actor, node

    def call(self, method: str, *arguments: Any) -> RayTicket:
        """Begin a call."""
        return RayTicket(getattr(self._actor, method).remote(*arguments))

    def cut(self) -> None:
        """End the actor's process."""
        with suppress(Exception):  # it may be gone with its node
            _ray().kill(self._actor)


@dataclass(frozen=True)
class NodeRow:
    """A node as the cluster lists it.

    Attributes:
        id: of the node.
        name: for messages.
        resources: what it offers, e.g. {"CPU": 8.0, "GPU": 1.0}.
    """

    id: str
    name: str
    resources: Mapping[str, float]

    @property
    def cores(self) -> int:
        """Return the number of cores that it offers."""
        return int(self.resources.get("CPU", 0))

    @property
    def gpus(self) -> int:
        """Return the number of GPUs that it offers."""
        return int(self.resources.get("GPU", 0))


class RayCluster:
    """The posts of a Ray cluster; create it with :func:`connected`.

    Args:
        tell: receives a sentence on every node that is left out or lost.
        mixed: take nodes of all kinds, not those of one kind alone.
        start_s: see :data:`START_S`.
        poll_s: seconds between two looks for late nodes.
    """

    def __init__(
        self, tell: Callable[[str], None], *, mixed: bool = False, start_s: float = START_S, poll_s: float = 10.0
    ) -> None:
        self.poll_s = poll_s
        self._tell, self._mixed, self._start_s = tell, mixed, start_s
        self._here = describe()
        self.kind: str | None = None
        self.facts: dict[str, NodeFacts] = {}
        self.posts: list[RemotePost] = []
        self._current: dict[str, RemotePost | None] = {}
        self._losses: Counter[str] = Counter()
        self._polled = 0.0
        self._lock = threading.RLock()

    def begin(self) -> list[RemotePost]:
        """Start posts on all nodes, and return those that can work.

        Raises:
            ClusterError: no node can; the message says why of each.
        """
        faults: list[str] = []
        self._start(self._wanted(), faults)
        if not self.posts:
            raise ClusterError(
                f"No node of the cluster can work for this run: {'; '.join(faults) or 'none has a core'}."
            )
        for fault in faults:
            self._tell(f"A node is left out: {fault}.")
        return list(self.posts)

    def arrivals(self, wait_s: float) -> list[RemotePost]:
        """Start posts on nodes that came, or whose post was lost, and return them; wait up to so many seconds for one."""
        until = time.monotonic() + wait_s
        while True:
            with self._lock:
                if wait_s > 0 or time.monotonic() - self._polled >= self.poll_s:
                    self._polled = time.monotonic()
                    faults: list[str] = []
                    before = len(self.posts)
                    self._start(self._wanted(), faults)
                    for fault in faults:
                        self._tell(f"A node is left out: {fault}.")
                    if new := self.posts[before:]:
                        return new
            if time.monotonic() >= until:
                return []
            time.sleep(min(1.0, self.poll_s))

    def close(self) -> None:
        """Dismiss all posts, and leave the cluster."""
        with ThreadPoolExecutor(max(1, len(self.posts))) as pool:
            list(pool.map(RemotePost.close, self.posts))
        _ray().shutdown()

    def _wanted(self) -> list[NodeRow]:
        """Return the living nodes without a post that can still have one."""
        found = []
        for one in _ray().nodes():
            row = NodeRow(one["NodeID"], f"{one['NodeManagerHostname']}/{one['NodeID'][:6]}", one["Resources"])
            if not one["Alive"] or row.cores < 1:
                continue
            if row.id in self._current:
                post = self._current[row.id]
                if post is None or not post.lost or self._losses[row.id] >= MOST_LOSSES:
                    continue
                self._losses[row.id] += 1
            found.append(row)
        return found

    def _start(self, rows: Sequence[NodeRow], faults: list[str]) -> None:
        """Start a post on each node, and add those that can work."""
        if not rows:
            return
        with ThreadPoolExecutor(len(rows)) as pool:
            started = list(pool.map(self._started, rows))
        good = [(row, post, facts) for row, (post, facts, _) in zip(rows, started, strict=True) if post and facts]
        for row, (post, _, fault) in zip(rows, started, strict=True):
            if post is None:
                faults.append(f"{row.name}: {fault}")
                self._current[row.id] = None
        if good and self.kind is None and not self._mixed:
            self.kind = chosen_kind([facts for _, _, facts in good])
        for row, post, facts in good:
            if self.kind not in (None, facts.kind):
                faults.append(
                    f"{row.name} is of another kind ({facts.cores} cores, {facts.cpu_model}); see --mixed-nodes"
                )
                post.close()
                self._current[row.id] = None
                continue
            if facts.niceness > 0:
                self._tell(f"The post on {row.name} runs at nice {facts.niceness}. {NICE}")
            self._current[row.id] = post
            self.facts[row.name] = facts
            self.posts.append(post)

    def _started(self, row: NodeRow) -> tuple[RemotePost | None, NodeFacts | None, str]:
        """Start a post on a node; return it with its facts, or None and why it cannot work."""
        ray = _ray()
        affinity = importlib.import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        actor = (
            ray.remote(Node)
            .options(
                num_cpus=row.cores,
                num_gpus=row.gpus,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=2 * row.cores + SPARE_THREADS,
                scheduling_strategy=affinity(node_id=row.id, soft=False),
            )
            .remote(row.cores)
        )
        post = RemotePost(row.name, RayLine(actor, row.name), slots=row.gpus or row.cores)
        try:
            facts: NodeFacts = post.ask(self._start_s, "describe")
        except PostLostError as error:
            if "did not answer" in error.reason:
                free = ", ".join(f"{amount:g} {name}" for name, amount in sorted(_free(row).items())) or "nothing"
                asked = f"{row.cores} CPU" + (f" and {row.gpus} GPU" if row.gpus else "")
                return (
                    None,
                    None,
                    f"it did not give {asked} within {self._start_s:.0f} s; {free} of the cluster is free",
                )
            return None, None, error.reason
        except HarnessError as error:
            return None, None, str(error)
        if found := differences(facts, self._here):
            post.close()
            return None, None, f"it has {' and '.join(found)}"
        return post, facts, ""


def _free(_row: NodeRow) -> dict[str, float]:
    return {name: amount for name, amount in _ray().available_resources().items() if name in ("CPU", "GPU")}


def is_open(address: str) -> bool:
    """Return True if a cluster answers a program without a token: what this program's variables say does not show that."""
    without = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    asked = subprocess.run(
        [sys.executable, "-c", ASK, address],
        env={**without, "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return asked.returncode == 0 or "AuthenticationError" not in asked.stderr


@contextmanager
def connected(
    address: str | None, tell: Callable[[str], None], *, insecure: bool = False, mixed: bool = False
) -> Iterator[RayCluster]:
    """Connect to a Ray cluster, and leave it at the end.

    Args:
        address: of the cluster's head, "HOST:PORT"; None for $RAY_ADDRESS, or the cluster of this machine.
        tell: receives notices.
        insecure: accept a cluster without token authentication.
        mixed: take nodes of all kinds.

    Raises:
        LibraryMissingError: Ray is not installed.
        ClusterError: no cluster answers, or it would accept anybody's code.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    if not insecure and os.environ.get("RAY_AUTH_MODE") != "token":
        raise ClusterError(OPEN)
    try:
        ray.init(address=address or os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False, configure_logging=False)
    except Exception as error:  # ray raises many kinds: ConnectionError, ValueError, RuntimeError, its own
        raise ClusterError(
            f"No Ray cluster answers at {address or 'this machine'}: {_reason(error)}. Start one with `ray start --head`, or "
            "pass --address HOST:PORT. Its token, and its versions of Ray and Python, must be those of this environment."
        ) from error
    if not insecure and is_open(ray.get_runtime_context().gcs_address):
        ray.shutdown()
        raise ClusterError(OPEN)
    cluster = RayCluster(tell, mixed=mixed)
    try:
        yield cluster
    finally:
        cluster.close()
