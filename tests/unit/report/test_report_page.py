from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest

from harness.errors import OutputUnwritableError
from harness.report.document import ExamplesRecord, Report
from harness.report.page import render_page, write_page
from harness.report.words import gathered
from tests.markup import Tags
from tests.unit.report.examples import auc_metric, build_report, evaluator, outcome, plugin_error, timeout
from tests.unit.report.samples import example, full_report, hostile_report


def test_hostile_text_is_escaped_wherever_it_stands() -> None:
    page = render_page(hostile_report())

    assert page.count("<script") == page.count("</script>") == 1
    assert page.count("&lt;script&gt;") >= 40
    assert "<style>*" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_no_element_can_fetch_anything_or_run_code_but_the_one_script_of_the_policy() -> None:
    page = render_page(hostile_report())
    tags = Tags(page).seen
    script = page[page.index("<script>") + 8 : page.index("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    assert {tag for tag, _ in tags} & {"link", "iframe", "object", "embed", "base", "form", "image", "use"} == set()
    assert all(str(attributes["href"]).startswith("#") for _, attributes in tags if "href" in attributes)
    assert all(
        (attributes["src"] or "").startswith("data:image/png;base64,") for _, attributes in tags if "src" in attributes
    )
    assert [name for _, attributes in tags for name in attributes if name.startswith(("on", "style"))] == []
    policy = next(attributes["content"] for _, attributes in tags if "http-equiv" in attributes)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy


def test_a_page_without_examples_has_no_script_and_allows_none() -> None:
    page = render_page(build_report())

    assert "<script" not in page
    assert "script-src" not in page


def test_a_picture_that_is_no_base64_is_left_out() -> None:
    shown = ExamplesRecord(of=1, shown=(example(1, picture='A" onerror="x'),), pictures="shown")

    assert "<img" not in render_page(full_report(examples=shown))


@pytest.mark.parametrize("report", [full_report(), hostile_report(), build_report()], ids=["full", "hostile", "older"])
def test_all_elements_are_closed_in_order_and_ids_are_unique(report: Report) -> None:
    tags = Tags(render_page(report))
    ids = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    named = " ".join(
        attributes.get(f"aria-{kind}") or "" for _, attributes in tags.seen for kind in ("labelledby", "describedby")
    )

    assert tags.open == []
    assert len(set(ids)) == len(ids)
    assert set(named.split()) <= set(ids)


def test_every_value_has_a_tooltip_with_its_meaning_its_better_way_and_both_ends_of_the_scale() -> None:
    tags = Tags(render_page(full_report())).seen
    tips = [attributes["title"] or "" for _, attributes in tags if attributes.get("data-label") == "This plugin"]

    assert len(tips) >= 4
    assert "0.5 is chance" in tips[1]
    assert "Closer to the control is better" in tips[1]
    assert "(control) scores 0.500, doing nothing (no-op) 0.710" in tips[1]


def test_every_picture_and_image_says_in_words_what_it_shows() -> None:
    page = render_page(full_report())
    tags = Tags(page).seen

    assert all(attributes.get("alt") for tag, attributes in tags if tag == "img")
    assert page.count("<svg") == page.count("<desc") == page.count('role="img"') == page.count("<svg viewBox")


def test_the_same_warning_of_several_evaluators_is_told_once() -> None:
    assert gathered(["ks: few models.", "The limit: was rough.", "lira: few models."]) == [
        "ks, lira: few models.",
        "The limit: was rough.",
    ]


def test_a_cause_of_death_shows_what_was_seen_of_its_first_models_and_counts_the_others() -> None:
    report = full_report(outcomes=[outcome(0), *(plugin_error(index, log=f"epoch {index}") for index in range(1, 7))])
    page = re.sub(r"<[^>]+>", " ", render_page(report))

    assert "6 plugin_error" in " ".join(page.split())
    assert "exit status: 1" in page
    assert [index for index in range(1, 7) if f"epoch {index}" in page] == [1, 2, 3]
    assert "Evidence of 3 more" in page


def test_a_failed_run_says_why_there_are_no_plots_and_no_examples() -> None:
    page = render_page(build_report(outcomes=[timeout(0)], evaluators=()))

    assert "No model was evaluated" in page
    assert "No model finished, so there are no examples" in page
    assert "over the time limit" in page


def test_terminal_codes_and_direction_changes_become_visible() -> None:
    page = render_page(build_report(outcomes=[plugin_error(0, log="\x1b[31mred\u202e")], evaluators=()))

    assert "\\x1b[31mred\\u202e" in page
    assert "\x1b" not in page


def test_each_metric_has_its_control_and_its_no_op_beside_it() -> None:
    page = re.sub(r"<[^>]+>", " ", render_page(build_report()))
    table = page[page.index("Main results") :]
    row = table[table.index("Likelihood-ratio attack, AUC") : table.index("Accuracy, test set")].split()

    assert "Perfect (control)" in table
    assert "Nothing done (no-op)" in table
    for text in ("0.580", "0.500", "0.710", "0.030"):
        assert text in row


def test_the_way_to_perfect_stands_beside_its_interval() -> None:
    lira = evaluator("lira", auc_metric(position=0.619), position_interval_auc=np.array([0.47, 0.76]))
    page = re.sub(r"<[^>]+>", " ", render_page(build_report(evaluators=(lira,))))

    assert "Way to perfect" in page
    assert "62 % 47 to 76 %" in " ".join(page.split())


def test_the_page_is_written_whole_beside_the_report(tmp_path: Path) -> None:
    path = write_page(build_report(), tmp_path)

    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_is_not_there_is_unwritable(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritableError):
        write_page(build_report(), tmp_path / "missing")


def test_plots_that_are_missing_for_one_reason_are_told_together() -> None:
    lone = (
        evaluator(name, auc_metric(value=None, interval=None, note="Not computed: one model."))
        for name in ("accuracy", "lira", "ks")
    )
    page = " ".join(render_page(build_report(evaluators=tuple(lone))).split())

    assert "attack; Kolmogorov-Smirnov distance by forgotten example" in page
    assert "Reason: one model." in page


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb", by WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_of_text_and_of_lines_stands_out_from_what_it_lies_on(theme: str) -> None:
    style = render_page(build_report())
    light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light if theme == "light" else dark))

    for ground in ("page", "panel"):
        for text in ("ink", "quiet", "unlearned", "control", "noop", "bad"):
            bright, dim = sorted((luminance(colours[ground]), luminance(colours[text])), reverse=True)
            assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ground, text)
