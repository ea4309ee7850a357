from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.core.outcomes import Evidence, Status
from harness.evaluation import Interval
from harness.report.document import DesignRecord, RunnerRecord
from harness.report.summary import render_summary
from harness.report.words import duration, failures, interval, number, plain
from tests.unit.report.examples import (
    PLUGIN,
    RUNNER,
    auc_metric,
    build_report,
    evaluator,
    judged,
    outcome,
    plugin_error,
    timeout,
)


def shown(width: int = 80, **changes: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_summary(build_report(**changes), Path("/runs/one")))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_it_fits_80_columns() -> None:
    assert max(len(line) for line in shown().splitlines()) <= 80


def test_each_headline_has_its_control_and_its_no_op_beside_it() -> None:
    row = next(line for line in shown().splitlines() if "lira auc" in line)

    assert row.split()[2:] == ["0.580", "0.550", "to", "0.610", "0.500", "0.710", "as", "perfect"]


def test_columns_are_named_for_newcomers() -> None:
    text = shown()

    assert "Perfect" in text
    assert "(control)" in text
    assert "Nothing" in text


def test_a_metric_without_a_value_says_why() -> None:
    metric = auc_metric(
        value=None, interval=None, note="Not computed: it needs more models than there are in this run."
    )

    assert "it needs more models than there are in this run." in " ".join(
        shown(evaluators=(evaluator("lira", metric),)).split()
    )


def test_a_reason_that_metrics_share_is_told_once() -> None:
    few = "Not computed: 2 unlearned models."
    metrics = [auc_metric(name=name, value=None, interval=None, note=few) for name in ("auc", "direction")]
    text = " ".join(shown(evaluators=(evaluator("lira", *metrics),)).split())

    assert text.count(few) == 1
    assert f"lira auc, lira direction: {few}" in text


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("Mixed: the models differ.", "MIXED. The models differ."),
        ("Times are not dependable. Mixed: it is.", "MIXED. Times are not dependable. It is."),
    ],
)
def test_the_word_of_the_verdict_is_told_once(sentence: str, told: str) -> None:
    made = build_report()
    verdict = made.verdict.model_copy(update={"level": "mixed", "sentence": sentence})
    file = io.StringIO()
    Console(file=file, width=80).print(render_summary(made.model_copy(update={"verdict": verdict}), None))

    assert file.getvalue().splitlines()[1] == told


def test_a_long_name_wraps_by_words_and_no_number_is_cut() -> None:
    metric = auc_metric(name="f_official", unit="share")
    lines = shown(evaluators=(evaluator("forgetting_quality", metric),)).splitlines()

    assert any(line.split()[:3] == ["forgetting", "quality", "f"] and "55.0 to 61.0 %" in line for line in lines)
    assert any(line.split() == ["official"] for line in lines)


def test_warnings_on_metrics_outside_the_table_are_only_counted() -> None:
    quiet = evaluator("other", auc_metric(headline=False)).model_copy(update={"warnings": ("look out",)})
    text = " ".join(shown(evaluators=(quiet,), warnings=("other: look out", "The machine was busy.")).split())

    assert "look out" not in text
    assert "1 more warning: see report.html." in text
    assert "Warning: The machine was busy" in text


def test_the_result_comes_first_and_warnings_take_three_lines_at_most() -> None:
    few = [f"{name}: too few models. Use more." for name in ("lira", "ks")]
    lines = shown(warnings=(*few, *(f"Reason {n} is long: {'x' * 90}. Do this." for n in range(9)))).splitlines()
    blank = lines.index("")
    warned = [line for line in lines if line.startswith("Warning") or "more warning" in line]

    assert lines[1].startswith("PARTIAL. ")
    assert warned == lines[blank - 3 : blank]
    assert warned[0] == "Warning: lira, ks: too few models"
    assert warned[1].startswith("Warning: Reason 0 is long")
    assert warned[2] == "8 more warnings: see report.html."


def test_three_warnings_are_all_shown() -> None:
    text = shown(warnings=("One.", "Two.", "Three."))

    assert all(f"Warning: {word}\n" in text for word in ("One", "Two", "Three"))
    assert "more warning" not in text


@pytest.mark.parametrize(
    ("evidence", "told"),
    [
        (Evidence(error_message="no GPU"), "no GPU"),
        (
            Evidence(guest_exit_code=137, notes=("the engine is gone",)),
            "the guest ended with exit status 137; the engine",
        ),
    ],
)
def test_the_cause_of_a_failed_sandbox_is_told(evidence: Evidence, told: str) -> None:
    failed = replace(outcome(1, Status.INFRA_ERROR), evidence=evidence)

    assert told in " ".join(shown(outcomes=[outcome(0), failed]).split())


