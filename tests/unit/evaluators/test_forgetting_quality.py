"""The evaluator and its public function: errors, known answers, calibration, warnings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from harness.evaluation import Evidence, Result
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting_quality import epsilons, evaluate, lower_bounds, points, reporting, statistics
from harness_evaluators.forgetting_quality.strongest_attack import ATTACKS, AttackName
from tests.unit.evaluators.conftest import POPULATIONS, gaussian_evidence
from tests.unit.evaluators.helpers import assert_well_formed, metric, value

Make = Callable[..., Evidence]
Values = NDArray[np.float64]

GOOD = np.zeros((4, 3))


@pytest.mark.parametrize(
    ("unlearned", "retrained", "options", "text"),
    [
        (np.zeros(4), GOOD, {}, "shape"),
        (np.zeros((4, 2)), GOOD, {}, "same examples"),
        (np.zeros((1, 3)), GOOD, {}, "at least 2"),
        (np.full((4, 3), np.inf), GOOD, {}, "not finite"),
        (GOOD, np.full((4, 3), np.nan), {}, "not finite"),
        (GOOD, GOOD, {"attack": "official"}, "official-grid, exact"),
        (GOOD, GOOD, {"delta": 1.0}, "below 1"),
    ],
)
def test_what_cannot_be_attacked_is_refused(
    unlearned: Values, retrained: Values, options: dict[str, object], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        epsilons(unlearned, retrained, **options)  # type: ignore[arg-type]


def test_points_refuse_what_is_no_epsilon() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        points([-0.1], 8)


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_examples_give_no_epsilons(attack: AttackName) -> None:
    assert epsilons(np.zeros((4, 0)), np.zeros((4, 0)), attack=attack).shape == (0,)


@pytest.mark.parametrize("attack", ATTACKS)
def test_populations_apart_reach_the_cap(attack: AttackName) -> None:
    rng = np.random.default_rng(0)
    u, r = rng.uniform(5, 6, (8, 3)), rng.uniform(0, 1, (8, 3))

    assert epsilons(u, r, attack=attack).tolist() == [50.0] * 3
    assert epsilons(r, u, attack=attack).tolist() == [50.0] * 3


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("shift", [-1.5, 1.5])
def test_over_forgetting_raises_epsilon_as_under_forgetting_does(attack: AttackName, shift: float) -> None:
    rng = np.random.default_rng(1)
    u, r = rng.standard_normal((2, 32, 60))

    assert epsilons(u + shift, r, attack=attack).mean() > epsilons(u, r, attack=attack).mean() + 0.5


@pytest.mark.parametrize("attack", ATTACKS)
def test_models_in_another_order_and_single_precision_give_the_same(attack: AttackName) -> None:
    rng = np.random.default_rng(2)
    u, r = rng.standard_normal((2, 16, 5)).astype(np.float32)

    expected = epsilons(u, r, attack=attack)

    assert np.array_equal(epsilons(u[::-1].astype(np.float64), r[rng.permutation(16)], attack=attack), expected)


@pytest.mark.parametrize(("attack", "epsilon", "f"), [("official-grid", 1.57, 0.185), ("exact", 2.19, 0.072)])
def test_alike_populations_of_64_models_show_the_known_null(attack: AttackName, epsilon: float, f: float) -> None:
    """Retraining itself does not score 1: standard Normal phi through the released code, and simulated."""
    u, r = np.random.default_rng(3).standard_normal((2, 64, 400))

    found = epsilons(u, r, attack=attack)

    assert found.mean() == pytest.approx(epsilon, abs=0.08)
    assert points(found, 64).mean() == pytest.approx(f, abs=0.035)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.tuples(st.integers(2, 64), st.integers(2, 64)),
    levels=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
    attack=st.sampled_from(ATTACKS),
)
def test_any_finite_values_give_an_epsilon_within_the_cap(
    sizes: tuple[int, int], levels: list[float], attack: AttackName
) -> None:
    rng = np.random.default_rng(sum(sizes))

    found = epsilons(*(rng.choice(levels, (n, 2)) for n in sizes), attack=attack)

    assert ((found >= 0) & (found <= 50)).all()


def test_cross_fitting_takes_away_most_of_the_gain_from_choosing() -> None:
    u, r = np.random.default_rng(4).standard_normal((2, 64, 100))
    folds = np.arange(64) % 2

    crossed = statistics.cross_fitted(u, r, "exact", (folds, folds))

    assert crossed.shape == (2, 100)
    assert crossed.mean() < 0.4 < 1.5 < epsilons(u, r, attack="exact").mean()


def test_a_cross_fitted_attack_is_judged_by_models_that_did_not_choose_it() -> None:
    """One half is separated, the other is not: the attack of the first reaches nothing on the second."""
    first, second = np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([[5.0], [0.1], [5.1], [0.0]])
    u = np.concatenate([first[2:], second[2:]])
    r = np.concatenate([first[:2], second[:2]])
    folds = np.array([0, 0, 1, 1])

    crossed = statistics.cross_fitted(u, r, "exact", (folds, folds))

    assert crossed[1, 0] == pytest.approx(0.0, abs=1e-4)
    assert crossed.max() < 1


def test_the_score_is_f_times_the_ratios_of_accuracies(with_phi: Make) -> None:
    """Unlearned models are right on 8 of 10 retained and 4 of 10 test examples, retrained ones on all and on 5."""
    right = {"unlearned": (8, 4), "retrained": (10, 5), "control": (10, 5), "original": (10, 10)}
    rng = np.random.default_rng(5)

    def split(count: int) -> Values:
        return np.tile(np.where(np.arange(10) < count, 9.0, -9.0), (16, 1))

    phis = {
        name: {"forget": rng.standard_normal((16, 30)), "retain": split(retain), "test": split(test)}
        for name, (retain, test) in right.items()
    }
    result = evaluate(with_phi(phis))

    assert value(result, "score_official") == pytest.approx(value(result, "f_official") * 0.8 * 0.8)
    score, f = metric(result, "score_official"), metric(result, "f_official")
    assert score.control == pytest.approx(f.control)
    assert score.noop == pytest.approx(2 * f.noop) if f.noop else score.noop == 0


def test_the_rows_are_the_public_function_on_equal_numbers_of_models(gaussian: Make) -> None:
    evidence = gaussian(1.0, n_models={"original": 20, "retrained": 24, "control": 20, "unlearned": 12}, n_examples=20)

    result = evaluate(evidence)

    found = result.arrays["epsilon_exact_unlearned"]
    assert value(result, "mean_epsilon_exact") == pytest.approx(found.mean())
    assert value(result, "f_exact") == pytest.approx(points(found, 12).mean())
    assert "N = 12" in metric(result, "f_official").note
    assert f"{np.log(11):.3f}" in metric(result, "f_official").note


def test_the_grid_sees_phi_within_the_released_codes_bounds(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=8, n_examples=4)
    logits = {
        name: {split: array * np.float32(1e6) for split, array in by.items()} for name, by in evidence.logits.items()
    }

    phi = statistics.official_phi(Analysis(replace(evidence, logits=logits)), "unlearned", "forget")

    assert np.abs(phi).max() == pytest.approx(-np.log(1e-45), rel=1e-9)


def test_forgetting_stands_between_noop_and_control(gaussian: Make) -> None:
    result = evaluate(gaussian(0.7, noop=1.5, n_models=32, n_examples=80))

    for name in ("f_official", "mean_epsilon_official", "f_exact", "mean_epsilon_exact"):
        one = metric(result, name)
        assert one.value is not None
        assert one.control is not None
        assert one.noop is not None
        assert min(one.noop, one.control) < one.value < max(one.noop, one.control), name
        if name.startswith("mean_epsilon"):  # no interval below 64 models
            assert one.interval is None
            continue
        assert one.position is not None
        assert 0 < one.position < 1
        assert one.interval is not None
        assert one.interval.low < one.value < one.interval.high
        assert one.smallest_visible is not None


@pytest.mark.parametrize(("models", "f", "epsilon"), [(15, False, False), (16, True, False), (64, True, True)])
def test_a_value_has_an_interval_or_says_how_many_models_one_needs(
    gaussian: Make, models: int, f: bool, epsilon: bool
) -> None:
    result = evaluate(gaussian(1.0, n_models=models, n_examples=20))
    for name, has_one, least in (
        ("f_exact", f, 16),
        ("mean_epsilon_exact", epsilon, 64),
        ("f_exact_crossfit", epsilon, 64),
    ):
        found = metric(result, name)
        assert (found.interval is not None) == has_one
        assert (f"needs {least} models" in found.note or f"need {least} models" in found.note) != has_one


def test_the_noise_of_f_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(5)
    drawn = [rng.standard_normal((2, 32, 1)) * 0.3 + rng.standard_normal((2, 32, 150)) * 1.5 for _ in range(16)]
    rows = [statistics.row(*pair, "exact", np.random.default_rng(0)).statistics["f"] for pair in drawn]
    spread = np.std([row.value for row in rows], ddof=1)
    estimated = np.sqrt(np.mean([np.square(row.deviations).mean() for row in rows if row.deviations is not None]))
    assert 0.5 * spread < estimated < 2 * spread


def test_clopper_pearson_limits_are_those_of_the_binomial() -> None:
    """So many errors or fewer have probability 0.0125 at the limit."""
    for errors, n_models in ((0, 16), (3, 16), (7, 32)):
        limit = lower_bounds.upper(np.array([errors]), n_models)[0]
        assert binom.cdf(errors, n_models, limit) == pytest.approx(0.0125, rel=1e-6)
    assert lower_bounds.upper(np.array([16]), 16)[0] == 1


def test_what_n_models_could_show_at_most() -> None:
    rate = 1 - 0.0125 ** (1 / 16)

    assert lower_bounds.certifiable(32) == pytest.approx(np.log((1 - 1e-5 - rate) / rate))
    assert lower_bounds.certifiable(8) == 0


def test_separated_models_reach_the_largest_lower_bound_and_alike_ones_seldom_any() -> None:
    rng = np.random.default_rng(8)
    u, r = rng.standard_normal((2, 32, 200))
    folds = np.concatenate([np.arange(32) % 2] * 2)

    found = lower_bounds.lower(u + 50, r, folds)
    assert found.max() == pytest.approx(lower_bounds.certifiable(32))
    assert found.mean() > 0.7 * lower_bounds.certifiable(32)
    assert (lower_bounds.lower(u, r, folds) > 0).mean() <= 0.05


def test_over_and_under_forgetting_stand_alike(gaussian: Make) -> None:
    positions = [
        metric(evaluate(gaussian(shift, noop=2.0, n_models=20, n_examples=40)), "mean_epsilon_exact").position
        for shift in (0.8, -0.8)
    ]

    assert positions[0] == pytest.approx(positions[1], abs=0.15)
    assert max(position or 0 for position in positions) < 0.9


def _with_unlearned(evidence: Evidence, of_one: Values) -> Evidence:
    logits = {**evidence.logits, "unlearned": {**evidence.logits["unlearned"], "forget": of_one}}
    return replace(evidence, logits=logits)


def _repeated(evidence: Evidence) -> Values:
    logits = evidence.logits["unlearned"]["forget"]
    return np.repeat(logits[:1], len(logits), axis=0)


def test_constant_output_on_the_forget_set_is_said_to_be_no_measure_of_forgetting(gaussian: Make) -> None:
    evidence = gaussian(0.0, n_models=12, n_examples=20)

    result = evaluate(_with_unlearned(evidence, _repeated(evidence)))

    warning = next(text for text in result.warnings if "very same phi" in text)
    assert "20 of 20" in warning
    assert "nor on the original" in warning
    assert value(result, "f_official") == 0


def test_a_method_that_varies_is_not_called_deterministic(gaussian: Make) -> None:
    result = evaluate(gaussian(0.0, n_models=12, n_examples=20))

    assert not any("very same phi" in text for text in result.warnings)


def test_a_smaller_control_is_said_to_be_on_another_scale(gaussian: Make) -> None:
    result = evaluate(gaussian(n_models={"original": 12, "retrained": 12, "control": 8, "unlearned": 12}, n_examples=9))

    assert any("8 control models" in text for text in result.warnings)


def _assert_complete(result: Result) -> None:
    assert_well_formed(result)
    assert {one.name for one in result.metrics} == {about.name for about in reporting.EVERY}


@settings(max_examples=8, deadline=None)
@given(sizes=st.tuples(*[st.integers(0, 24)] * 4), examples=st.integers(1, 4), classes=st.integers(2, 5))
def test_any_sizes_give_every_metric_or_say_why_not(sizes: tuple[int, ...], examples: int, classes: int) -> None:
    counts = dict(zip(POPULATIONS, sizes, strict=True))

    _assert_complete(evaluate(gaussian_evidence(0.5, 1.0, counts, examples, classes)))


def test_without_test_set_there_is_no_score(with_phi: Make) -> None:
    rng = np.random.default_rng(6)
    phis = {name: {"forget": rng.standard_normal((8, 5))} for name in POPULATIONS}

    result = evaluate(with_phi(phis))

    assert metric(result, "score_official").value is None
    assert value(result, "mean_epsilon_exact") > 0
    _assert_complete(result)
