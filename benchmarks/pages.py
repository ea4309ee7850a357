"""What the studies share: options, pages in ``docs`` with tables as CSV files, and the list of what the numbers depend on."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core import hardware
from harness.plugins.discovery import library_versions

DOCS = Path(__file__).parents[1] / "docs"
LIBRARIES = ("unlearning-harness", "torch", "numpy", "scipy")
NO_OTHERS = "no other evaluators, and no later versions of these"
Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """All numbers of a study, or of a part of it, for programs to read.

    Attributes:
        name: of the file, without its ending.
        head: column titles.
        rows: cells; None is written as an empty one, a float with six significant digits.
    """

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def cells(self) -> list[list[str]]:
        """Return all rows as text."""
        return [[_text(cell) for cell in row] for row in self.rows]

    def __str__(self) -> str:
        """Return the table for a terminal."""
        return markdown(self.head, self.cells())


def _text(cell: Cell) -> str:
    return "" if cell is None else f"{cell:.6g}" if isinstance(cell, float) else str(cell)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns, which reads well in a terminal too."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text) + "\n"


def write(docs: Path, name: str, text: str, tables: Iterable[Table] = (), picture: str = "") -> None:
    """Write ``<name>.md`` into ``docs``, its tables into the folder ``<name>`` beside it, and its picture, if there is one."""
    (docs / f"{name}.md").write_text(text)
    if picture:
        (docs / f"{name}.svg").write_text(picture)
    for table in tables:
        (docs / name).mkdir(exist_ok=True)
        with (docs / name / f"{table.name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([table.head, *table.cells()])


def listed(points: Iterable[str]) -> str:
    """Return the points as a Markdown list."""
    return "".join(f"- {point}\n" for point in points)


def made_with(command: str, evaluators: Iterable[tuple[str, str]], *more: str) -> str:
    """Return the section on what the numbers depend on; it has no date, so that the same study writes the same page.

    Args:
        command: after ``python -m benchmarks.``.
        evaluators: names and versions.
        more: further facts.
    """
    machine, versions = hardware.describe(), library_versions()
    made = ", ".join(f"{name} {version}" for name, version in evaluators)
    facts = (
        f"`python -m benchmarks.{command} --write`",
        f"{machine.cpu_model}, {machine.cores} cores",
        *more,
        ", ".join(f"{name} {versions[name]}" for name in LIBRARIES),
        *((f"evaluators {made}", NO_OTHERS) if made else ()),
    )
    return f"## Made with\n\n{listed(facts)}"


def parser(study: str, text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every study has.

    Args:
        study: name of its package in ``benchmarks``.
        text: docstring of its command.
    """
    found = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{study}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("--write", action="store_true", help="write the page with its tables and pictures")
    found.add_argument("--docs", type=Path, default=DOCS, help="where to (default: the docs folder)")
    return found
