"""``efficiency``: time and memory of unlearning, relative to the limit and to retraining."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Evidence, Metric, Result, hookimpl
from harness_evaluators.common.bootstrap import RESAMPLES, Sampled
from harness_evaluators.common.control_and_noop import Description, Rows, metric, missing

Values = NDArray[np.float64]
Summary = Callable[[Values], Values]

_ANY = (0.0, np.inf)

FULL_MODELS = 512
"""Models per population in the NeurIPS 2023 Machine Unlearning Challenge."""

_REFERENCE_POPULATIONS = 3
_SECONDS_PER_HOUR = 3600.0

MEDIAN = Description("unlearn_median", "lower", "Median charged time of unlearning one model.", "s", _ANY)
P90 = Description("unlearn_p90", "lower", "90th percentile of the charged times of unlearning one model.", "s", _ANY)
MAX = Description("unlearn_max", "lower", "Longest charged time of unlearning one model.", "s", _ANY)
RETRAIN = Description(
    "retrain_median", "none", "Median time of retraining one model through the same runner.", "s", _ANY
)
RATIO = Description(
    "ratio",
    "lower",
    "Time of unlearning over time of retraining: medians over models, through the same runner, in what the limit counts "
    "(seconds, CPU seconds or examples); 1 is no gain.",
    "ratio",
    _ANY,
    headline=True,
)
LIMIT = Description("limit_share", "lower", "Largest cost of unlearning over the limit.", "ratio", _ANY)
RSS = Description("peak_rss", "lower", "Largest resident memory of any model's process.", "MiB", _ANY)
GPU = Description("peak_gpu", "lower", "Largest GPU memory of any model's process.", "MiB", _ANY)
TOTAL = Description("unlearn_total", "lower", "Sum of the charged times of all finished models of this run.", "s", _ANY)
FULL = Description(
    "full_benchmark",
    "lower",
    f"Time of unlearning {FULL_MODELS} models one after another, the number of the NeurIPS 2023 challenge: as many times "
    "the mean charged time; the reference populations are not included.",
    "h",
    _ANY,
)
FULL_REFERENCES = Description(
    "full_benchmark_references",
    "none",
    f"Time of training {FULL_MODELS} originals, retrained and control models each, one after another and each as long "
    "as retraining takes; needed once for all methods, and less where models are trained side by side.",
    "h",
    _ANY,
)

_NO_MODELS = "Not computed: no model has a time."
_NO_RETRAIN = "Not computed: the time of retraining was not measured."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="efficiency",
        version="3",
        summary="Time of unlearning against the limit and against retraining, cost of a full benchmark, and peak memory",
        evaluate=evaluate,
        source="medians and percentiles of measured times",
    )


def evaluate(evidence: Evidence) -> Result:
    """Summarise times and memory of the models that finished; models that hit the limit appear in the run's outcomes."""
    timings = evidence.timings
    unlearn = _resampled(timings.unlearn_s, evidence, "unlearn")
    retrain = _resampled(timings.retrain_s, evidence, "retrain")
    charged, full_price = unlearn, retrain
    if timings.clock == "steps":
        charged = _resampled(timings.unlearn_examples, evidence, "unlearn-examples")
        full_price = _resampled(timings.retrain_examples, evidence, "retrain-examples")
    metrics = [
        _summarised(MEDIAN, unlearn, _median),
        _summarised(P90, unlearn, _p90),
        _longest(unlearn[0]),
        _summarised(RETRAIN, retrain, _median, _NO_RETRAIN),
        _ratio(charged, full_price),
        _limit_share(charged[0], timings.limit_s),
        _total(unlearn[0]),
        _summarised(FULL, unlearn, _hours(FULL_MODELS)),
        _summarised(FULL_REFERENCES, retrain, _hours(_REFERENCE_POPULATIONS * FULL_MODELS), _NO_RETRAIN),
        _peak(RSS, timings.peak_rss_mib, "memory was not measured"),
        _peak(GPU, timings.peak_gpu_mib, "no GPU was used, or its memory was not measured"),
    ]
    return Result(tuple(metrics), {"unlearn_s": unlearn[0]}, _warnings(evidence))


