"""``forgetting_quality``: the metric of the NeurIPS 2023 Machine Unlearning Challenge, calibrated.

Formulas and sources: :mod:`harness_evaluators.forgetting_quality.rates`; the two families of attacks:
:mod:`harness_evaluators.forgetting_quality.grid_search` and :mod:`harness_evaluators.forgetting_quality.exact_search`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.evaluation import EvaluatorInfo, Result, hookimpl
from harness_evaluators.common import bootstrap, control_and_noop, evidence_analysis, finite
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.forgetting_quality import lower_bounds, rates, reporting, statistics, strongest_attack
from harness_evaluators.forgetting_quality.rates import DELTA
from harness_evaluators.forgetting_quality.statistics import Row
from harness_evaluators.forgetting_quality.strongest_attack import ATTACKS, AttackName

Values = NDArray[np.float64]


def epsilons(
    unlearned: ArrayLike, retrained: ArrayLike, *, attack: AttackName = "official-grid", delta: float = DELTA
) -> Values:
    """Return epsilon of the strongest attack on each example: how well unlearned and retrained models can be distinguished.

    ``official-grid`` tries the threshold grids of the competition's released code with its rules, and equals that code for
    populations of equal size. The code does not support unequal sizes; here each rate is then a mean over its own models.
    Beyond |phi| = 10,000, where the code runs out of memory, ``exact`` is used. If no attack is left the code stops with an
    error; here epsilon is 0.

    ``exact`` is the largest epsilon over all closed intervals of phi, with either population predicted inside. It includes
    all single thresholds in both directions. It has no grid, and no guard on ranges. Sizes may differ.

    Args:
        unlearned: phi of the unlearned models, shape (n_models, n_examples), finite.
        retrained: phi of retrained models, of the same kind; both populations need two models.
        attack: the family of attacks.
        delta: of (epsilon, delta)-unlearning, in [0, 1).

    Returns:
        shape (n_examples,), float64, in [0, 50].

    Raises:
        ValueError: for an unknown attack, a delta out of range, shapes that do not fit, or values that are not finite.
    """
    if attack not in ATTACKS:
        raise ValueError(f"Unknown attack {attack!r}; choose one of {', '.join(ATTACKS)}.")
    if not 0 <= delta < 1:
        raise ValueError(f"delta is {delta}; it must be at least 0 and below 1.")
    left, right = _checked("unlearned", unlearned), _checked("retrained", retrained)
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"unlearned has {left.shape[1]} examples and retrained {right.shape[1]}; both need the same examples."
        )
    return strongest_attack.strongest(left, right, attack, delta).epsilon


def points(epsilon: ArrayLike, n_models: int) -> Values:
    """Return points of examples, H: 1, 1/2, 1/4... by buckets of 0.5; 0 from ceil(ln(N - 1)) on. Their mean is F.

    Args:
        epsilon: at least 0.
        n_models: N, the number of models a side; at least 2.

    Raises:
        ValueError: for fewer than two models or an epsilon that is negative or not a number.
    """
    values = np.asarray(epsilon, dtype=np.float64)
    if n_models < 2 or not (values >= 0).all():
        raise ValueError("Points need at least two models per population and an epsilon of at least 0.")
    return rates.points(values, n_models)


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="forgetting_quality",
        version="3",
        summary="The NeurIPS 2023 challenge's metric: epsilons of attacks on unlearned against retrained models",
        evaluate=evaluate,
        needs="phi",
        source="Triantafillou et al. 2024 (arXiv 2406.09073); google-deepmind/unlearning_evaluation",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compute epsilons on the forget set by both families of attacks, their points, and the competition's score."""
    models = _equal_sizes(analysis.models)
    if why_not := models.why_not("forget"):
        absent = tuple(control_and_noop.missing(about, why_not) for about in reporting.EVERY)
        return Result(absent, warnings=(f"forgetting_quality: {why_not}",))
    resamples = bootstrap.resamples(analysis.evidence, models.sizes())
    found = {attack: _rows(models, attack) for attack in ATTACKS}
    rows = reporting.rows(found, resamples)
    bounds = _bounds(models)
    rows[reporting.LOWER_BOUND] = control_and_noop.without_interval(
        {row: float(values.mean()) for row, values in bounds.items()}
    )
    ratios = reporting.accuracy_ratios(models, resamples)
    if ratios is not None:
        rows[reporting.SCORE] = reporting.scores(rows[reporting.F_OFFICIAL], ratios)
    context = reporting.context(models.sizes())
    metrics = [reporting.with_context(control_and_noop.metric(about, each), context) for about, each in rows.items()]
    if ratios is None:
        metrics.append(control_and_noop.missing(reporting.SCORE, reporting.NO_RATIO))
    return Result(tuple(metrics), _arrays(found, rows) | _bound_arrays(bounds, models), _warnings(models, found, rows))


