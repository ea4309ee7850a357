"""Construction of a leaderboard from reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.comparing.comparability import does_nothing, shown
from harness.comparing.comparison import Method, TradeOff
from harness.comparing.labels import labels
from harness.comparing.loading import LoadedReport
from harness.comparing.trade_off import UTILITY, check_names, forgetting_metric, frontier, trade_off
from harness.evaluation import Metric
from harness.leaderboards.board import Board, Column, Ends, Leaderboard, Row
from harness.leaderboards.finding import Entry, Found
from harness.leaderboards.grouping import Group, group, shown_metrics
from harness.leaderboards.ranking import ends_of, ranks
from harness.leaderboards.rows import make_row
from harness.leaderboards.slugs import slugs
from harness.report.glossary import title_of
from harness.report.words import originals_text, plain

TITLE = "Unlearning leaderboard"
MAX_DRAWN = 24
NO_INTERVAL = "not ranked: {} has no interval"
NO_VALUE = "not ranked: {} has no place between no-op and control"
NO_MODEL = "not ranked: no model finished"


def rank_all(found: Found, *, ranked_by: str | None = None, utility: str = UTILITY, title: str = TITLE) -> Leaderboard:
    """Rank all runs, each among those that it is comparable with.

    Args:
        found: the reports.
        ranked_by: the metric by which runs are ranked, on its scale from no-op to control; None for
            ``forgetting.memory_left_worst``, or ``lira.auc`` if no report has that.
        utility: the metric on the x axis of the plots.
        title: the page's title.

    Raises:
        UsageError: no report has a metric that was requested by name.
    """
    reports = [entry.report for entry in found.entries]
    ranked_by = ranked_by or forgetting_metric(reports)
    check_names(reports, ranked_by, utility)
    named = [(entry.report.plugin.name, entry.digest) for entry in found.entries]
    slug_of = dict(zip((entry.digest for entry in found.entries), slugs(named), strict=True))
    groups = group(found.entries, (ranked_by, utility))
    boards = [_board(one, groups, slug_of, ranked_by, utility) for one in groups]
    boards.sort(key=lambda one: (one.task, -one.ranked, -len(one.rows), one.name))
    return Leaderboard(title, ranked_by, utility, tuple(boards), found.skipped)


def _board(one: Group, groups: Sequence[Group], slug_of: Mapping[str, str], ranked_by: str, utility: str) -> Board:
    entries = sorted(one.entries, key=lambda entry: (entry.report.plugin.name, entry.report.created, entry.digest))
    names = labels([LoadedReport(entry.report) for entry in entries], "methods")
    columns = _columns(entries, (ranked_by, utility))
    rows = [
        make_row(entry, name, slug_of[entry.digest], ranked_by, [column.name for column in columns])
        for entry, name in zip(entries, names, strict=True)
    ]
    rows = _ranked(rows, ranked_by)
    first = entries[0].report
    drawn = _drawn(rows, utility)
    return Board(
        name=one.name,
        task=first.task.name,
        description=first.task.description,
        data_digest=first.task.data_digest,
        models=first.populations.retrained.size,
        design=originals_text(first.design),
        shared={**one.facts, "data (digest)": first.task.data_digest, "metrics": dict(sorted(one.meanings.items()))},
        apart=tuple(_apart(one, groups)),
        columns=tuple(columns),
        rows=tuple(_ordered(rows)),
        trade_off=_trade_off(
            [Method(name, entry.report) for name, entry in zip(names, entries, strict=True)],
            drawn,
            ranked_by,
            utility,
        ),
        drawn=len(drawn),
    )


def _ordered(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, best first; a run that does nothing follows the methods that are not clearly better or worse."""
    ordered = sorted(rows, key=_order)
    made = [row for row in ordered if not does_nothing(row.report)]
    for idle in (row for row in ordered if does_nothing(row.report)):
        made.insert(1 + max((place for place, row in enumerate(made) if not _below(row, idle)), default=-1), idle)
    return made


def _below(row: Row, other: Row) -> bool:
    """Return True if a row has a lower value than another one, and not the same rank."""
    tied = row.rank is not None and other.rank is not None and row.rank.first == other.rank.first
    return not tied and _order(row)[:2] > _order(other)[:2]


def _order(row: Row) -> tuple[bool, float, str, str, str]:
    way = row.way.value
    return way is None, -(way or 0.0), row.label, row.report.created, row.digest


def _columns(entries: Sequence[Entry], always: Sequence[str]) -> list[Column]:
    """Return the ranking metric, then all others in the reports' order."""
    records: dict[str, list[Metric]] = {}
    names: dict[str, str] = {}
    for entry in entries:
        for evaluator, name, metric in shown_metrics(entry.report, always):
            records.setdefault(name, []).append(metric)
            names.setdefault(name, title_of(evaluator, metric))
    ordered = sorted(records, key=lambda name: name != always[0])
    return [_column(name, names[name], records[name]) for name in ordered]


def _column(name: str, shown_as: str, found: Sequence[Metric]) -> Column:
    first = found[0]
    control, noop = (_span([getattr(one, end) for one in found]) for end in ("control", "noop"))
    return Column(name, shown_as, plain(first.unit), first.direction, first.description, control, noop)


def _span(values: Sequence[float | None]) -> Ends | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else None


def _ranked(rows: Sequence[Row], ranked_by: str) -> list[Row]:
    places = ranks([None if row.unranked else ends_of(row.way) for row in rows])
    return [
        replace(row, rank=place, unranked="" if place else row.unranked or _why_not(row, ranked_by))
        for row, place in zip(rows, places, strict=True)
    ]


def _why_not(row: Row, ranked_by: str) -> str:
    if not row.report.finished_models:
        return NO_MODEL
    return (NO_VALUE if row.way.value is None else NO_INTERVAL).format(ranked_by)


def _apart(one: Group, groups: Sequence[Group]) -> Iterator[str]:
    """Yield the properties on which this group differs from others of its task."""
    others = [other for other in groups if other.facts["task"] == one.facts["task"]]
    for name, value in one.facts.items():
        values = [other.facts[name] for other in others]
        if any(other != value for other in values):
            yield f"{name}: {shown(value, values)}"
    alike = [other for other in others if other.facts == one.facts]
    for name, text in sorted(one.meanings.items()):
        if any(other.meanings.get(name, text) != text for other in alike):
            yield f"{name}: {text}"


def _drawn(rows: Sequence[Row], utility: str) -> set[str]:
    """Return the labels of the rows in the plots: those on a frontier, then the best, up to a readable number."""
    placed = [row for row in sorted(rows, key=_order) if row.way.value is not None]
    best: dict[str, None] = {}
    for number in (
        lambda row: _metric(row, utility),
        lambda row: None if row.seconds.value is None else -row.seconds.value,
    ):
        points = {row.label: (number(row), row.way.value) for row in placed if number(row) is not None}
        edge = frontier([(x, y) for x, y in points.values() if x is not None and y is not None])
        best.update(dict.fromkeys(name for name, point in points.items() if point in edge))
    best.update(dict.fromkeys(row.label for row in placed))
    return set(list(best)[:MAX_DRAWN])


def _metric(row: Row, name: str) -> float | None:
    return row.metrics[name].value if name in row.metrics else None


def _trade_off(runs: Sequence[Method], drawn: set[str], ranked_by: str, utility: str) -> TradeOff | None:
    chosen = [one for one in runs if one.label in drawn]
    known = {name for name in (ranked_by, utility) for one in chosen if one.report.named(name)}
    return trade_off(chosen, ranked_by, utility) if {ranked_by, utility} <= known and len(chosen) > 1 else None
