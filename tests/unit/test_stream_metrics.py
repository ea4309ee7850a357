"""The metrics of a stream, on arrays with known answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from harness.evaluation import Evidence, Interval, Metric
from harness.runs.outputs import no_times
from harness.runs.stream_metrics import (
    accuracies,
    change,
    difference_interval,
    memory_left,
    reversal,
    split_metrics,
)

LABELS = np.zeros(10, dtype=np.int64)


def _logits(right: list[int]) -> NDArray[np.float32]:
    """Return logits of models that are right on so many of ten examples."""
    found = np.zeros((len(right), 10, 2), dtype=np.float32)
    for row, count in zip(found, right, strict=True):
        row[:count, 0], row[count:, 1] = 1, 1
    return found


def _evidence(**right: list[int]) -> Evidence:
    logits = {name: {"retain": _logits(counts)} for name, counts in right.items()}
    models = np.arange(len(right["unlearned"]))
    return Evidence(2, {}, {"retain": LABELS}, logits, models, no_times(len(models)))


def _attack(value: float, low: float, high: float, control: float = 0.5, noop: float = 0.8) -> Metric:
    control_interval = Interval(control - 0.02, control + 0.02)
    return Metric(
        "auc",
        value,
        "lower",
        "",
        interval=Interval(low, high),
        control=control,
        control_interval=control_interval,
        noop=noop,
    )


def test_accuracy_is_the_share_of_right_answers() -> None:
    assert accuracies(_logits([3, 10]), LABELS).tolist() == [0.3, 1.0]


def test_the_loss_is_retrained_minus_unlearned_with_control_and_noop() -> None:
    evidence = _evidence(unlearned=[4, 6], retrained=[7, 9], control=[8, 8], original=[10, 10])
    accuracy, loss = split_metrics(evidence, "retain")

    assert accuracy.value == pytest.approx(0.5)
    assert (accuracy.control, accuracy.noop) == pytest.approx((0.8, 1.0))
    assert (loss.value, loss.control, loss.noop) == pytest.approx((0.3, 0.0, -0.2))
    assert loss.interval is not None
    theirs = stats.ttest_ind([0.7, 0.9], [0.4, 0.6], equal_var=False).confidence_interval(0.95)
    assert (loss.interval.low, loss.interval.high) == pytest.approx((theirs.low, theirs.high))
    assert loss.smallest_visible is not None
    assert loss.smallest_visible > 0


def test_without_a_returned_model_nothing_is_claimed() -> None:
    accuracy, loss = split_metrics(_evidence(unlearned=[], retrained=[7, 9], control=[8, 8], original=[9, 9]), "retain")

    assert (accuracy.value, loss.value, loss.interval) == (None, None, None)
    assert loss.control == pytest.approx(0.0)
    assert "No model" in loss.note


def test_populations_without_spread_have_intervals_without_width() -> None:
    same = np.full(4, 0.5)

    assert difference_interval(same + 0.1, same) == replace(
        Interval(0, 0), low=pytest.approx(0.1), high=pytest.approx(0.1), method="Welch's t over models"
    )
    assert difference_interval(same, same[:1]) is None


def test_the_interval_covers_the_null_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        found = difference_interval(rng.normal(size=8), rng.normal(size=12))
        assert found is not None
        covered += found.low <= 0 <= found.high

    assert 0.92 <= covered / 400 <= 0.98


def test_the_memory_left_is_the_attack_between_retrained_models_and_originals() -> None:
    attack = replace(_attack(0.6, 0.55, 0.65), position=2 / 3)
    found = memory_left(attack, (0.5, 0.9))

    assert (found.value, found.control, found.noop) == (pytest.approx(1 / 3), 0.0, 1.0)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((0.1, 0.5))
    assert found.control_interval is not None
    assert found.control_interval.high == pytest.approx(0.02 / 0.3)
    assert memory_left(attack, None).interval is None
    assert memory_left(_attack(0.6, 0.55, 0.65), None).value is None


def test_another_scale_of_the_attack_after_a_later_request_is_no_reversal() -> None:
    """The originals' own AUC moves with the retrained models that the attack is fitted to."""
    own = memory_left(replace(_attack(0.6, 0.5, 0.7, control=0.5, noop=0.8), position=2 / 3), (0.5, 0.8))
    later = memory_left(replace(_attack(0.7, 0.6, 0.8, control=0.55, noop=1.0), position=2 / 3), (0.5, 0.8))
    found = reversal({(1, 1): own, (1, 2): later}, 2)

    assert found is not None
    assert (found.value, found.control, found.noop) == pytest.approx((0.0, 0.0, 0.0))


def test_examples_that_come_back_are_a_reversal() -> None:
    attacks = {(1, 1): _attack(0.5, 0.47, 0.54), (1, 2): _attack(0.8, 0.76, 0.83), (2, 2): _attack(0.5, 0.4, 0.6)}
    found = reversal(attacks, 2)

    assert found is not None
    assert (found.value, found.control, found.noop) == pytest.approx((0.3, 0.0, 0.0))
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (0.3 - np.hypot(0.04, 0.04), 0.3 + np.hypot(0.03, 0.03))
    )
    assert found.smallest_visible == pytest.approx(np.hypot(0.02, 0.02))


def test_reversal_is_the_mean_over_earlier_requests() -> None:
    attacks: dict[tuple[int, int], Metric] = {}
    for request, (own, later) in {1: (0.5, 0.6), 2: (0.6, 0.9), 3: (0.7, 0.7)}.items():
        attacks[request, request], attacks[request, 3] = (
            _attack(value, value - 0.1, value + 0.1) for value in (own, later)
        )

    found = reversal(attacks, 3)
    assert found is not None
    assert found.value == pytest.approx((0.1 + 0.3) / 2)
    assert found.interval is not None
    assert found.interval.high - found.interval.low == pytest.approx(2 * np.hypot(0.1, 0.1))
    assert reversal(attacks, 1) is None


@pytest.mark.parametrize("missing", [{"value": None}, {"interval": None}])
def test_what_an_earlier_request_lacks_the_change_lacks_too(missing: dict[str, Any]) -> None:
    first, last = _attack(0.5, 0.4, 0.6), _attack(0.7, 0.6, 0.8)
    found = change("erosion", "", replace(first, **missing), last)

    assert found.interval is None
    assert found.value == (None if "value" in missing else pytest.approx(0.2))
    assert bool(found.note) == ("value" in missing)
