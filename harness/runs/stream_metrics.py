"""Metrics of a stream of requests: pure functions of outputs after each request.

All compare the models after request t with retrained models of the same prefix, which never saw what requests 1 to t delete.
The control is a second population of these, and the no-op the originals of the first request, untouched by any.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.evaluation import Evidence, Interval, Metric, SplitName

Values = NDArray[np.float64]
Ends = tuple[float, float]
LEVEL, POWER = 0.95, 0.8
WELCH = "Welch's t over models"


def accuracies(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Values:
    """Return each model's share of right answers, shape (N,), from logits of shape (N, n, C)."""
    return np.asarray((logits.argmax(axis=2) == labels).mean(axis=1), dtype=np.float64)


def split_metrics(evidence: Evidence, split: SplitName) -> tuple[Metric, Metric]:
    """Return ``SPLIT_accuracy`` and ``SPLIT_loss`` after a request: the mean accuracy, and how far it is below that of retrained.

    The loss is mean(retrained) - mean(unlearned), with Welch's interval over models. Its control is the same difference for the
    control models, about 0; its no-op that for the untouched originals.
    """
    by = {name: accuracies(found[split], evidence.labels[split]) for name, found in evidence.logits.items()}
    unlearned, retrained, control, original = (by[name] for name in ("unlearned", "retrained", "control", "original"))
    accuracy = Metric(
        name=f"{split}_accuracy",
        value=_mean(unlearned),
        direction="closer_to_reference",
        description=f"Accuracy on the {split} set, mean over models.",
        unit="share",
        interval=mean_interval(unlearned),
        control=_mean(control),
        control_interval=mean_interval(control),
        noop=_mean(original),
        note="" if len(unlearned) else "No model was returned.",
    )
    loss = Metric(
        name=f"{split}_loss",
        value=_mean(retrained, unlearned),
        direction="lower",
        description=f"Accuracy on the {split} set that is lost against retrained models of the same requests.",
        unit="share",
        interval=difference_interval(retrained, unlearned),
        control=_mean(retrained, control),
        control_interval=difference_interval(retrained, control),
        noop=_mean(retrained, original),
        smallest_visible=smallest_visible(retrained, control),
        note="" if len(unlearned) else "No model was returned.",
    )
    return accuracy, loss


def change(name: str, description: str, first: Metric, last: Metric) -> Metric:
    """Return ``last`` minus ``first``, of two metrics after different requests, with the same change of control and no-op.

    The interval adds the facing half-widths of both in quadrature. It is too wide if the models of both are the same, since
    what is common to both cancels.
    """
    return mean_change(name, description, [(first, last)])


def memory_left(attack: Metric, position: Ends | None) -> Metric:
    """Return the share of the originals' memory that an attack finds: (AUC - control) / (no-op - control).

    Retrained models score 0 and the originals 1, whatever population the attack is fitted to. So it can be compared between
    requests, which have other retrained models, and the AUC cannot.

    Args:
        attack: AUC with control and no-op.
        position: interval of its position between no-op (0) and control (1); None if it is unknown.
    """
    text = "Share of the originals' memory of the examples that an attack finds."
    if attack.position is None or attack.control is None or attack.noop is None:
        note = attack.note or "Originals and retrained models cannot be told apart on these examples."
        return Metric("memory_left", None, "closer_to_reference", text, "share", note=note)
    scale, about = attack.noop - attack.control, attack.control_interval
    return Metric(
        name="memory_left",
        value=1 - attack.position,
        direction="closer_to_reference",
        description=text,
        unit="share",
        interval=None
        if position is None
        else Interval(1 - position[1], 1 - position[0], LEVEL, "that of the position"),
        control=0.0,
        control_interval=None
        if about is None or not scale
        else Interval((about.low - attack.control) / scale, (about.high - attack.control) / scale, LEVEL, about.method),
        noop=1.0,
        position=attack.position,
    )


def reversal(memory: Mapping[tuple[int, int], Metric], after: int) -> Metric | None:
    """Return how much memory of earlier requests' examples has come back since their own request; None for the first request.

    Value: the mean over s < t of M(s, t) - M(s, s), where M(s, t) is the memory left of the examples of request s after request
    t. Above 0: what was forgotten comes back. Control and no-op are 0 by definition of M.

    Args:
        memory: M, by (s, t).
        after: t.
    """
    if after < 2:
        return None
    pairs = [(memory[s, s], memory[s, after]) for s in range(1, after) if (s, s) in memory and (s, after) in memory]
    text = "Share of the originals' memory of earlier requests' examples that has come back since their own request."
    return mean_change("reversal", text, pairs)


