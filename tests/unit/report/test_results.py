"""What an evaluator returns becomes a record if it is what the interface promises, else an error that says what is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from harness.evaluation import EvaluatorInfo, Interval, Metric, Result
from harness.report.results import EvaluatorRecord

INFO = EvaluatorInfo(name="mine", version="1", summary="s", evaluate=lambda _: Result(()))


def record(result: Any) -> EvaluatorRecord:
    return EvaluatorRecord.from_result(INFO, "own-dist", "1.0", 0.1, result)


def metric(name: Any = "a", value: Any = 1.0, **more: Any) -> Metric:
    return Metric(name=name, value=value, direction="lower", description="d", **more)


def test_numbers_of_numpy_are_taken() -> None:
    made = record(Result((metric(value=np.float32(0.5), control=np.int64(2), interval=Interval(np.float64(0), 1)),)))

    assert (made.error, made.metrics[0].value, made.metrics[0].control) == (None, 0.5, 2.0)


REFUSED: dict[str, tuple[Any, str]] = {
    "nothing": (None, "it is a NoneType; return a harness.evaluation.Result"),
    "a mapping": (Result(({"name": "a"},)), "metric 1 is a dict; use harness.evaluation.Metric"),  # type: ignore[arg-type]
    "a text": (Result((metric(value="0.5"),)), "a.value must be a finite number"),
    "a truth value": (Result((metric(value=True),)), "a.value must be a finite number"),
    "not a number": (Result((metric(noop=math.nan),)), "a.noop must be a finite number"),
    "infinity": (Result((metric(smallest_visible=math.inf),)), "a.smallest_visible must be a finite number"),
    "a true end": (Result((metric(interval=Interval(True, 1.0)),)), "low must be a finite number"),
    "no name": (Result((metric(""),)), "the name of metric 1, ''"),
    "a long name": (Result((metric("x" * 5000),)), "at most 80 lower-case letters"),
    "a name that cannot be seen": (Result((metric("a\u200b"),)), "the name of metric 1"),
    "a number for a name": (Result((metric(7),)), "the name of metric 1, '7'"),
    "one name twice": (Result((metric("a"), metric("a"))), "not unique"),
    "too many": (Result(tuple(metric(f"m{number}") for number in range(2000))), "2,000 metrics, more than 1,000"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_result_becomes_an_error_in_the_record(case: str) -> None:
    result, words = REFUSED[case]

    made = record(result)

    assert made.metrics == ()
    assert made.error is not None
    assert made.error.startswith("the result is invalid: ")
    assert words in made.error
    assert len(made.error) < 300