def _checked(name: str, phi: ArrayLike) -> Values:
    """Return phi as float64, or raise ValueError if it is invalid."""
    values = np.asarray(phi, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(f"{name} has shape {values.shape}; it must be (n_models, n_examples).")
    if len(values) < 2:
        raise ValueError(f"{name} has {len(values)} models; rates need at least 2.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds values that are not finite; clip phi first, e.g. to the released code's +-104.")
    return values


def _equal_sizes(models: Models) -> Models:
    """Cut all populations to the smaller of unlearned and retrained: epsilon's range and F's buckets depend on N."""
    size = min(len(models.order["unlearned"]), len(models.order["retrained"]))
    if size < evidence_analysis.MIN_MODELS:
        return models
    return replace(models, order={name: rows[:size] for name, rows in models.order.items()})


def _rows(models: Models, attack: AttackName) -> dict[str, Row]:
    """Return the comparisons of one family; the grid uses phi as the released code computes it."""
    phi = statistics.official_phi if attack == "official-grid" else Analysis.phi
    comparisons = models.panel("forget", phi).comparisons()
    rng = models.evidence.rng
    return {row: statistics.row(*pair, attack, rng(f"forgetting-quality-{row}")) for row, pair in comparisons.items()}


def _bounds(models: Models) -> dict[str, Values]:
    """Return lower bounds of epsilon on each example, by row."""
    comparisons = models.panel("forget", Analysis.phi).comparisons()
    rng = models.evidence.rng
    return {
        row: lower_bounds.lower(*pair, statistics.two_folds(len(pair[0]), len(pair[1]), rng(f"epsilon-bounds-{row}")))
        for row, pair in comparisons.items()
    }


def _arrays(
    found: Mapping[AttackName, Mapping[str, Row]], rows: Mapping[Description, Rows]
) -> dict[str, NDArray[np.float64]]:
    """Return epsilon of each example in the order of the forget set's ids, and the ends of positions' intervals."""
    arrays = {
        f"epsilon_{reporting.SHORT[attack]}_{row}": one.epsilon
        for attack, each in found.items()
        for row, one in each.items()
    }
    return arrays | control_and_noop.position_intervals(rows)


def _bound_arrays(bounds: Mapping[str, Values], models: Models) -> dict[str, Values]:
    """Return lower bounds of each example, in the order of the forget set's ids, and the largest possible bound."""
    largest = np.array([lower_bounds.certifiable(models.sizes()["unlearned"])])
    return {f"epsilon_lower_bound_{row}": values for row, values in bounds.items()} | {"epsilon_certifiable": largest}


def _warnings(
    models: Models, found: Mapping[AttackName, Mapping[str, Row]], rows: Mapping[Description, Rows]
) -> tuple[str, ...]:
    guarded = {row: one.guarded for row, one in found["official-grid"].items()}
    return (
        *control_and_noop.warnings("forgetting_quality", models, rows),
        *reporting.design_warnings(models, guarded),
        *reporting.size_warnings(models),
    )
