"""Construction of a comparison from reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from packaging.version import InvalidVersion, Version

from harness.comparing import choosing, comparability, differences
from harness.comparing.comparability import torch_of
from harness.comparing.comparison import FAMILY_ERROR, Cell, Comparison, Difference, Kind, Mark, Method, Row
from harness.comparing.labels import labels
from harness.comparing.loading import LoadedReport
from harness.comparing.trade_off import UTILITY, forgetting_metric, trade_off
from harness.errors import UsageError
from harness.evaluation import Metric
from harness.report.document import Report
from harness.report.words import plain

NO_INTERVAL = "no interval"
NO_VALUE = "no value"
TIME = "times and memory depend on other load on the machine"


def compare(
    reports: Sequence[LoadedReport],
    *,
    metrics: Sequence[str] = (),
    everything: bool = False,
    forgetting: str | None = None,
    utility: str = UTILITY,
) -> Comparison:
    """Compare methods; the first report is the baseline.

    Args:
        reports: two or more; of the others, runs that do nothing come last.
        metrics: names such as "lira.auc"; empty for the headline metrics.
        everything: all metrics.
        forgetting: the plotted metric of forgetting, on its scale from no-op to control; None for
            ``forgetting.memory_left_worst``, or ``lira.auc`` in reports without that.
        utility: the metric on the x axis of the plots.

    Raises:
        NotComparableError: the runs are not comparable; the message says why and what to do.
        UsageError: fewer than two reports, or a metric that none of them has.
    """
    runs = _labelled([reports[0], *sorted(reports[1:], key=_is_idle)] if reports else [], "methods")
    made = _compared(runs, "methods", metrics, everything)
    return replace(
        made, trade_off=trade_off(runs, forgetting or forgetting_metric([one.report for one in runs]), utility)
    )


def drift(reports: Sequence[LoadedReport], *, metrics: Sequence[str] = (), everything: bool = False) -> Comparison:
    """Compare one method under several versions of torch; the oldest is the baseline.

    Raises:
        NotComparableError: the methods differ, or something other than torch does; the message says why and what to do.
        UsageError: fewer than two reports, or a metric that none of them has.
    """
    ordered = sorted(reports, key=lambda one: _version(torch_of(one.report)))
    return _compared(_labelled(ordered, "drift"), "drift", metrics, everything)


def is_drift(reports: Sequence[LoadedReport]) -> bool:
    """Return True if all reports are of one method, each with a different version of torch."""
    methods = {(one.report.plugin.name, one.report.plugin.distribution, one.report.plugin.version) for one in reports}
    alike = all(one.report.plugin.options == reports[0].report.plugin.options for one in reports)
    return len(methods) == 1 and alike and len({torch_of(one.report) for one in reports}) == len(reports)


def by_task(reports: Sequence[LoadedReport]) -> dict[str, list[LoadedReport]]:
    """Return the reports by the name of their task, in the order in which they were given."""
    groups: dict[str, list[LoadedReport]] = {}
    for one in reports:
        groups.setdefault(one.report.task.name, []).append(one)
    return groups


def _is_idle(one: LoadedReport) -> bool:
    return comparability.does_nothing(one.report)


def _labelled(reports: Sequence[LoadedReport], kind: Kind) -> list[Method]:
    if len(reports) < 2:
        raise UsageError(
            f"A comparison needs two finished runs or more; {len(reports)} given (a run named twice counts once)."
        )
    return [Method(label, one.report, one.folder) for label, one in zip(labels(reports, kind), reports, strict=True)]


def _compared(runs: Sequence[Method], kind: Kind, metrics: Sequence[str], everything: bool) -> Comparison:
    comparability.check(runs, kind)
    evaluators, dropped = choosing.fit_evaluators(runs)
    rows = [_row(runs, kind, *pair) for pair in choosing.choose(runs, evaluators, metrics, everything)]
    rows, count = _corrected(rows)
    first = runs[0].report
    return Comparison(
        kind=kind,
        task=first.task,
        models=first.populations.retrained.size,
        methods=tuple(runs),
        rows=tuple(rows),
        comparisons=count,
        notices=(*comparability.notices(runs, kind), *dropped),
        trade_off=None,
    )


def _row(runs: Sequence[Method], kind: Kind, evaluator: str, metric: Metric) -> Row:
    first = runs[0].report
    found = [one.report.metric(evaluator, metric.name) for one in runs]
    cells = [Cell(found[0])]
    for run, record in zip(runs[1:], found[1:], strict=True):
        cells.append(_cell(first, run.report, found[0], record, kind, choosing.is_time(evaluator, metric)))
    return Row(evaluator, metric, tuple(cells))


def _cell(first: Report, other: Report, one: Metric | None, record: Metric | None, kind: Kind, time: bool) -> Cell:
    if record is None or one is None or record.value is None or one.value is None:
        return Cell(record, unjudged=NO_VALUE)
    if time:
        return Cell(record, unjudged=TIME)
    direction = "none" if kind == "drift" else record.direction
    tested = differences.difference(one, record, min(_models(first), _models(other)), direction)
    if tested is None:
        return Cell(record, unjudged=NO_INTERVAL)
    return Cell(record, Difference(tested.value, tested.low, tested.high, tested.p, _mark(tested.badness, direction)))


def _mark(badness: float, direction: differences.Direction) -> Mark:
    """Return the mark of a significant difference."""
    if direction == "none":
        return "differs"
    if direction == "closer_to_reference":
        return "closer" if badness < 0 else "farther"
    return "better" if badness < 0 else "worse"


def _corrected(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """Adjust p-values for multiple comparisons and drop marks that are not significant; return rows and number of tests."""
    judged = [cell.difference for row in rows for cell in row.cells if cell.difference is not None]
    adjusted = iter(differences.holm([one.p for one in judged]))

    def settled(cell: Cell) -> Cell:
        if cell.difference is None:
            return cell
        p = next(adjusted)
        mark: Mark = cell.difference.mark if p <= FAMILY_ERROR else ""
        return replace(cell, difference=replace(cell.difference, p=p, mark=mark))

    return [replace(row, cells=tuple(map(settled, row.cells))) for row in rows], len(judged)


def _models(report: Report) -> int:
    """Return an upper bound on the number of independent models of a run: one per original, unless all share one."""
    finished = [model.original for model in report.models if model.status.finished]
    independent = len(finished) if report.design.name == "one-original" else len(set(finished))
    return min(independent, report.populations.retrained.size)


def _version(text: str) -> tuple[int, Version, str]:
    """Return a sort key for versions; unparsable versions come first."""
    try:
        return 1, Version(text), text
    except InvalidVersion:
        return 0, Version("0"), plain(text)
