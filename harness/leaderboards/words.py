"""Wording of a leaderboard, shared by page, files and terminal."""

from __future__ import annotations

from collections import Counter

from harness.comparing.comparability import torch_of
from harness.evaluation import Interval
from harness.leaderboards.board import Board, Column, Leaderboard, Number, Row
from harness.report.document import Report
from harness.report.words import STATUS_WORDS, interval, plain, position_text

FIRST_DIRECTION = {"lower": "asc", "closer_to_reference": "asc"}


def page_of(row: Row) -> str:
    """Return the path of the run's page, relative to the site."""
    return f"runs/{row.slug}/report.html"


def report_of(row: Row) -> str:
    """Return the path of the run's report, relative to the site."""
    return f"runs/{row.slug}/report.json"


def rule(leaderboard: Leaderboard) -> str:
    """Return how runs are ranked."""
    return (
        f"Runs are ranked by {plain(leaderboard.ranked_by)} on a scale from 0 % (nothing done) to 100 % (perfect: the score "
        "of retrained models); overshooting counts like falling short by as much. A run's rank is one more than the number "
        "of runs with a 95 % interval wholly above its own, so indistinguishable runs share a rank. Below the rank are the best "
        "and the worst place that the intervals allow. Filters do not change ranks." + _marks(leaderboard)
    )


def _marks(leaderboard: Leaderboard) -> str:
    """Return the meaning of the marks at ranks that occur."""
    rows, text = leaderboard.rows, ""
    if any(row.report.budget.dependable is False for row in rows):
        text += " ‡: the run's times are not dependable, because the machine was busy."
    if any(noop(row) for row in rows):
        text += " §: failed models count as their originals, also for the rank; without it they do not count."
    return text


def noop(row: Row) -> bool:
    """Return True if failed models of the run count as their originals."""
    made = row.report.populations
    return made.failed_as == "noop" and made.failed_models > 0


def counted(leaderboard: Leaderboard) -> str:
    """Return the numbers of runs, methods and tasks, e.g. "14 runs of 6 methods on 1 task"."""
    rows = leaderboard.rows
    methods = {(row.report.plugin.name, row.report.plugin.distribution) for row in rows}
    tasks = {board.task for board in leaderboard.boards}
    return f"{_many(len(rows), 'run')} of {_many(len(methods), 'method')} on {_many(len(tasks), 'task')}"


def failure_counts(report: Report) -> Counter[str]:
    """Return the number of failed models by cause, in words."""
    return Counter(STATUS_WORDS[one.status] for one in report.models if not one.status.finished)


def failures(report: Report) -> str:
    """Return the failures, e.g. "2 over the time limit, 1 out of memory"; empty if all models finished."""
    return ", ".join(f"{count} {cause}" for cause, count in failure_counts(report).most_common())


def torch_release(row: Row) -> str:
    """Return the version of torch without the build, e.g. "2.13.0" of "2.13.0+cpu"."""
    return torch_of(row.report).partition("+")[0]


def way_ends(found: Number) -> str:
    """Return the ends of a way's interval, e.g. "7 to 12 %"; empty if there are none."""
    if found.low is None or found.high is None:
        return ""
    return f"{position_text(found.low).removesuffix(' %')} to {position_text(found.high)}"


def ends(found: Number, unit: str) -> str:
    """Return the ends of an interval without the unit; empty if there are none."""
    if found.low is None or found.high is None:
        return ""
    return interval(Interval(found.low, found.high), "share" if unit == "share" else "").removesuffix(" %")


def divided(board: Board, utility: str) -> tuple[list[Column], list[Column]]:
    """Return the metric of utility, which the table always shows, and the others, which it shows on demand."""
    first = [column for column in board.columns if column.name == utility]
    return first, [column for column in board.columns if column.name != utility]


def first_direction(column: Column) -> str:
    """Return the initial sort direction of a column: better first, if that is defined."""
    return FIRST_DIRECTION.get(column.direction, "desc")


def heading(board: Board) -> str:
    """Return a board's heading."""
    return f"{plain(board.task)} · {board.models} models per population"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
