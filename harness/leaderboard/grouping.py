"""Which runs may stand in one ranking."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.comparing.comparability import shared
from harness.leaderboard.finding import Entry
from harness.report.document import MetricRecord, Report


@dataclass
class Group:
    """Runs that may be compared, and the meanings of their metrics, which none of them contradicts."""

    facts: dict[str, object]
    meanings: dict[str, str] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def admits(self, meanings: dict[str, str]) -> bool:
        """Whether no metric means something else here."""
        return all(self.meanings.get(name, text) == text for name, text in meanings.items())

    def add(self, entry: Entry, meanings: dict[str, str]) -> None:
        """Take a run in."""
        self.entries.append(entry)
        self.meanings.update(meanings)

    @property
    def name(self) -> str:
        """A short name that depends on what the runs share alone."""
        return hashlib.sha256(_key([self.facts, self.meanings]).encode()).hexdigest()[:10]


def group(entries: Sequence[Entry], always: Sequence[str]) -> list[Group]:
    """Runs that may be compared, together; where versions of an evaluator differ, each version apart.

    A run that lacks an evaluator (it failed, say) contradicts no version of it and stands with the newest.

    Args:
        entries: in any order.
        always: names of metrics that are shown though they be no headline metrics.
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


def shown_metrics(report: Report, always: Sequence[str]) -> Iterator[tuple[str, str, MetricRecord]]:
    """Evaluator, full name and record of each metric that a board shows."""
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
