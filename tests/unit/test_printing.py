"""Tables in a narrow terminal lose no value."""

from __future__ import annotations

import io
import itertools

import pytest
from click.testing import CliRunner
from rich.console import Console

from harness.cli.root import cli
from harness.comparing.building import compare
from harness.comparing.table import print_comparison
from harness.core import printing
from harness.report.summary import render_summary
from tests.unit.comparing.samples import loaded
from tests.unit.report.samples import full_report


@pytest.mark.parametrize("columns", ["20", "40", "79", "80", "200"])
def test_no_column_of_a_listing_is_lost(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = CliRunner().invoke(cli, ["plugins"]).output
    words = "".join(shown.split())

    assert "gradient_ascent" in words
    assert "unlearning-harness" in words
    assert "harness_unlearners.cf_k" in words


def test_tasks_fit_80_columns_in_a_few_lines_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(cli, ["tasks"]).output.splitlines()
    begun = [index for index, line in enumerate(lines) if line[:1].strip()] + [len(lines)]

    assert max(len(line.rstrip()) for line in lines) <= 80
    assert max(end - begin for begin, end in itertools.pairwise(begun)) <= 3
    assert "unlearning-harness" not in "".join(lines)


@pytest.mark.parametrize("columns", ["20", "60", "80"])
def test_no_number_of_a_summary_is_lost(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    narrow, wide = printing.console(), Console(file=io.StringIO(), width=200)
    with narrow.capture() as captured:
        narrow.print(render_summary(full_report(), None))
    wide.print(render_summary(full_report(), None))
    whole = wide.file.getvalue()  # type: ignore[attr-defined]

    numbers = [word for word in whole.split() if any(char.isdigit() for char in word)]
    assert [number for number in numbers if number not in captured.get()] == []


def test_twenty_runs_side_by_side_are_all_shown_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    comparison = compare([loaded(f"method{number:02}", auc=0.5 + number / 100) for number in range(20)])
    target = printing.console()
    with target.capture() as captured:
        print_comparison(comparison, target)

    assert [number for number in range(20) if f"method{number:02}" not in captured.get()] == []
    assert "…" not in captured.get()