def test_a_run_that_stopped_early_says_how_many_models_were_not_started() -> None:
    design = DesignRecord(name="per-original", originals=32, repeats=1)
    text = " ".join(shown(outcomes=[plugin_error(n) for n in range(3)], evaluators=(), design=design).split())

    assert "Models: 0 of 3 finished. The run stopped early; 29 not started (--keep-going)." in text
    assert "No metric could be computed" not in text


def test_a_verdict_is_printed_as_its_sentence() -> None:
    verdict = build_report().verdict

    assert str(verdict) == verdict.sentence


def test_metrics_that_are_no_headline_stay_out() -> None:
    assert "secret" not in shown(evaluators=(evaluator("lira", auc_metric(name="secret", headline=False)),))


def test_a_broken_evaluator_is_told() -> None:
    text = shown(evaluators=(judged("lira", auc_metric(value=float("inf"))),))

    assert "lira failed" in text
    assert "No metric could be computed" in text


def test_failures_are_grouped_with_cause_and_advice() -> None:
    text = shown(outcomes=[outcome(0), timeout(1), plugin_error(2), plugin_error(3)])

    assert "Models: 1 of 4 finished." in text
    assert "2 plugin_error: the plugin raised an exception (models 2, 3)" in text
    assert "ValueError: bad learning rate" in text
    assert "Read the traceback in the report." in text


def test_a_run_without_models_is_summarised_too() -> None:
    text = shown(outcomes=[timeout(0)], evaluators=())

    assert "FAILED" in text
    assert "Models: 0 of 1 finished." in text


def test_the_budget_says_where_the_limit_came_from() -> None:
    text = " ".join(shown().split())

    assert "the limit was 1.00 s (20 % of retraining's 5.00 s, the median measured)" in text


def test_missing_isolation_is_told() -> None:
    runner = replace(RUNNER, name="process", isolation="No isolation: the plugin runs with your rights.")

    assert "No isolation" in shown(runner=RunnerRecord.from_facts(runner, "run"))


def test_a_plugin_cannot_write_markup_or_terminal_codes() -> None:
    text = shown(plugin_facts=replace(PLUGIN, name="[bold]x[/bold]\x1b[2J\u202e"))

    assert "[bold]x[/bold]\\x1b[2J\\u202e" in text
    assert "\x1b" not in text


def test_it_ends_with_the_place_of_the_report() -> None:
    lines = shown().strip().splitlines()

    assert lines[-1] == "Report: /runs/one/report.json and report.html"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "–"),
        (0.12345, "", "0.123"),
        (-0.5, "", "-0.500"),
        (0.8825, "share", "88.2 %"),
        (12.34, "s", "12.3 s"),
        (4096.4, "MiB", "4096 MiB"),
        (2e-7, "", "2.0e-07"),
        (0.0, "", "0.000"),
        (0.2, "ratio", "0.200"),
    ],
)
def test_numbers_are_short(value: float | None, unit: str, text: str) -> None:
    assert number(value, unit) == text


def test_an_interval_names_its_unit_once() -> None:
    record = Interval(low=0.1, high=0.2)

    assert interval(record, "share") == "10.0 to 20.0 %"
    assert interval(record, "s") == "0.100 to 0.200 s"
    assert interval(record) == "0.100 to 0.200"
    assert interval(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.424, "0.42 s"), (13.13, "13.1 s"), (125, "2 min 05 s"), (3725, "1 h 02 min")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_failures_of_one_status_but_other_errors_stay_apart() -> None:
    outcomes = [plugin_error(0), timeout(1), outcome(2), plugin_error(3)]
    groups = failures(outcomes)

    assert [(group.status.value, group.indices) for group in groups] == [("plugin_error", (0, 3)), ("timeout", (1,))]


def test_a_long_failure_keeps_its_remedy() -> None:
    record = plugin_error(0)
    evidence = replace(record.evidence, error_message="names " + "x" * 2_000 + "; return the module inside")
    (group,) = failures([replace(record, evidence=evidence)])

    assert group.detail.endswith("; return the module inside")
    assert "characters left out" in group.detail


def test_an_evaluators_error_keeps_its_type_and_its_place() -> None:
    error = "RuntimeError: first line\n" + "z" * 1_000 + " (in raises, badev.py line 18)"
    failed = evaluator("mine").model_copy(update={"error": error})
    text = " ".join(shown(evaluators=(failed,)).split())

    assert "mine failed: RuntimeError: first line" in text
    assert "(in raises, badev.py line 18)" in text


def test_plain_text_is_one_harmless_line() -> None:
    assert plain("a\nb\t\x07c") == "a b \\x07c"
