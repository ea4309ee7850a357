"""Positions, intervals and warnings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from harness_evaluators.common import jackknife
from harness_evaluators.common.bootstrap import Linear, Resamples, Sampled, _deviations
from harness_evaluators.common.control_and_noop import Description, Rows, badness_of, metric, position, smallest_visible

N = 20


def _resamples(seed: int = 0) -> Resamples:
    rng = np.random.default_rng(seed)
    return Resamples({row: _deviations(rng, N) for row in ("unlearned", "control", "noop", "retrained")})


def _rows(value: float, control: float, noop: float, spread: float = 0.01) -> Rows:
    rng = np.random.default_rng(1)
    return Rows(*(Sampled(v, v + spread * rng.standard_normal(1000)) for v in (value, control, noop)))


@pytest.mark.parametrize(("value", "expected"), [(0.9, 0.0), (0.5, 1.0), (0.7, 0.5), (1.0, -0.25), (0.4, 1.25)])
def test_the_position_runs_from_the_noop_to_the_control(value: float, expected: float) -> None:
    place = position(_rows(value, 0.5, 0.9), np.positive)

    assert place is not None
    assert place.value == pytest.approx(expected)


def test_the_position_of_a_score_runs_the_same_way() -> None:
    place = position(_rows(0.8, 0.9, 0.5), badness_of(Description("tow", "higher", "")))

    assert place is not None
    assert place.value == pytest.approx(0.75)


@pytest.mark.parametrize("value", [0.25, -0.25])
def test_a_deviation_to_either_side_counts(value: float) -> None:
    place = position(_rows(value, 0.0, 0.5), np.abs)

    assert place is not None
    assert place.value == pytest.approx(0.5)


def test_there_is_no_position_where_the_ends_differ_by_noise_alone() -> None:
    assert position(_rows(0.5, 0.5, 0.51, spread=0.02), np.positive) is None


def test_there_is_no_position_where_the_noop_is_better_than_the_control() -> None:
    assert position(_rows(0.5, 0.9, 0.5), np.positive) is None


def test_the_interval_of_a_mean_is_that_of_student_s_t() -> None:
    sample = np.random.default_rng(2).standard_normal(N)
    interval = _resamples().mean("unlearned", sample).interval()
    error = t.ppf(0.975, N - 1) * sample.std(ddof=1) / np.sqrt(N)

    assert interval is not None
    assert interval.low == pytest.approx(sample.mean() - error, abs=0.15 * error)
    assert interval.high == pytest.approx(sample.mean() + error, abs=0.15 * error)


def test_both_populations_add_to_the_noise() -> None:
    one, two = np.random.default_rng(3).standard_normal((2, N))
    found = _resamples().linear("control", Linear(0.0, one, two)).sd

    assert found == pytest.approx(np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / N), rel=0.1)


def test_the_smallest_visible_difference_is_that_of_two_such_values() -> None:
    sampled = Sampled(0.0, 0.1 * np.random.default_rng(4).standard_normal(100_000))

    assert smallest_visible(sampled) == pytest.approx(1.96 * np.sqrt(2) * 0.1, rel=0.02)


def test_intervals_keep_to_the_values_that_the_metric_can_take() -> None:
    about = Description("share", "lower", "", bounds=(0.0, 1.0))
    found = metric(about, Rows(Sampled(0.99, 0.99 + np.linspace(-0.2, 0.2, 1000))))

    assert found.interval is not None
    assert found.interval.high == 1.0


def test_leaving_models_out_finds_the_contributions_to_a_mean() -> None:
    """For a mean, a model contributes its deviation from it, and the spread is that of the sample."""
    sample = np.random.default_rng(5).standard_normal(400)

    few = jackknife.contributions(8, lambda keep: np.array([sample[:8][keep].mean()]))[:, 0]
    many = jackknife.contributions(400, lambda keep: np.array([sample[keep].mean()]))[:, 0]

    assert few - few.mean() == pytest.approx(sample[:8] - sample[:8].mean(), abs=1e-12)
    assert 0.4 < many.std() / sample.std() < 1.6
