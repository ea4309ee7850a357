"""How a leaderboard is worded, alike on the page, in its files and on the terminal."""

from __future__ import annotations

from harness.leaderboard.board import Board, Column, Ends, Leaderboard, Number, Row
from harness.report.words import NOTHING, VERDICT_WORDS, number, plain, way

FIRST_DIRECTION = {"lower": "asc", "closer_to_reference": "asc"}


def page_of(row: Row) -> str:
    """Where the run's page lies, from the site on."""
    return f"runs/{row.slug}/report.html"


def report_of(row: Row) -> str:
    """Where the run's report lies, from the site on."""
    return f"runs/{row.slug}/report.json"


def rule(leaderboard: Leaderboard) -> str:
    """How runs are ranked."""
    return (
        f"Runs are ranked by how far {plain(leaderboard.ranked_by)} went from nothing done (0 %) to perfect (100 %, what "
        "retrained models score); what overshoots counts as far from perfect as what falls short by as much. A run's rank is "
        "one more than the number of runs whose 95 % interval lies wholly above its own, so runs that cannot be told apart share "
        "a rank. Below it stand the best and the worst place that the intervals allow. Ranks are among all runs of a table, "
        "whatever is filtered." + _marks(leaderboard)
    )


def _marks(leaderboard: Leaderboard) -> str:
    """Return what marks at ranks mean, as far as there are any."""
    rows, text = leaderboard.rows, ""
    if any(row.dependable is False for row in rows):
        text += " A rank marked ‡ rests on times that are not dependable: the machine was busy."
    if any(noop(row) for row in rows):
        text += " Failed models marked § count as their originals, in the rank too; elsewhere they count nowhere."
    return text


def noop(row: Row) -> bool:
    """Return True if failed models of the run count as their originals."""
    return row.failed_as == "noop" and row.finished < row.models


def counted(leaderboard: Leaderboard) -> str:
    """E.g. "14 runs of 6 methods on 1 task"."""
    rows = leaderboard.rows
    methods = {(row.plugin, row.distribution) for row in rows}
    tasks = {board.task for board in leaderboard.boards}
    return f"{_many(len(rows), 'run')} of {_many(len(methods), 'method')} on {_many(len(tasks), 'task')}"


def failures(row: Row) -> str:
    """E.g. "2 over the time limit, 1 out of memory"; empty where all models finished."""
    return ", ".join(f"{count} {cause}" for cause, count in row.failures)


def verdict(row: Row) -> str:
    """The verdict in a word or two."""
    return next((text for level, text in VERDICT_WORDS.items() if level == row.verdict), row.verdict)


def way_ends(found: Number) -> str:
    """The ends of a way's interval, e.g. "7 to 12 %"; empty where there are none."""
    if found.low is None or found.high is None:
        return ""
    return f"{way(found.low).removesuffix(' %')} to {way(found.high)}"


def ends(found: Number, unit: str) -> str:
    """The ends of an interval without the unit; empty where there are none."""
    if found.low is None or found.high is None:
        return ""
    low, high = number(found.low, unit), number(found.high, unit)
    mark = " %" if unit == "share" else f" {unit}"
    return f"{low.removesuffix(mark)} to {high.removesuffix(mark)}"


def spanned(found: Ends | None, unit: str) -> str:
    """One number, or the lowest and the highest where they differ."""
    if found is None:
        return NOTHING
    low, high = number(found[0], unit), number(found[1], unit)
    return low if low == high else f"{low} to {high}"


def first_direction(column: Column) -> str:
    """Which way a column is sorted first: so that what is better comes first, where that can be said."""
    return FIRST_DIRECTION.get(column.direction, "desc")


def heading(board: Board) -> str:
    """What a board is called."""
    return f"{plain(board.task)} · {board.models} models per population"


def options(row: Row) -> str:
    """The plugin's options, e.g. "epochs=1, lr=0.1"."""
    return plain(", ".join(f"{name}={value}" for name, value in row.options.items()))


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
