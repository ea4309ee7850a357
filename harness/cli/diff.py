"""``harness diff``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

    from harness.comparing.run_diff import Change, RunDiff


@click.command("diff", short_help="Show what differs between two runs, in inputs and outcome.")
@click.argument("first", metavar="RUN", type=click.Path(path_type=Path))
@click.argument("second", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
def diff_command(first: Path, second: Path, as_json: bool) -> None:
    """Show what differs between two runs: method, task, options, software, machine, and what came of it.

    RUN is the folder of a run, finished or not. Unlike in `harness compare`, the runs may differ in everything. If they are
    comparable, it is shown which metrics differ significantly, else why they are not.
    """
    from harness.comparing.run_diff import diff, json_text

    made = diff(first, second)
    if as_json:
        click.echo(json_text(made), nl=False)
    else:
        _print(made)


def _print(made: RunDiff) -> None:
    from rich.text import Text

    from harness.core.printing import console
    from harness.report.words import plain
    from harness.runs.run_words import outcome

    target = console()
    for mark, one in zip("AB", made.runs, strict=True):
        target.print(
            Text(plain(f"{mark}  {one.folder}: {one.plugin} on {one.task}, {outcome(one)[0]}")), soft_wrap=True
        )
    for title, changes in (("Inputs", made.inputs), ("Outcome", made.outcome)):
        target.print()
        target.print(_table(title, changes) if changes else Text(f"{title}: no difference."))
    if made.same:
        target.print(Text(f"\nThe same: {', '.join(made.same)}.", "dim"))
    for text in made.notices:
        target.print(Text(plain(text), "yellow"))


def _table(title: str, changes: Sequence[Change]) -> RenderableType:
    from rich.table import Column, Table
    from rich.text import Text

    columns = (Column(title, ratio=3), Column("A", ratio=4), Column("B", ratio=4))
    table = Table(*columns, box=None, pad_edge=False, expand=True)
    for column in table.columns:
        column.overflow = "fold"
    section = ""
    for one in changes:
        if one.section not in (section, "outcome"):
            section = one.section
            table.add_row(Text(section, "dim"))
        second = _value(one.second) + (f", {one.remark}" if one.remark else "")
        table.add_row(Text(f"  {_value(one.name)}"), Text(_value(one.first)), Text(second))
    return table


def _value(value: object) -> str:
    from harness.report.words import NOTHING, plain

    if value is None or value == "":
        return NOTHING
    if isinstance(value, (list, dict)):
        import json

        return plain(json.dumps(value))
    return f"{value:.6g}" if isinstance(value, float) else plain(str(value))


COMMANDS = (diff_command,)
