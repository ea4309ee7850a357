from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from harness.comparing import Comparison, compare, drift, print_comparison
from harness.comparing.csv_file import COLUMNS, csv_text
from harness.comparing.json_file import json_text
from harness.comparing.latex import escape, latex_text
from harness.comparing.page import page_text
from tests.markup import Tags
from tests.unit.comparing.samples import HOSTILE, hostile, loaded, metric, report, under_torch
from tests.unit.report.examples import evaluator

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,textcomp}
\begin{document}
%s
\end{document}
"""


def three() -> Comparison:
    return compare([loaded("finetune", 0.8), loaded("scrub", 0.6), loaded("noop", 0.9)])


def test_what_does_nothing_stands_last_unless_it_is_the_baseline() -> None:
    given = [loaded("finetune", 0.8), loaded("noop", 0.9), loaded("scrub", 0.6)]

    assert [one.label for one in compare(given).methods] == ["finetune", "scrub", "noop"]
    assert [one.label for one in compare(given[1:]).methods] == ["noop", "scrub"]


def on_terminal(made: Comparison, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_comparison(made, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_the_table_shows_values_intervals_both_ends_and_marks() -> None:
    text = on_terminal(three())

    line = next(line for line in text.splitlines() if line.startswith("lira auc"))
    assert line.split() == [
        "lira",
        "auc",
        "0.800",
        "better",
        "▲",
        "0.600",
        "worse",
        "▼",
        "0.900",
        "0.500",
        "0.900",
        "lower",
    ]
    assert "0.780 to 0.820" in text
    assert "corrected after Holm" in " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 200])
def test_every_method_stands_in_a_table_whatever_the_width(width: int) -> None:
    made = compare([loaded(f"method{index}") for index in range(7)])

    text = on_terminal(made, width)

    assert all(f"method{index}" in text for index in range(7))
    assert max(map(len, text.splitlines())) <= width


def test_drift_is_worded_as_movement_against_the_oldest() -> None:
    text = on_terminal(drift([under_torch("2.13.0", 0.6), under_torch("2.4.1", 0.8)]))

    assert "fell ▼ 0.600" in text
    assert "finetune 0.1.0 on faces: 2 versions of torch" in text


def test_hostile_names_are_shown_as_text_on_the_terminal() -> None:
    text = on_terminal(compare(hostile()), 200)

    assert "\x1b" not in text
    assert "[bold red]" in text


def test_markup_in_names_of_metrics_plugins_and_tasks_is_text() -> None:
    odd = (evaluator("[b]e", metric(0.6, name="[i]m")),)
    task = report().task.model_copy(update={"name": "[u]t"})
    runs = [loaded(name, evaluators=odd, task=task) for name in ("[red]p", "[/red]q")]

    text = on_terminal(compare(runs))

    assert all(name in text for name in ("[b]e [i]m", "[red]p", "[/red]q", "on [u]t"))


def test_hostile_names_are_escaped_on_the_page() -> None:
    page = page_text(compare(hostile(), everything=True))

    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 10
    assert "\x1b" not in page


def test_the_page_runs_nothing_and_fetches_nothing() -> None:
    page = page_text(compare(hostile(), everything=True))
    tags = Tags(page)

    assert {tag for tag, _ in tags.seen} & {"script", "link", "img", "iframe", "object", "embed"} == set()
    assert all(str(attributes["href"]).startswith("#") for _, attributes in tags.seen if "href" in attributes)
    assert [name for _, attributes in tags.seen for name in attributes if name == "src" or name.startswith("on")] == []
    assert "default-src 'none'" in page
    assert "url(" not in page


def test_the_page_is_closed_in_order_and_its_ids_are_unlike() -> None:
    tags = Tags(page_text(three()))
    ids = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]

    assert tags.open == []
    assert len(ids) == len(set(ids)) > 0


def test_the_page_is_the_same_each_time() -> None:
    assert page_text(three()) == page_text(three())


def test_marks_on_the_page_are_words_and_signs_not_colour_alone() -> None:
    page = page_text(three())

    assert 'title="better than finetune">▲ better<' in page
    assert 'title="worse than finetune">▼ worse<' in page


def test_a_page_of_drift_has_no_plot_of_forgetting_against_utility() -> None:
    page = page_text(drift([under_torch("2.13.0", 0.6), under_torch("2.4.1", 0.8)]))

    assert "What forgetting costs" not in page
    assert "fell against torch 2.4.1" in page


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_line_per_metric_and_method_with_numbers_in_full() -> None:
    lines = table(csv_text(three()))

    assert list(lines[0]) == ["task", *COLUMNS]
    assert [line["method"] for line in lines if line["metric"] == "lira.auc"] == ["finetune", "scrub", "noop"]
    scrub = next(line for line in lines if line["method"] == "scrub")
    assert (scrub["value"], scrub["mark"], scrub["models"]) == ("0.6", "better", "8")
    assert float(scrub["difference"]) == pytest.approx(-0.2)
    assert float(scrub["difference_high"]) < 0


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " ="])
def test_no_field_of_the_csv_is_a_formula_and_negative_numbers_stay_numbers(start: str) -> None:
    made = compare([loaded(f"{start}1+1", 0.8), loaded("scrub", 0.6)])

    fields = [field for line in table(csv_text(made)) for name, field in line.items() if not is_number(field)]

    assert [field for field in fields if field.lstrip().startswith(("=", "+", "-", "@"))] == []
    assert any(field.startswith("'") for field in fields)
    assert any(line["difference"].startswith("-0.2") for line in table(csv_text(made)))


def is_number(text: str) -> bool:
    return re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", text) is not None


def test_json_says_all_of_it() -> None:
    document = json.loads(json_text(compare(hostile(), everything=True)))

    assert document["methods"][0]["plugin"] == HOSTILE
    row = next(one for one in document["metrics"] if one["metric"] == "lira.auc")
    assert row["runs"][1]["difference"]["mark"] == "worse"
    assert row["runs"][0]["interval"]["low"] == pytest.approx(0.58)
    assert document["trade_off"]["forgetting"] == "lira.auc"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b%&#\\{", r"a\_b\%\&\#\textbackslash{}\{"),
        ("$x^2$~", r"\$x\textasciicircum{}2\$\textasciitilde{}"),
        ("[1]*", "{[}1{]}{*}"),
        ("a--b", "a{-}{-}b"),
        ("é", "(U+00E9)"),
        ("\\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
    ],
)
def test_latex_reads_no_character_of_a_name_as_more_than_itself(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_the_latex_table_has_as_many_columns_in_each_line() -> None:
    text = latex_text(compare(hostile()))
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if line.endswith((r"\\", "[-2pt]"))]

    assert len(lines) == 8  # two of heads, two for each method, control, no-op
    assert {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(compare(hostile()).rows)}


def test_the_caption_names_task_number_of_models_and_what_a_mark_means() -> None:
    text = latex_text(three())

    assert "on the task faces, $N=8$ models per population" in text
    assert "than finetune by more than both intervals explain (4 comparisons, Holm" in text
    assert r"0.600\rlap{$^{+}$}" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
@pytest.mark.parametrize("kind", ["plain", "hostile", "drift"])
def test_latex_sets_the_table_without_complaint(kind: str, tmp_path: Path) -> None:
    made = {
        "plain": three,
        "hostile": lambda: compare(hostile(), everything=True),
        "drift": lambda: drift([under_torch("2.13.0", 0.6), under_torch("2.4.1", 0.8)]),
    }[kind]()
    (tmp_path / "table.tex").write_text(DOCUMENT % latex_text(made))

    command = ["pdflatex", "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "table.tex"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)

    assert ended.returncode == 0, ended.stdout[-2000:]
    assert (tmp_path / "table.pdf").exists()
    assert "LaTeX Warning: Command" not in ended.stdout