def _median(values: Values) -> Values:
    return np.asarray(np.median(values, axis=-1))


def _p90(values: Values) -> Values:
    return np.asarray(np.quantile(values, 0.9, axis=-1))


def _hours(n_models: int) -> Summary:
    """Return a summary: hours for ``n_models`` models of the mean time."""
    return lambda values: np.asarray(values.mean(axis=-1) * n_models / _SECONDS_PER_HOUR)


def _resampled(values: Values, evidence: Evidence, name: str) -> tuple[Values, Values | None]:
    """Return values in ascending order with resamples of shape (RESAMPLES, n); None for fewer than two values."""
    ordered = _known(values)
    if ordered.size < 2:
        return ordered, None
    return ordered, evidence.rng(f"efficiency-{name}").choice(ordered, size=(RESAMPLES, ordered.size))


def _known(values: Values) -> Values:
    """Return the measured values in ascending order."""
    numbers = np.asarray(values, dtype=np.float64)
    return np.sort(numbers[np.isfinite(numbers)])


def _sampled(times: tuple[Values, Values | None], summary: Summary) -> Sampled:
    values, draws = times
    return Sampled(float(summary(values)), None if draws is None else summary(draws))


def _summarised(
    about: Description, times: tuple[Values, Values | None], summary: Summary, why_not: str = _NO_MODELS
) -> Metric:
    if times[0].size == 0:
        return missing(about, why_not)
    return metric(about, Rows(_sampled(times, summary)))


def _longest(values: Values) -> Metric:
    """Return the longest time, without interval: no resample exceeds it."""
    return metric(MAX, Rows(Sampled(float(values.max()), None))) if values.size else missing(MAX, _NO_MODELS)


def _total(values: Values) -> Metric:
    """Return the total time, without interval: it is a sum of measurements, not an estimate."""
    return metric(TOTAL, Rows(Sampled(float(values.sum()), None))) if values.size else missing(TOTAL, _NO_MODELS)


def _ratio(unlearn: tuple[Values, Values | None], retrain: tuple[Values, Values | None]) -> Metric:
    if unlearn[0].size == 0 or retrain[0].size == 0:
        return missing(RATIO, _NO_MODELS if unlearn[0].size == 0 else _NO_RETRAIN)
    above, below = _sampled(unlearn, _median), _sampled(retrain, _median)
    if below.value <= 0:
        return missing(RATIO, "Not computed: retraining took no measurable time.")
    if above.replicates is None:
        return metric(RATIO, Rows(Sampled(above.value / below.value, None)))
    # A single measurement of retraining is treated as exact: its spread is unknown.
    denominator = np.full(RESAMPLES, below.value) if below.replicates is None else below.replicates
    usable = denominator > 0
    return metric(RATIO, Rows(Sampled(above.value / below.value, above.replicates[usable] / denominator[usable])))


def _limit_share(times: Values, limit_s: float | None) -> Metric:
    if times.size == 0 or not limit_s:
        return missing(LIMIT, _NO_MODELS if times.size == 0 else "Not computed: there was no limit.")
    return metric(LIMIT, Rows(Sampled(float(times.max() / limit_s), None)))


def _peak(about: Description, values: Values, why_not: str) -> Metric:
    known = values[np.isfinite(values)]
    if known.size == 0:
        return missing(about, f"Not computed: {why_not}.")
    return metric(about, Rows(Sampled(float(known.max()), None)))


def _warnings(evidence: Evidence) -> tuple[str, ...]:
    found = []
    if _known(evidence.timings.unlearn_s).size == 0:
        found.append("efficiency: no model has a time.")
    if _known(evidence.timings.retrain_s).size == 0:
        found.append("efficiency: the time of retraining was not measured, so there is no ratio.")
    return tuple(found)
