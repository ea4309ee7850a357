"""Times and memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.evaluation import Result
from harness_evaluators import efficiency
from tests.unit.evaluators.conftest import evidence_of
from tests.unit.evaluators.helpers import assert_well_formed, metric, value


def _evaluate(**timings: Any) -> Result:
    phi = {"forget": np.zeros((4, 2))}
    arrays = {
        name: np.asarray(given, dtype=np.float64) for name, given in timings.items() if name not in ("limit_s", "clock")
    }
    return efficiency.evaluate(evidence_of({"unlearned": phi}, **{**timings, **arrays}))


def test_times_are_set_against_limit_and_retraining() -> None:
    result = _evaluate(unlearn_s=[1.0, 2.0, 3.0], retrain_s=[10.0, 8.0, 12.0], limit_s=4.0)

    assert value(result, "unlearn_median") == 2.0
    assert value(result, "unlearn_p90") == pytest.approx(2.8)
    assert value(result, "unlearn_max") == 3.0
    assert value(result, "ratio") == pytest.approx(0.2)
    assert value(result, "limit_share") == pytest.approx(0.75)
    assert_well_formed(result)


def test_the_ratio_is_the_headline() -> None:
    result = _evaluate(unlearn_s=[1.0], retrain_s=[10.0])

    assert [one.name for one in result.metrics if one.headline] == ["ratio"]


def test_unmeasured_retraining_leaves_no_ratio_and_says_so() -> None:
    result = _evaluate(unlearn_s=[1.0, 2.0])

    assert metric(result, "ratio").value is None
    assert "not measured" in metric(result, "ratio").note
    assert any("not measured" in warning for warning in result.warnings)


def test_the_interval_of_the_ratio_takes_in_both_spreads() -> None:
    result = _evaluate(unlearn_s=np.linspace(1, 2, 30), retrain_s=[5.0, 10.0, 15.0])
    interval = metric(result, "ratio").interval

    assert interval is not None
    assert interval.low < 0.11
    assert interval.high > 0.25


def test_memory_that_was_not_measured_is_left_out() -> None:
    result = _evaluate(unlearn_s=[1.0, 1.0], peak_rss_mib=[np.nan, 300.0], peak_gpu_mib=[np.nan, np.nan])

    assert value(result, "peak_rss") == 300.0
    assert metric(result, "peak_gpu").value is None


def test_no_finished_model_leaves_no_times() -> None:
    result = _evaluate(retrain_s=[10.0])

    assert_well_formed(result)
    assert metric(result, "unlearn_median").value is None
    assert value(result, "retrain_median") == 10.0


def test_a_limit_in_examples_is_set_against_examples() -> None:
    times = {"unlearn_s": [1.0, 9.0], "retrain_s": [2.0]}
    examples = {"unlearn_examples": [200.0, 300.0], "retrain_examples": [1000.0], "limit_s": 400.0, "clock": "steps"}
    result = _evaluate(**times, **examples)

    assert value(result, "ratio") == 0.25
    assert value(result, "limit_share") == 0.75
    assert value(result, "unlearn_median") == 5.0
    assert value(result, "retrain_median") == 2.0


def test_failed_models_that_count_as_originals_have_no_time() -> None:
    assert value(_evaluate(unlearn_s=[1.0, np.nan, 3.0], retrain_s=[10.0]), "unlearn_median") == 2.0
