"""``joint``: whole models compared, with one p-value, one distance, and a sentence on (epsilon, delta).

Other evaluators compare one forgotten example at a time; here a model is one observation, with its confidence on all of them. The
test for a difference is in :mod:`harness_evaluators.joint.kernel_test`, the attack whose errors bound epsilon and delta in
:mod:`harness_evaluators.joint.model_attack`, the bounds in :mod:`harness_evaluators.common.clopper_pearson`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Result, hookimpl
from harness_evaluators.common import (
    bootstrap,
    clopper_pearson,
    control_and_noop,
    finite,
    half_samples,
    likelihood_ratio,
    rank_scores,
)
from harness_evaluators.common.bootstrap import Linear
from harness_evaluators.common.control_and_noop import Description, Rows
from harness_evaluators.common.evidence_analysis import Analysis, Models
from harness_evaluators.joint import kernel_test, model_attack
from harness_evaluators.joint.kernel_test import Kernels
from harness_evaluators.joint.model_attack import Tested

Values = NDArray[np.float64]
Pairs = Mapping[str, tuple[Values, Values]]

EPSILONS = np.linspace(0, 4, 41)
"""Epsilons of the curve of delta."""

AT = 1.0
"""The epsilon at which ``delta_lower_bound`` is reported."""

ROWS = ("unlearned", "retrained", "control", "noop")

P = Description(
    "p",
    "higher",
    "p of a difference between whole models: kernel two-sample test of unlearned against retrained and control models, exact "
    "by permutation; uniform after perfect unlearning.",
    bounds=(0.0, 1.0),
)
RELATIVE_P = Description(
    "relative_p",
    "higher",
    "p of unlearned models being further from retrained ones than the control is: the same test relative to the variation "
    "between seeds; uniform after perfect unlearning.",
    bounds=(0.0, 1.0),
)
DISTANCE = Description(
    "distance",
    "lower",
    "Squared distance of whole models from retrained ones: unbiased maximum mean discrepancy of the ranks of confidences, 0 on "
    "average after perfect unlearning.",
)
EPSILON = Description(
    "epsilon_lower_bound",
    "lower",
    "Lower bound of epsilon for whole models, with 95 % confidence: an attack that sees all forgotten examples at once, chosen "
    "on one half of the models, its errors counted on the other and bounded (Clopper-Pearson).",
    bounds=(0.0, np.inf),
)
DELTA = Description(
    "delta_lower_bound",
    "lower",
    f"Lower bound of delta at epsilon {AT:g} for whole models, with 95 % confidence, from the same errors: a bound of the "
    "hockey-stick divergence.",
    bounds=(0.0, 1.0),
)
METRICS = (P, RELATIVE_P, DISTANCE, EPSILON, DELTA)

_NO_CONTROL = "Not computed: there is no control to compare with."
_FEW = f"Not computed: the attack needs {model_attack.FEWEST} models per population."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="joint",
        version="1",
        summary="Whole models compared: a kernel test with an exact p, and lower bounds of epsilon and delta",
        evaluate=evaluate,
        needs="phi",
        source="Gretton et al. 2012; Schrab et al. 2023; Jagielski et al. 2020; relative test: arXiv 2601.19755",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Compare whole models on the forget set."""
    models, evidence = analysis.models, analysis.evidence
    if why_not := models.why_not("forget"):
        missing = tuple(control_and_noop.missing(about, why_not) for about in METRICS)
        return Result(missing, warnings=(f"joint: {why_not}",))
    phi = _by_row(models)
    kernels = _kernels(phi)
    distance = _distances(kernels, models)
    bounds = _bounds(phi, evidence)
    metrics = (
        _p(kernels, evidence),
        _relative_p(kernels, evidence),
        _distance_metric(distance),
        *_bound_metrics(bounds, models),
    )
    return Result(metrics, _arrays(bounds) | control_and_noop.position_intervals({DISTANCE: distance}))


def _by_row(models: Models) -> dict[str, Values]:
    """Return phi of the models of each row with enough of them, shape (N, n)."""
    panel = models.panel("forget", Analysis.phi)
    rows = {row: getattr(panel, row) for row in ROWS}
    return {row: values for row, values in rows.items() if values is not None}


def _kernels(phi: Mapping[str, Values]) -> Kernels:
    """Return the kernels of normal scores of ranks among all models, which no model's scale can dominate."""
    pooled, _ = rank_scores.normal_scores(np.concatenate(list(phi.values())), np.empty((0, phi["unlearned"].shape[1])))
    ends = np.cumsum([len(values) for values in phi.values()])[:-1]
    return Kernels.of(dict(zip(phi, np.split(pooled, ends), strict=True)))


