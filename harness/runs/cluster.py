"""Work on every node of a cluster that is no run: its facts, and what killed runs left there."""

from __future__ import annotations

from harness.core.progress import SilentProgress
from harness.posts.facts import NodeFacts
from harness.posts.post import PostLostError
from harness.runs.engines import cluster_engine
from harness.runs.reaping import Reaped, reap_all

REAP_S = 600.0


def reap_nodes(address: str | None, *, insecure: bool, dry_run: bool) -> dict[str, Reaped]:
    """Remove what killed runs left on each node; return what was removed, by node.

    Raises:
        ClusterError: see :func:`harness.posts.ray_post.connected`.
    """
    told = SilentProgress()
    with cluster_engine(address, told, insecure=insecure, mixed=True) as engine:
        found: dict[str, Reaped] = {}
        for post in engine.cluster.posts:
            try:
                found[post.node] = post.ask(REAP_S, "apply", _reaped, dry_run)
            except PostLostError as error:
                told.notice(error.reason)
    return {"": Reaped((), tuple(told.notices))} | found if told.notices else found


def _reaped(dry_run: bool) -> Reaped:
    return reap_all(dry_run=dry_run)


def node_facts(address: str | None, *, insecure: bool) -> tuple[dict[str, NodeFacts], list[str]]:
    """Return the facts of each node that can work for this program, and a sentence on each other.

    Raises:
        ClusterError: see :func:`harness.posts.ray_post.connected`; also if no node can.
    """
    told = SilentProgress()
    with cluster_engine(address, told, insecure=insecure, mixed=True) as engine:
        return dict(engine.cluster.facts), told.notices
