"""What the studies write: Markdown tables, and all numbers as CSV beside the page."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks import pages
from benchmarks.pages import Table


def test_a_page_has_its_tables_in_a_folder_of_its_name(tmp_path: Path) -> None:
    table = Table("numbers", ["name", "share"], [["a, b", 1 / 3], ["c", None]])
    pages.write(tmp_path, "study", "# Study\n", [table], "<svg/>")

    with (tmp_path / "study" / "numbers.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "share"], ["a, b", "0.333333"], ["c", ""]]
    assert (tmp_path / "study.md").read_text() == "# Study\n"
    assert (tmp_path / "study.svg").read_text() == "<svg/>"


def test_a_table_on_a_page_has_aligned_columns() -> None:
    assert str(Table("numbers", ["name", "N"], [["a", 16]])) == "| name | N  |\n|------|----|\n| a    | 16 |\n"


def test_a_page_says_what_its_numbers_depend_on() -> None:
    text = pages.made_with("study --models 4", [("lira", "2")], "a pool of models")

    assert "- `python -m benchmarks.study --models 4 --write`\n" in text
    assert "- a pool of models\n" in text
    assert "- evaluators lira 2\n" in text