def _p(kernels: Kernels, evidence: Evidence) -> Metric:
    references = [row for row in ("retrained", "control") if row in kernels.rows]

    def p(row: str) -> float | None:
        others = [name for name in references if name != row]
        if row not in kernels.rows or not others:
            return None
        return kernel_test.p_value(kernels, row, others, evidence.rng(f"joint-p-{row}"))

    sizes = ", ".join(f"{len(kernels.rows[name])} {name}" for name in ("unlearned", *references))
    return _plain(P, {row: p(row) for row in ("unlearned", "control", "noop")}, f"{sizes} models.")


def _relative_p(kernels: Kernels, evidence: Evidence) -> Metric:
    if "control" not in kernels.rows:
        return control_and_noop.missing(RELATIVE_P, _NO_CONTROL)
    found = {
        row: kernel_test.relative_p_value(kernels, row, "control", "retrained", evidence.rng(f"joint-relative-{row}"))
        for row in ("unlearned", "noop")
        if row in kernels.rows
    }
    return _plain(RELATIVE_P, found, "")


def _plain(about: Description, rows: Mapping[str, float | None], note: str) -> Metric:
    """Return a metric without interval: a p-value or a bound."""
    found = control_and_noop.metric(
        about, control_and_noop.without_interval({row: value for row, value in rows.items() if value is not None})
    )
    return replace(found, note=note)


def _distances(kernels: Kernels, models: Models) -> Rows:
    """Return the squared distances from retrained models, with their noise from halves of the models."""
    resamples = bootstrap.resamples(models.evidence, models.sizes())
    rows = {row: _distance(kernels, row) for row in ("unlearned", "control", "noop") if row in kernels.rows}
    return control_and_noop.rows_of(rows, resamples)


def _distance(kernels: Kernels, row: str) -> Linear:
    if not kernels.each:
        return Linear(0.0)
    kernel, mine, theirs = kernels.each[kernel_test.MIDDLE], kernels.rows[row], kernels.rows["retrained"]

    def of_halves(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Values:
        return np.asarray(kernel_test.squared_distance(kernel, mine[left], theirs[right]))

    noise = half_samples.deviations((len(mine), len(theirs)), of_halves)
    return Linear(kernel_test.squared_distance(kernel, mine, theirs), deviations=noise)


def _distance_metric(rows: Rows) -> Metric:
    found = control_and_noop.metric(DISTANCE, rows)
    return replace(found, note=half_samples.FEW) if found.interval is None else found


def _bounds(phi: Mapping[str, Values], evidence: Evidence) -> dict[str, list[Tested]]:
    """Return the errors of the attack on whole models, by row; empty with too few models."""
    right, found = phi["retrained"], {}
    for row, left in phi.items():
        if row == "retrained" or min(len(left), len(right)) < model_attack.FEWEST:
            continue
        rng = evidence.rng(f"joint-attack-{row}")
        folds = tuple(likelihood_ratio.fold_numbers(len(side), 2, rng) for side in (left, right))
        found[row] = model_attack.tested(left, right, (folds[0], folds[1]), rng)
    return found


def _bound_metrics(bounds: Mapping[str, Sequence[Tested]], models: Models) -> tuple[Metric, Metric]:
    if "unlearned" not in bounds:
        return control_and_noop.missing(EPSILON, _FEW), control_and_noop.missing(DELTA, _FEW)
    epsilons = {row: model_attack.epsilon(halves) for row, halves in bounds.items()}
    deltas = {row: float(model_attack.delta(halves, np.array([AT]))[0]) for row, halves in bounds.items()}
    sizes = models.sizes()
    fewest = min(sizes["unlearned"], sizes["retrained"])
    return (
        _plain(EPSILON, epsilons, _sentence(epsilons["unlearned"], fewest)),
        _plain(DELTA, deltas, "Without interval: it is a confidence bound."),
    )


def _sentence(epsilon: float, n_models: int) -> str:
    """Return what the bound says, and the most that so many models could have shown."""
    largest = clopper_pearson.certifiable(n_models)
    most = f"{n_models} models can show at most {largest:.2f}."
    if epsilon <= 0:
        return f"No (epsilon, {clopper_pearson.DELTA:g}) is ruled out with 95 % confidence; {most}"
    return (
        f"With 95 % confidence, unlearned and retrained models are not (epsilon, {clopper_pearson.DELTA:g})-"
        f"indistinguishable for any epsilon below {epsilon:.2f}; {most}"
    )


def _arrays(bounds: Mapping[str, Sequence[Tested]]) -> dict[str, Values]:
    """Return the lower bound of delta as a function of epsilon, for each row."""
    if not bounds:
        return {}
    curves = {f"{row}_delta": model_attack.delta(halves, EPSILONS) for row, halves in bounds.items()}
    return {"epsilon": EPSILONS, **curves}
