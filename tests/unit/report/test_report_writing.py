from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pydantic
import pytest
from jsonschema import Draft202012Validator
from packaging.version import Version
from pydantic import ValidationError

from harness.core.outcomes import ModelOutcome
from harness.errors import ReportInvalidError, RunNotFoundError
from harness.evaluation import Metric
from harness.report.document import PopulationRecord, run_status
from harness.report.schema import SCHEMA_PATH, generate_schema, schema_text, shipped_schema
from harness.report.writing import load_report, report_text, validate, write_report
from tests.unit.report.examples import auc_metric, build_report, evaluator, judged, outcome, plugin_error, timeout


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    report = build_report(outcomes=[outcome(0), timeout(1), plugin_error(2, log="x\ud800\x00<b>")])
    path = write_report(report, tmp_path)

    assert load_report(path) == report
    assert load_report(tmp_path) == report


@pytest.mark.skipif(
    Version(pydantic.VERSION) < Version("2.10"), reason="pydantic before 2.10 words the same schema otherwise"
)
def test_the_shipped_schema_is_what_the_model_generates() -> None:
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text()


def test_the_shipped_schema_is_a_valid_json_schema() -> None:
    Draft202012Validator.check_schema(shipped_schema())


def test_every_field_of_the_schema_is_described() -> None:
    objects = [generate_schema(), *generate_schema()["$defs"].values()]
    fields = [(one["title"], name, field) for one in objects for name, field in one.get("properties", {}).items()]

    assert [(title, name) for title, name, field in fields if not {"description", "$ref"} & set(field)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"schema_version": "2"},
        {"created": "yesterday"},
        {"status": "fine"},
        {"models": [{"index": -1}]},
    ],
)
def test_a_document_that_breaks_the_schema_is_refused(change: dict[str, object]) -> None:
    document = json.loads(report_text(build_report()))
    with pytest.raises(ReportInvalidError, match="schema at"):
        validate({**document, **change})


def test_a_missing_field_is_refused_by_name() -> None:
    document = json.loads(report_text(build_report()))
    del document["populations"]["failed_models"]
    with pytest.raises(ReportInvalidError, match="failed_models"):
        validate(document)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_are_refused_by_the_model(bad: float) -> None:
    with pytest.raises(ValidationError):
        build_report(phases={"prepare": bad})


def test_nan_that_slipped_past_the_model_is_refused_and_the_old_report_stays(tmp_path: Path) -> None:
    write_report(build_report(), tmp_path)
    before = (tmp_path / "report.json").read_bytes()
    with pytest.raises(ReportInvalidError, match="Nothing was written"):
        write_report(build_report().model_copy(update={"recipe": {"lr": math.nan}}), tmp_path)

    assert (tmp_path / "report.json").read_bytes() == before


def test_numbers_of_arrays_stand_on_one_line() -> None:
    record = evaluator("lira", auc_metric(), curve=np.array([[0.0, 1e-9], [1.0, -2.5]]))
    text = report_text(build_report(evaluators=(record,)))

    assert "[0.0, 1e-09]" in text
    assert json.loads(text)["evaluators"][0]["arrays"]["curve"] == [[0.0, 1e-9], [1.0, -2.5]]


def test_reading_a_folder_without_a_report_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="There is no report"):
        load_report(tmp_path)


@pytest.mark.parametrize(
    ("text", "match"), [("{", "not JSON"), ("[]", "schema version None"), ('{"schema_version": "9"}', "'9'")]
)
def test_reading_what_is_no_report_says_why(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ReportInvalidError, match=match):
        load_report(tmp_path)


def test_a_failed_model_counted_as_unlearned_is_refused() -> None:
    populations = build_report().populations.model_copy(update={"unlearned": PopulationRecord(size=8)})
    with pytest.raises(ValidationError, match="8 unlearned models, but 7"):
        build_report(populations=populations)


def test_a_partial_run_cannot_call_itself_complete() -> None:
    with pytest.raises(ValidationError, match="status is complete"):
        build_report(status="complete")


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [([outcome(0)], "complete"), ([outcome(0), timeout(1)], "partial"), ([timeout(0)], "failed"), ([], "failed")],
)
def test_the_run_status_follows_from_the_models(outcomes: list[ModelOutcome], status: str) -> None:
    assert run_status(tuple(outcomes)) == status


@pytest.mark.parametrize(
    ("metrics", "arrays", "reason"),
    [
        ((auc_metric(value=math.nan),), {}, "finite"),
        ((auc_metric(), auc_metric()), {}, "not unique: auc"),
        ((), {"a": np.zeros((1, 1, 1))}, "3 dimensions"),
        ((), {"a": np.array([math.nan])}, "NaN"),
    ],
)
def test_an_unusable_result_becomes_an_error_record(
    metrics: tuple[Metric, ...], arrays: dict[str, np.ndarray], reason: str
) -> None:
    record = judged("mine", *metrics, **arrays)

    assert reason in (record.error or "")
    assert record.metrics == ()
    assert record.arrays == {}
