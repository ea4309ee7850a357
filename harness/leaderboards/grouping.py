"""Partition of runs into comparable groups."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.comparing.comparability import shared
from harness.evaluation import Metric
from harness.leaderboards.finding import Entry
from harness.report.document import Report


@dataclass
class Group:
    """Comparable runs, and the definitions of their metrics, on which all of them agree."""

    facts: dict[str, object]
    meanings: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def admits(self, meanings: dict[str, str]) -> bool:
        """Return True if no metric has a different definition in this group."""
        return all(self.meanings.get(name, text) == text for name, text in meanings.items())

    def add(self, entry: Entry, meanings: dict[str, str]) -> None:
        """Add a run."""
        self.entries.append(entry)
        self.meanings.update(meanings)

    @property
    def name(self) -> str:
        """Return a short digest of what the runs share."""
        return hashlib.sha256(_key([self.facts, self.meanings]).encode()).hexdigest()[:10]


def group(entries: Sequence[Entry], always: Sequence[str]) -> list[Group]:
    """Partition runs into comparable groups; different versions of an evaluator make different groups.

    A run that lacks an evaluator (e.g. because it failed) joins the group of the newest version.

    Args:
        entries: reports in any order.
        always: names of metrics to show even if they are not headline metrics.
    """
    found: dict[str, list[Group]] = {}
    for entry in sorted(entries, key=lambda one: (one.report.created, one.digest), reverse=True):
        facts, meanings = shared(entry.report), dict(_meanings(entry.report, always))
        alike = found.setdefault(_key(facts), [])
        fitting = next((one for one in alike if one.admits(meanings)), None)
        if fitting is None:
            fitting = Group(facts)
            alike.append(fitting)
        fitting.add(entry, meanings)
    return [one for alike in found.values() for one in alike]


def shown_metrics(report: Report, always: Sequence[str]) -> Iterator[tuple[str, str, Metric]]:
    """Yield evaluator, full name and record of each metric that a board shows."""
    for one in report.evaluators:
        for metric in () if one.error else one.metrics:
            name = f"{one.name}.{metric.name}"
            if metric.headline or name in always:
                yield one.name, name, metric


def _meanings(report: Report, always: Sequence[str]) -> Iterator[tuple[str, str]]:
    versions = {one.name: f"{one.version} of {one.distribution}" for one in report.evaluators}
    for evaluator, name, metric in shown_metrics(report, always):
        yield evaluator, f"version {versions[evaluator]}"
        yield name, f"{metric.unit or 'pure number'}, {metric.direction}"


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)
