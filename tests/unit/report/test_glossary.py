"""The glossary has a name, an explanation and a picture for each metric that pages show."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from harness.comparing import compare
from harness.comparing.page import page_text
from harness.core.outcomes import Status
from harness.plugins.discovery import load_evaluators
from harness.report.glossary import ENTRIES, entries_of, entry_of, title_of
from harness.report.page import render_page
from harness.report.status_words import chip
from harness.report.svg.glossary_pictures import PICTURES, picture_of
from tests.markup import Tags
from tests.unit.comparing.samples import loaded, metric, report
from tests.unit.evaluators.every import usual
from tests.unit.report.examples import evaluator

BUNDLED = [one.info for one in load_evaluators()[0] if one.found.distribution == "unlearning-harness"]


def test_every_bundled_evaluator_has_an_entry() -> None:
    missing = {one.name for one in BUNDLED} - {entry.family for entry in ENTRIES}

    assert missing == set(), "add an entry to harness/report/glossary.py and a picture, then `python docs/generate`"


@pytest.mark.parametrize("info", BUNDLED, ids=lambda info: str(info.name))
def test_every_headline_metric_has_a_name_in_words_and_names_are_of_metrics(info: object) -> None:
    metrics = {f"{info.name}.{one.name}": one for one in info.evaluate(usual(n_models=4)).metrics}  # type: ignore[attr-defined]
    named = {name for entry in ENTRIES for name in entry.names if name.partition(".")[0] == info.name}  # type: ignore[attr-defined]

    assert named <= set(metrics)
    assert {name for name, one in metrics.items() if one.headline} <= named


def test_every_entry_has_a_picture_of_its_own_with_title_and_description() -> None:
    assert [entry.anchor for entry in ENTRIES] == list(PICTURES)
    found = [ElementTree.fromstring(picture_of(entry.anchor)) for entry in ENTRIES]  # noqa: S314  (made here)

    assert all(svg.find("title").text and svg.find("desc").text for svg in found)  # type: ignore[union-attr]
    assert len({ElementTree.tostring(svg) for svg in found}) == len(ENTRIES)
    assert all(svg.findall(".//text") for svg in found)


def test_a_metric_that_the_glossary_does_not_know_has_a_name_and_no_entry() -> None:
    own = metric(0.5, name="my_score")

    assert title_of("mine", own) == "mine my score"
    assert entry_of("mine", "my_score") is None
    assert entries_of([("mine", "my_score"), ("lira", "auc"), ("lira", "balanced_accuracy")]) == entries_of(
        [("lira", "auc")]
    )


@pytest.mark.parametrize("page", ["report", "comparison"])
def test_names_are_in_words_beside_the_machines_and_lead_to_the_entry_on_the_same_page(page: str) -> None:
    records = (evaluator("lira", metric(0.6)), evaluator("mine", metric(0.6, name="odd_one")))
    runs = [loaded(name, evaluators=records) for name in ("one", "two")]
    text = render_page(runs[0].report) if page == "report" else page_text(compare(runs))
    tags = Tags(text)
    links = [one["href"] for one in tags.all("a") if str(one["href"]).startswith("#metric-")]

    assert links
    assert set(links) <= {f"#{attributes['id']}" for _, attributes in tags.seen if "id" in attributes}
    assert "Likelihood-ratio attack, AUC</a> <code" in text
    assert "lira.auc" in tags.text
    assert "mine odd one <code" in text


@pytest.mark.parametrize("status", [one for one in Status if not one.finished], ids=lambda one: one.value)
def test_the_page_tells_contained_crashed_and_unlucky_models_apart_in_words_and_looks(status: Status) -> None:
    from tests.unit.report.examples import outcome

    expected = {
        "policy_violation": "contained",
        "output_invalid": "contained",
        "output_too_large": "contained",
        "setup_error": "not judged",
        "infra_error": "not judged",
    }.get(status.value, "crashed")
    text = render_page(report(outcomes=[*map(outcome, range(7)), outcome(7, status)]))
    made = chip(status, 1)

    assert made.word == expected
    assert f"1 {expected}: {made.cause}" in Tags(text).text
    assert re.search(rf'class="chip status {made.kind}"', text)
