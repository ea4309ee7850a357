"""Checks of the nodes of a cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.doctor.checks import Check, guarded
from harness.posts.facts import NodeFacts
from harness.runs.cluster import node_facts


def node_checks(address: str | None, *, insecure: bool) -> list[Check]:
    """Return the checks of every node."""

    def found() -> Iterator[Check]:
        facts, notices = node_facts(address, insecure=insecure)
        kinds = Counter(one.kind for one in facts.values())
        yield Check("cluster", "ok", f"{len(facts)} nodes of {len(kinds)} kinds can work")
        for node, one in facts.items():
            yield _of_node(node, one)
        for text in notices:
            yield Check("cluster", "warn", text)

    return guarded("cluster", found)


def _of_node(node: str, facts: NodeFacts) -> Check:
    gpus = f", {len(facts.gpus)} x {facts.gpus[0]}" if facts.gpus else ""
    detail = (
        f"kind {facts.kind}: {facts.cores} cores of {facts.cpu_model}{gpus}, {facts.memory_mib} MiB, torch {facts.torch}, "
        f"Python {facts.python}"
    )
    if facts.niceness > 0:
        advice = "Set RAY_worker_niceness=0 where `ray start` runs, or other programs slow its models down."
        return Check(node, "warn", f"{detail}, nice {facts.niceness}", advice)
    if not facts.measures_pressure:
        return Check(node, "warn", f"{detail}; its kernel does not report CPU pressure", "Boot it with psi=1.")
    return Check(node, "ok", detail)
