from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from harness.errors import OutputUnwritableError
from harness.report.figures import figures
from harness.report.page import render_page, write_page
from harness.report.plots import Axis, Bar, Series, bars, histogram, ticks
from tests.unit.report.examples import PLUGIN, auc_metric, build_report, evaluator, outcome, plugin_error, timeout

HOSTILE = "<script>alert(1)</script>"
ARRAYS = {
    "shift_unlearned": np.linspace(-1, 1, 40),
    "shift_control": np.linspace(-1, 0, 40),
    "roc_fpr": np.array([0.001, 0.01, 0.1, 1.0]),
    "roc_tpr_unlearned": np.array([0.0, 0.03, 0.2, 1.0]),
    "roc_tpr_control": np.array([0.001, 0.01, 0.1, 1.0]),
    "roc_tpr_noop": np.array([0.1, 0.2, 0.6, 1.0]),
}


class Tags(HTMLParser):
    """Collects the start tags of a page, and checks that they are closed in order."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def shares(svg: str) -> np.ndarray:
    """Heights of a histogram's bins, read from its first line; all of them sum to 1 whatever the scale of the plot."""
    points = [point.split(",") for point in re.findall('points="([^"]*)"', svg)[0].split()]
    heights = float(points[0][1]) - np.array([float(y) for _, y in points[1:-1:2]])
    return np.asarray(heights / heights.sum())


def hostile_page() -> str:
    return render_page(
        build_report(
            plugin_facts=replace(PLUGIN, name=HOSTILE, location=HOSTILE, dependencies={HOSTILE: HOSTILE}),
            outcomes=[outcome(0), plugin_error(1, HOSTILE, log=HOSTILE)],
            evaluators=(evaluator("lira", auc_metric(description=HOSTILE), **{f"{HOSTILE}_unlearned": np.ones(3)}),),
            warnings=(HOSTILE,),
        )
    )


def test_hostile_text_is_escaped_wherever_it_stands() -> None:
    page = hostile_page()

    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 10


def test_no_element_can_run_code_or_fetch_anything() -> None:
    tags = Tags(hostile_page()).seen

    assert {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed"} == set()
    assert [
        name for _, attributes in tags for name in attributes if name in {"src", "href"} or name.startswith("on")
    ] == []


def test_all_elements_are_closed_in_order() -> None:
    assert Tags(hostile_page()).open == []


def test_terminal_codes_and_direction_changes_become_visible() -> None:
    page = render_page(build_report(outcomes=[plugin_error(0, log="\x1b[31mred\u202e")], evaluators=()))

    assert "\\x1b[31mred\\u202e" in page
    assert "\x1b" not in page


def test_each_metric_has_its_control_and_its_no_op_beside_it() -> None:
    page = re.sub(r"<[^>]+>", " ", render_page(build_report()))
    table = page[page.index("Main results") :]
    row = table[table.index("lira auc") : table.index("accuracy test")].split()

    assert "Perfect (control)" in table
    assert "Nothing done (no-op)" in table
    for text in ("0.580", "0.500", "0.710", "0.030"):
        assert text in row


def test_the_way_to_perfect_stands_beside_its_interval() -> None:
    lira = evaluator("lira", auc_metric(position=0.619), position_interval_auc=np.array([0.47, 0.76]))
    page = re.sub(r"<[^>]+>", " ", render_page(build_report(evaluators=(lira,))))

    assert "Way to perfect" in page
    assert "62 % 47 to 76 %" in " ".join(page.split())


def test_figures_follow_from_the_arrays_names() -> None:
    made = figures(build_report(evaluators=(evaluator("lira", auc_metric(), **ARRAYS),)))

    assert [figure.title for figure in made] == [
        "Change of confidence per forgotten example",
        "ROC of the attack (lira)",
        "Time per model",
    ]
    assert made[0].kinds == ("control", "unlearned")
    assert made[1].kinds == ("control", "noop", "unlearned")


def test_arrays_of_other_names_make_no_figure() -> None:
    arrays = {"something": np.ones(3), "matrix_unlearned": np.ones((2, 2)), "accuracy_per_class_control": np.ones(10)}
    record = evaluator("mine", **arrays, roc_tpr_control=np.ones(2))

    assert [figure.title for figure in figures(build_report(evaluators=(record,)))] == ["Time per model"]


def test_intervals_of_positions_and_p_values_make_no_figure() -> None:
    arrays = {"position_interval_auc": np.ones(2), "p_unlearned": np.ones(9), "p_control": np.ones(9)}

    assert len(figures(build_report(evaluators=(evaluator("mine", **arrays),)))) == 1


def test_an_array_without_words_is_named_after_itself() -> None:
    made = figures(build_report(evaluators=(evaluator("mine", some_thing_unlearned=np.arange(9.0)),)))

    assert made[0].title == "mine: some thing"
    assert ">some thing</text>" in made[0].svg


def test_a_far_value_does_not_squeeze_the_others_and_is_told() -> None:
    values = np.append(np.linspace(0, 3, 40), 50.0)
    made = figures(build_report(evaluators=(evaluator("mine", x_unlearned=values),)))[0]

    assert "reach to 50." in made.caption
    assert ">50</text>" not in made.svg
    assert shares(made.svg).sum() == pytest.approx(1)


def test_values_on_a_lattice_make_no_comb() -> None:
    svg = histogram([Series("control", np.repeat(np.arange(33) / 32, 5))], "x", "y")

    assert (shares(svg)[:-1] > 0).all()
    assert np.ptp(shares(svg)[:-1]) < 0.002


def test_a_run_that_never_charged_time_has_no_time_plot() -> None:
    assert figures(build_report(outcomes=[replace(timeout(0), charged_s=None)], evaluators=())) == []


def test_a_failed_model_is_marked_in_the_time_plot() -> None:
    svg = bars([Bar(0, 0.5, True, "a"), Bar(1, 1.0, False, "b")], 1.0, "times")

    assert re.findall('<rect class="([^"]*)"', svg) == ["bar unlearned", "bar bad"]


def test_a_histogram_shows_shares_and_copes_with_equal_values() -> None:
    svg = histogram([Series("control", np.zeros(5))], "x", "y")
    points = re.findall('points="([^"]*)"', svg)[0].split()

    assert len({point.split(",")[1] for point in points}) == 2


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis("", 0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis("", -3, 7), [-2, 0, 2, 4, 6]),
        (Axis("", 0.001, 1, log=True), [0.001, 0.01, 0.1, 1]),
    ],
)
def test_ticks_are_round_numbers_in_range(axis: Axis, expected: list[float]) -> None:
    assert ticks(axis) == pytest.approx(expected)


def test_the_page_is_written_whole_beside_the_report(tmp_path: Path) -> None:
    path = write_page(build_report(), tmp_path)

    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_not_there_is_unwritable(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritableError):
        write_page(build_report(), tmp_path / "missing")
