"""What a report becomes when evaluators judge its run again."""

from __future__ import annotations

from harness.evaluation import EvaluatorInfo, Result
from harness.report.document import EvaluatorRecord
from harness.runs.rescoring import with_records
from tests.unit.report.examples import auc_metric, build_report, evaluator, forgetting

OLD = build_report(
    evaluators=(forgetting(), evaluator("lira", auc_metric(value=0.58))),
    warnings=("Evaluator left out: a 1 is broken",),
)


def failed(name: str) -> EvaluatorRecord:
    info = EvaluatorInfo(name=name, version="2", summary="", evaluate=lambda evidence: Result(metrics=()))
    return EvaluatorRecord.from_error(info, "unlearning-harness", "0.2.0", 0.1, "ValueError: no")


def test_an_evaluator_that_fails_now_leaves_its_earlier_numbers_and_the_verdict() -> None:
    after = with_records(OLD, [failed("lira")], [], {})

    assert after.evaluators == OLD.evaluators
    assert after.verdict == OLD.verdict
    assert any("lira" in text and "ValueError: no" in text for text in after.warnings)


def test_that_warning_goes_when_the_evaluator_works_again() -> None:
    again = with_records(with_records(OLD, [failed("lira")], [], {}), [evaluator("lira", auc_metric())], [], {})

    assert not any("ValueError" in text for text in again.warnings)


def test_a_first_failure_is_recorded() -> None:
    assert with_records(OLD, [failed("mine")], [], {}).evaluator("mine").error  # type: ignore[union-attr]


def test_evaluators_left_out_are_those_of_the_last_judgement() -> None:
    after = with_records(OLD, [], ["b 2 is broken"], {})

    assert [text for text in after.warnings if "left out" in text] == ["Evaluator left out: b 2 is broken"]


def test_new_numbers_decide_the_verdict_anew() -> None:
    worse = forgetting(**dict.fromkeys(("memory_left", "memory_left_calibrated"), (1.0, 0.9, 1.1)))

    assert OLD.verdict.level == "partial"
    assert with_records(OLD, [worse], [], {}).verdict.level == "none"
