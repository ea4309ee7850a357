"""Choice of the metrics to compare: headline metrics, all, or those requested by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from harness.comparing.comparison import Method
from harness.errors import NotComparableError, UsageError
from harness.evaluation import Metric
from harness.report.document import EvaluatorRecord, Report
from harness.report.words import plain

TIME = "efficiency"
TIME_UNITS = frozenset({"s", "h", "MiB"})


def fit_evaluators(runs: Sequence[Method]) -> tuple[list[str], list[str]]:
    """Return evaluators that measured the same in all runs, and a reason for each excluded one.

    Raises:
        NotComparableError: no evaluator is left.
    """
    names = dict.fromkeys(record.name for one in runs for record in _sound(one.report))
    unfit = {name: text for name in names if (text := _unlike(name, runs))}
    if len(unfit) == len(names):
        why = " ".join(unfit.values()) or "No evaluator gave a number in any of them."
        raise NotComparableError(
            f"These runs cannot be compared. {why} Run `harness evaluate RUN` to evaluate a finished run again."
        )
    return [name for name in names if name not in unfit], list(unfit.values())


def choose(
    runs: Sequence[Method], evaluators: Sequence[str], wanted: Sequence[str], everything: bool
) -> list[tuple[str, Metric]]:
    """Return the metrics to compare, with their evaluators' names, in the reports' order.

    Args:
        runs: the runs.
        evaluators: the evaluators whose metrics may be compared.
        wanted: names such as "lira.auc"; empty for the headline metrics.
        everything: all metrics that have a value anywhere; ``wanted`` must be empty.

    Raises:
        UsageError: a name is unknown, or both ``wanted`` and ``everything`` are given.
    """
    if wanted and everything:
        raise UsageError("Pass only one of --all and --metric.")
    known = _known(runs, evaluators)
    if wanted:
        return [_named(name, known) for name in dict.fromkeys(wanted)]
    chosen = [pair for pair in known.values() if everything or pair[1].headline]
    return [pair for pair in chosen if any(_value(one.report, *pair) is not None for one in runs)]


def is_time(evaluator: str, metric: Metric) -> bool:
    """Return True if a metric depends on the machine rather than on the method."""
    return evaluator == TIME or metric.unit in TIME_UNITS


def _sound(report: Report) -> list[EvaluatorRecord]:
    return [record for record in report.evaluators if not record.error]


def _unlike(name: str, runs: Sequence[Method]) -> str:
    """Return why an evaluator's numbers differ in meaning between runs; empty if they do not."""
    found = [(one.label, record) for one in runs for record in _sound(one.report) if record.name == name]
    versions: dict[str, list[str]] = {}
    for label, record in found:
        versions.setdefault(plain(f"{record.version} of {record.distribution}"), []).append(label)
    if len(versions) > 1:
        listed = "; ".join(f"version {version} ({', '.join(labels)})" for version, labels in versions.items())
        return f"The evaluator {plain(name)} is left out because its versions measure differently: {listed}."
    units = {(m.name, m.unit, m.direction) for _, record in found for m in record.metrics}
    if len(units) > len({metric for metric, _, _ in units}):
        return f"The evaluator {plain(name)} is left out because a metric of it differs in unit or direction between the runs."
    return ""


def _known(runs: Sequence[Method], evaluators: Sequence[str]) -> dict[str, tuple[str, Metric]]:
    known: dict[str, tuple[str, Metric]] = {}
    for one in runs:
        for record in _sound(one.report):
            if record.name in evaluators:
                for metric in record.metrics:
                    known.setdefault(f"{record.name}.{metric.name}", (record.name, metric))
    return known


def _named(name: str, known: dict[str, tuple[str, Metric]]) -> tuple[str, Metric]:
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)[:5]
    raise UsageError(
        f"No metric {plain(name)!r} can be compared in these runs. Metrics are named evaluator.metric, "
        f"e.g. {plain(', '.join(near))}."
    )


def _value(report: Report, evaluator: str, metric: Metric) -> float | None:
    found = report.metric(evaluator, metric.name)
    return None if found is None else found.value
