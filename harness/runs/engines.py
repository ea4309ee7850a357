"""Where a run works: on this machine, or on the nodes of a cluster."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from harness.core.progress import Progress
from harness.errors import ClusterError, HarnessError
from harness.posts.dispatch import Crew
from harness.posts.local import Equipment, LocalPost
from harness.posts.post import Method, PostLostError
from harness.posts.remote import RemotePost
from harness.posts.trainers import PostTrainers
from harness.references.worker_pool import Trainers, Workers
from harness.runs.config import RunConfig
from harness.runs.on_node import NodeOrder, open_post, order_of
from harness.runs.remote_runners import ImageMissingError, runner_order, write_archive
from harness.runs.unlearning_setup import UnlearningSetup

if TYPE_CHECKING:
    from harness.posts.ray_post import RayCluster

SIT_S = 1800.0
"""Seconds in which a node must be ready to unlearn: data, image, and the removal of what killed runs left."""


class Engine(Protocol):
    """What does the work of a run."""

    @property
    def machine_cores(self) -> int | None:
        """Return the cores of the machine on which guests run; None for this one's."""

    def trainers(self) -> Trainers:
        """Return what trains reference models and computes probes."""

    def crew(self, setup: UnlearningSetup, equip: Callable[[Method], Equipment]) -> Crew:
        """Return the posts that unlearn."""


class LocalEngine:
    """This machine."""

    machine_cores: int | None = None

    def trainers(self) -> Trainers:
        """Return worker processes."""
        return Workers()

    def crew(self, setup: UnlearningSetup, equip: Callable[[Method], Equipment]) -> Crew:
        """Return a crew of one post."""
        return Crew([LocalPost(setup, equip)])


@dataclass
class RayEngine:
    """The nodes of a Ray cluster.

    Attributes:
        cluster: its posts.
        progress: receives notices.
        folder: for archives of images.
    """

    cluster: RayCluster
    progress: Progress
    folder: Path

    @property
    def machine_cores(self) -> int | None:
        """Return the smallest number of cores of a node."""
        return min(facts.cores for facts in self.cluster.facts.values())

    def trainers(self) -> Trainers:
        """Return the posts as trainers."""
        return PostTrainers(self.cluster.posts, self.cluster.arrivals, self.progress.notice)

    def crew(self, setup: UnlearningSetup, equip: Callable[[Method], Equipment]) -> Crew:
        """Return the posts, each ready to unlearn.

        Raises:
            ClusterError: none became ready; the message says why of each.
        """
        methods: tuple[Method, ...] = ("plugin", "retrain")
        if setup.config.time_limit_s is not None:
            methods = ("plugin",)
        made = {method: equip(method) for method in methods}
        orders = {name: (runner_order(own.runner, own.facts, self.folder), own.facts) for name, own in made.items()}
        order = order_of(setup, orders)
        seated = partial(self._seated, order)
        posts = seated([post for post in self.cluster.posts if not post.lost])
        if not posts:
            raise ClusterError("No node of the cluster became ready to unlearn; see the notices above.")
        return Crew(
            cast("list[Any]", posts), lambda wait_s: seated(self.cluster.arrivals(wait_s)), poll_s=self.cluster.poll_s
        )

    def _seated(self, order: NodeOrder, posts: Sequence[RemotePost]) -> list[RemotePost]:
        """Make posts ready to unlearn, in parallel; leave out those that cannot, with a notice."""
        if not posts:
            return []
        with ThreadPoolExecutor(len(posts)) as pool:
            faults = list(pool.map(partial(self._fault, order), posts))
        for post, fault in zip(posts, faults, strict=True):
            if fault:
                self.progress.notice(f"A node is left out: {post.node}: {fault}")
                post.close()
        return [post for post, fault in zip(posts, faults, strict=True) if not fault]

    def _fault(self, order: NodeOrder, post: RemotePost) -> str:
        """Make a post ready to unlearn; return why it cannot, or nothing."""
        data = Path(order.data_file)
        try:
            try:
                post.sit(open_post, order, [data], SIT_S)
            except ImageMissingError:
                archives = [write_archive(one) for one, _ in order.methods.values()]
                post.sit(open_post, order, [data, *(path for path in archives if path)], SIT_S)
        except PostLostError as error:
            return error.reason
        except HarnessError as error:
            return str(error)
        return ""


@contextmanager
def engine_of(config: RunConfig, progress: Progress) -> Iterator[Engine]:
    """Return what does the work of a run, for a ``with`` block.

    Raises:
        ClusterError: the cluster cannot be used.
        LibraryMissingError: Ray is not installed.
    """
    if config.engine == "local":
        yield LocalEngine()
        return
    with cluster_engine(config.address, progress, insecure=config.insecure_cluster, mixed=config.mixed_nodes) as engine:
        yield engine


@contextmanager
def cluster_engine(
    address: str | None, progress: Progress, *, insecure: bool, mixed: bool = False
) -> Iterator[RayEngine]:
    """Connect to a Ray cluster and start posts on its nodes, for a ``with`` block; see :func:`engine_of`."""
    from harness.posts.ray_post import connected

    with (
        connected(address, progress.notice, insecure=insecure, mixed=mixed) as cluster,
        tempfile.TemporaryDirectory(prefix="harness-images-") as folder,
    ):
        with progress.step("starting posts", None):
            cluster.begin()
        yield RayEngine(cluster, progress, Path(folder))
