"""A comparison on the terminal; text from plugins is never interpreted as markup."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from harness.comparing import words
from harness.comparing.comparison import Cell, Comparison, Row
from harness.core import printing
from harness.report.words import WANTED, interval, number, plain

TONES = {"good": "bold green", "bad": "bold red", "other": "bold yellow"}
FIXED_WIDTH, METHOD_WIDTH = 42, 18  # columns of the terminal: of every table, and of each run


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print the comparison: title, as many tables as the width requires, meaning of the marks, notices."""
    target = console or printing.console()
    target.print(Text(words.title(comparison), "bold"))
    target.print(Text(words.measured(comparison)))
    target.print()
    _print_tables(target, comparison)
    target.print(Text(words.rule(comparison), "dim"))
    for text in words.unjudged(comparison):
        target.print(Text(text, "dim"))
    for text in comparison.notices:
        target.print(Text(plain(text), "yellow"))


def _print_tables(console: Console, comparison: Comparison) -> None:
    """Print the numbers, methods side by side; split into several tables if too wide, each with the baseline."""
    if not comparison.rows:
        console.print(Text("No metric has a value in any of these runs.", "yellow"))
    else:
        for chosen in _chunks(len(comparison.methods), max(2, (console.width - FIXED_WIDTH) // METHOD_WIDTH)):
            console.print(_table(comparison, chosen))
            console.print()


def _chunks(methods: int, width: int) -> Iterator[list[int]]:
    """Yield the method indices of each table; the baseline is in all of them."""
    rest = list(range(1, methods))
    for start in range(0, len(rest), width - 1):
        yield [0, *rest[start : start + width - 1]]


def _table(comparison: Comparison, chosen: Sequence[int]) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("Metric", overflow="fold", min_width=12)
    for index in chosen:
        table.add_column(_heading(comparison.methods[index].label), justify="right", no_wrap=True)
    table.add_column("Perfect\n(control)", justify="right", no_wrap=True)
    table.add_column("Nothing\ndone", justify="right", no_wrap=True)
    table.add_column("Wanted", justify="right", no_wrap=True)
    for row in comparison.rows:
        table.add_row(*_cells(comparison, row, chosen))
    return table


def _heading(label: str) -> Text:
    return Text("\n".join(textwrap.wrap(label, METHOD_WIDTH - 2)))


def _cells(comparison: Comparison, row: Row, chosen: Sequence[int]) -> Iterator[Text]:
    yield Text(words.heading(row))
    for index in chosen:
        yield _number(comparison, row.cells[index])
    for text in (*words.ends_of_scale(row), WANTED[row.metric.direction]):
        yield Text(text)


def _number(comparison: Comparison, cell: Cell) -> Text:
    metric = cell.metric
    if metric is None or metric.value is None:
        return Text("–", "dim")
    said = words.said(comparison, cell)
    before = (f"{said.word} {said.sign} ", TONES[said.tone]) if said else ""
    unit = "share" if metric.unit == "share" else ""
    ends = interval(metric.interval, unit)
    return Text.assemble(before, (number(metric.value, metric.unit), "bold"), (f"\n{ends}" if ends else "", "dim"))