def mean_change(name: str, description: str, pairs: Sequence[tuple[Metric, Metric]]) -> Metric:
    """Return the mean of (last - first) over pairs of metrics; see :func:`change`.

    The half-widths of the pairs are averaged, as if the pairs were fully dependent: their models are the same.
    """
    known = [(one, other) for one, other in pairs if one.value is not None and other.value is not None]
    if not pairs or len(known) < len(pairs):
        note = "An earlier request has no value." if pairs else "There is no earlier request."
        return Metric(name, None, "closer_to_reference", description, note=note)

    def mean(values: Sequence[float | None]) -> float | None:
        return None if None in values else float(np.mean([value for value in values if value is not None]))

    value = mean([_minus(other.value, one.value) for one, other in pairs])
    ends = [_facing(one.value, one.interval, other.value, other.interval) for one, other in pairs]
    control = mean([_minus(other.control, one.control) for one, other in pairs])
    control_ends = [
        _facing(one.control, one.control_interval, other.control, other.control_interval) for one, other in pairs
    ]
    reached = _interval(control, control_ends)
    return Metric(
        name=name,
        value=value,
        direction="closer_to_reference",
        description=description,
        unit=pairs[0][0].unit,
        interval=_interval(value, ends),
        control=control,
        control_interval=reached,
        noop=mean([_minus(other.noop, one.noop) for one, other in pairs]),
        smallest_visible=None if reached is None else (reached.high - reached.low) / 2,
    )


def mean_interval(values: Values) -> Interval | None:
    """Return Student's interval of a mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    middle = float(values.mean())
    return Interval(middle - half, middle + half, LEVEL, "Student's t over models")


def difference_interval(one: Values, other: Values) -> Interval | None:
    """Return Welch's interval of mean(one) - mean(other); None unless both have two values."""
    if min(len(one), len(other)) < 2:
        return None
    error, freedom = _welch(one, other)
    half = error * float(stats.t.ppf((1 + LEVEL) / 2, freedom)) if error else 0.0
    middle = float(one.mean() - other.mean())
    return Interval(middle - half, middle + half, LEVEL, WELCH)


def smallest_visible(one: Values, other: Values) -> float | None:
    """Return the difference of two means that a two-sided 5 % test sees with a probability of 80 %; None if it is unknown."""
    if min(len(one), len(other)) < 2:
        return None
    error, freedom = _welch(one, other)
    return error * float(stats.t.ppf((1 + LEVEL) / 2, freedom) + stats.t.ppf(POWER, freedom)) if error else 0.0


def _welch(one: Values, other: Values) -> tuple[float, float]:
    """Return the standard error of a difference of means, and the degrees of freedom after Welch and Satterthwaite."""
    parts = [(values.var(ddof=1) / len(values), len(values) - 1) for values in (one, other)]
    total = sum(part for part, _ in parts)
    if not total:
        return 0.0, 1.0
    return math.sqrt(total), float(total**2 / sum(part**2 / count for part, count in parts))


def _mean(one: Values, less: Values | None = None) -> float | None:
    if not len(one) or (less is not None and not len(less)):
        return None
    return float(one.mean() - (0.0 if less is None else less.mean()))


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _facing(
    first: float | None, first_ends: Interval | None, last: float | None, last_ends: Interval | None
) -> Ends | None:
    """Return the half-widths of last - first, downwards and upwards; None if an interval is missing."""
    if first is None or last is None or first_ends is None or last_ends is None:
        return None
    return math.hypot(last - last_ends.low, first_ends.high - first), math.hypot(
        last_ends.high - last, first - first_ends.low
    )


def _interval(value: float | None, ends: Sequence[Ends | None]) -> Interval | None:
    known = [one for one in ends if one is not None]
    if value is None or len(known) < len(ends):
        return None
    below, above = np.mean(known, axis=0)
    return Interval(
        value - float(below), value + float(above), LEVEL, "facing half-widths of both intervals in quadrature"
    )
