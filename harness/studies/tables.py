"""A study's runs as CSV, one line for each, with a column for each option; and its results on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.comparing.csv_table import Columns, Field, csv_of
from harness.core.files import atomic_write_text
from harness.report.document import Report
from harness.report.words import NOTHING, VERDICT_WORDS, duration, number, plain, position_text
from harness.studies.definition import Cell, short_name
from harness.studies.results import Board, Setting, Standing, StudyResults
from harness.studies.running import CELLS, Ended, Failed
from harness.studies.scores import Score, score_of

CSV, PAGE = "study.csv", "study.html"
OPTION = "options."
"""Prefix of a column of the plugin's options, as in the tables of :func:`harness.to_pandas`."""
STANDING_HEADINGS = ("Rank", "Method", "Chosen setting", "Settings tried", "Forgotten", "Utility", "A model", "")

Line = tuple[Board, Setting, Cell, Ended | None]


def csv_text(results: StudyResults) -> str:
    """Return a line for each run, with a header line."""
    options = dict.fromkeys(name for cell in results.study.cells for name in cell.config.options)
    columns: Columns[Line] = {**_COLUMNS, **{f"{OPTION}{name}": partial(_option, name) for name in options}, **_LAST}
    return csv_of(_lines(results), columns)


def write_csv(results: StudyResults) -> Path:
    """Write ``study.csv`` into the study's folder."""
    path = results.folder / CSV
    atomic_write_text(path, csv_text(results))
    return path


def standing_rows(board: Board) -> list[tuple[str, ...]]:
    """Return a row for each method, in the order of :data:`STANDING_HEADINGS`."""
    return [
        (
            rank_text(one),
            one.method,
            NOTHING if one.chosen is None else options_text(one.chosen),
            str(one.tried),
            forgotten_text(one.score),
            utility_text(board, one.score),
            duration(one.score.seconds),
            one.why,
        )
        for one in board.standings
    ]


def render_results(results: StudyResults) -> RenderableType:
    """Return the terminal's tables, one for each task and budget."""
    parts: list[RenderableType] = []
    for board in results.boards:
        parts.append(Text(plain(board_title(board)), "bold"))
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
        rows = standing_rows(board)
        shown = [place for place in range(len(STANDING_HEADINGS)) if any(row[place] for row in rows)]
        for place in shown:
            table.add_column(STANDING_HEADINGS[place], overflow="fold")
        for row in rows:
            table.add_row(*(plain(row[place]) for place in shown))
        parts += [table, Text(plain(reading(board)), "dim"), ""]
    parts += [Text(plain(f"Run {cell.number} could not be made: {one.message}")) for cell, one in results.failed]
    if results.waiting:
        parts.append(Text(f"{results.waiting} of {len(results.runs)} runs have not ended."))
    parts.append(Text(f"Page: {results.folder / PAGE}", no_wrap=True, overflow="ignore"))
    return Group(*parts)


def board_title(board: Board) -> str:
    """Return task and budget in words."""
    return board.task if board.budget is None else f"{board.task}, budget {100 * board.budget:g} % of retraining"


def reading(board: Board) -> str:
    """Return how to read the table of methods."""
    text = f"Forgotten: by {board.forgetting}, 100 % as retrained models. Utility: {board.utility}. Means over seeds."
    if not board.halved:
        return text
    return (
        f"{text} Settings were chosen by one half of the models of all populations; the numbers are of the other half."
    )


def options_text(setting: Setting) -> str:
    """Return a setting's options."""
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in setting.options) or "default"


def rank_text(standing: Standing) -> str:
    """Return the rank, as a range if intervals overlap."""
    rank = standing.rank
    if rank is None:
        return NOTHING
    return str(rank.first) if rank.first == rank.last else f"{rank.first}–{rank.last}"


def forgotten_text(score: Score) -> str:
    """Return what was forgotten, with its interval."""
    ends = score.ends
    shown = "" if ends is None else f" ({round(100 * ends[0])} to {round(100 * ends[1])})"
    return f"{position_text(score.forgotten)}{shown}"


def utility_text(board: Board, score: Score) -> str:
    """Return the utility and that of retrained models."""
    unit = board.trade_off.utility_unit if board.trade_off else "share"
    if score.utility is None:
        return NOTHING
    control = score.utility_control
    return number(score.utility, unit) + ("" if control is None else f" (retrained {number(control, unit)})")


def outcome_text(result: Ended | None) -> str:
    """Return how a run ended."""
    if result is None:
        return "not ended"
    if isinstance(result, Failed):
        return "could not be made"
    return VERDICT_WORDS[result.verdict.level]


def _lines(results: StudyResults) -> Iterator[Line]:
    found = [(board, setting, *run) for board in results.boards for setting in board.settings for run in setting.runs]
    yield from sorted(found, key=lambda line: line[2].number)


def _option(name: str, line: Line) -> Field:
    value = line[2].config.options.get(name)
    return value if value is None or isinstance(value, (str, int, float)) else json.dumps(value)


def _of_report(name: str, line: Line) -> Field:
    result = line[3]
    if not isinstance(result, Report):
        return None
    fields: dict[str, Field] = {
        "verdict": result.verdict.level,
        "models": len(result.models),
        "finished_models": result.finished_models,
        "run_id": result.run_id,
        "plugin_version": result.plugin.version,
    }
    return fields[name]


def _of_score(name: str, line: Line) -> Field:
    board, result = line[0], line[3]
    if not isinstance(result, Report) or result.status == "failed":
        return None
    value: Field = vars(score_of(result, board.forgetting, board.utility))[name]
    return value


def _status(line: Line) -> Field:
    result = line[3]
    if isinstance(result, Report):
        return result.status
    return "not ended" if result is None else "not made"


def _chosen(line: Line) -> Field:
    return any(one.chosen is line[1] for one in line[0].standings)


def _half(half: int, line: Line) -> Field:
    """Return what the setting, over all seeds, has forgotten by one half of the models."""
    halves = line[1].halves
    return None if halves is None else halves[half].forgotten


_COLUMNS: Columns[Line] = {
    "run": lambda line: line[2].number,
    "method": lambda line: short_name(line[2].config.plugin),
    "plugin_version": partial(_of_report, "plugin_version"),
    "task": lambda line: line[0].task,
    "budget": lambda line: line[2].config.budget_fraction,
    "seed": lambda line: line[2].config.seed,
    "settings_tried": lambda line: line[2].config.settings_tried,
}
_LAST: Columns[Line] = {
    "status": _status,
    "verdict": partial(_of_report, "verdict"),
    "models": partial(_of_report, "models"),
    "finished_models": partial(_of_report, "finished_models"),
    **{name: partial(_of_score, name) for name in Score.__dataclass_fields__},
    "chosen": _chosen,
    "forgotten_to_choose": partial(_half, 0),
    "forgotten_reported": partial(_half, 1),
    "error": lambda line: line[3].message if isinstance(line[3], Failed) else None,
    "run_id": partial(_of_report, "run_id"),
    "folder": lambda line: f"{CELLS}/{line[2].name}",
}
