"""A report in Python: the same document, with a folder, words and a table of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness import RunReport, load_report
from harness.report.writing import write_report
from tests.markup import Tags
from tests.unit.report.examples import PLUGIN, auc_metric, build_report, evaluator, outcome, plugin_error, timeout

PARTS = (
    *("onfaces", "PARTIAL", "FAILED", "Warning:", "unlearnedmodels(from", "liraauc0.580", "liranone:", "Models:"),
    *("pluginraised", "overthetimelimit", "Readthetraceback", "Dolesswork", "Time:", "Runner:", "runs/r/report.json"),
)
"""Texts of a summary without spaces, in order."""
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e"


def of(folder: Path | None = None, **changes: object) -> RunReport:
    return RunReport.of(build_report(**changes), folder)


def hostile() -> RunReport:
    facts = {**vars(PLUGIN), "name": HOSTILE, "version": HOSTILE, "distribution": HOSTILE}
    metric = auc_metric(name=HOSTILE, description=HOSTILE, unit=HOSTILE)
    return of(
        Path(f"/runs/{HOSTILE}"),
        plugin_facts=type(PLUGIN)(**facts),
        outcomes=[outcome(0), plugin_error(1, HOSTILE, HOSTILE)],
        evaluators=(evaluator(HOSTILE, metric), evaluator("lira", auc_metric())),
        warnings=(HOSTILE,),
    )


def test_it_has_all_fields_of_the_report() -> None:
    report = build_report()

    assert dict(RunReport.of(report, None)) == dict(report)


def test_its_document_is_that_of_the_file(tmp_path: Path) -> None:
    write_report(build_report(), tmp_path)
    report = load_report(tmp_path)

    assert report.to_dict() == json.loads((tmp_path / "report.json").read_text())
    assert report.to_json() == (tmp_path / "report.json").read_text()


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        of().status = "failed"  # type: ignore[misc]


def test_its_repr_is_one_line() -> None:
    assert repr(of()) == "<RunReport finetune on faces: partial, 7 of 8 models>"


def test_printed_it_is_the_summary_of_the_command_line() -> None:
    text = str(of(Path("runs/r")))

    assert "finetune (unlearning-harness 0.1.0) on faces" in text
    assert "Report: runs/r/report.json" in text
    assert "\x1b" not in text


def test_printed_without_a_folder_it_says_nothing_of_one() -> None:
    text = str(of())

    assert "PARTIAL" in text
    assert "report.json" not in text


def test_the_table_has_the_verdict_and_every_headline_beside_control_and_no_op() -> None:
    text = Tags(of()._repr_html_()).text

    assert "PARTIAL" in text
    assert "lira auc0.5800.550 to 0.6100.5000.710as perfect" in text


def test_the_table_tells_what_became_of_failed_models() -> None:
    text = Tags(of(outcomes=[outcome(0), outcome(1), timeout(2)])._repr_html_()).text

    assert "Models: 2 of 3 finished." in text
    assert "1 timeout: over the time limit (model 2)" in text


def test_a_run_without_metrics_has_a_table_that_says_so() -> None:
    text = Tags(of(evaluators=())._repr_html_()).text
    assert "No metric could be computed." in text

    text = Tags(of(evaluators=(), outcomes=[plugin_error(0)])._repr_html_()).text
    assert "FAILED" in text
    assert "No metric" not in text


@pytest.mark.parametrize("failed", [False, True])
def test_terminal_and_notebook_say_the_same_in_the_same_order(failed: bool) -> None:
    ends = [plugin_error(index) for index in range(3)] if failed else [outcome(0), outcome(1), timeout(2)]
    lira = evaluator("lira", auc_metric(), auc_metric(name="none", value=None, note="Too few models."))
    made = of(Path("runs/r"), outcomes=ends, evaluators=() if failed else (lira,))
    card = "".join(Tags(made._repr_html_()).text.split())
    terminal = "".join(str(made).split())
    texts = [text for text in PARTS if text in terminal]

    assert texts == [text for text in PARTS if text in card]
    for said in (terminal, card):
        places = [said.index(text) for text in texts]
        assert places == sorted(places), texts
    assert len(texts) >= (6 if failed else 9)


def test_nothing_a_plugin_wrote_becomes_markup() -> None:
    tags = Tags(hostile()._repr_html_())

    assert not {"script", "img"} & {tag for tag, _ in tags.seen}
    assert tags.open == []
    assert "<script>alert(1)</script>" in tags.text
    assert not {"\x1b", "\u202e"} & set(tags.text)


def test_the_table_runs_and_fetches_nothing() -> None:
    for tag, attributes in Tags(hostile()._repr_html_()).seen:
        assert tag in {
            *("div", "strong", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "br", "code"),
            *("details", "summary"),
        }
        assert set(attributes) <= {"style", "scope", "title"}
        assert "url(" not in (attributes.get("style") or "")


def test_a_notebook_gets_the_table_and_a_terminal_the_text() -> None:
    bundle = of()._repr_mimebundle_()

    assert bundle == {"text/html": of()._repr_html_(), "text/plain": str(of())}
    assert set(of()._repr_mimebundle_(exclude={"text/html"})) == {"text/plain"}
