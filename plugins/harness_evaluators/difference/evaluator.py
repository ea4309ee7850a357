"""``difference``: what the change of the weights gives away, and what predicts that memory comes back.

The *holder* has a model before and after, the probe's arrays of :mod:`harness.probes.difference`. Control and retrained models
are compared with the original of the same number, as if it had been unlearned into them: perfect unlearning is like the
control. The *outsider* has the model after alone: :mod:`harness_evaluators.difference.outsider`.

Distance and barrier are no evidence of memory: they predict how well a model can be brought back (arXiv 2505.22310).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import EvaluatorInfo, Metric, Result, SplitName, hookimpl, probed
from harness_evaluators.common import bootstrap, clopper_pearson, control_and_noop, finite, gap_metrics
from harness_evaluators.common.bootstrap import Resamples
from harness_evaluators.common.control_and_noop import Description
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.common.probe_rows import ProbeRows
from harness_evaluators.common.separation import share_above
from harness_evaluators.difference import outsider

Values = NDArray[np.float64]
Singles = NDArray[np.float32]

PROBE = "difference"
AT = "@"
EXAMPLES = 512
"""Most examples of a split in the probe's arrays."""
FEWEST = 4
"""Fewest examples of a class, subjects or examples for a comparison."""
MAJORITY = 0.5
"""Share of the forget set that a class needs in order to be the one that was removed."""

DISTANCE = Description(
    "distance",
    "closer_to_reference",
    "Distance of the weights from the original's, divided by the retrained models' mean distance: a small one predicts that "
    "memory can be brought back. Not part of the verdict.",
    bounds=(0.0, np.inf),
    distance=np.abs,
)
BARRIERS: Mapping[str, Description] = {
    split: Description(
        name,
        "closer_to_reference",
        f"Barrier of the loss on the straight line to the original, on {split}{ending} examples: without one, memory can "
        "often be brought back. Not part of the verdict.",
        unit="nats",
        bounds=(0.0, np.inf),
        distance=np.abs,
    )
    for split, name, ending in (("retain", "barrier", "ed"), ("test", "barrier_test", ""))
}
REMOVED = Description(
    "removed_auc",
    "closer_to_reference",
    "Forgotten examples named by a holder of both models: AUC of the slope of an example's loss along the "
    "change of the weights, mean over models.",
    bounds=(0.0, 1.0),
    headline=True,
    distance=np.abs,
)
REMOVED_CLASS = Description(
    "removed_class",
    "closer_to_reference",
    "Share of models whose holder names the class that was removed: the one with the steepest mean slope on test examples.",
    unit="share",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
REMOVED_SUBJECT = Description(
    "removed_subject_auc",
    "closer_to_reference",
    "AUC of a holder who tells forgotten from retained subjects by the mean slope of their examples; the mean over models.",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
RECONSTRUCTED = Description(
    "reconstruction_auc",
    "closer_to_reference",
    "AUC between forgotten and test examples of the cosine with what is reconstructed of the forgotten examples of their class "
    "from the change of the last layer; the mean over models.",
    bounds=(0.0, 1.0),
    distance=np.abs,
)
COSINE = Description(
    "reconstruction_cosine",
    "closer_to_reference",
    "Mean cosine of forgotten examples with their reconstruction, in the features that the last layer reads.",
    bounds=(-1.0, 1.0),
    distance=np.abs,
)
OF_HOLDER = (DISTANCE, *BARRIERS.values(), REMOVED, REMOVED_CLASS, REMOVED_SUBJECT, RECONSTRUCTED, COSINE)
NO_HEAD = "Not computed: the network's last layer is not linear with an output for each class."


@hookimpl
def harness_evaluator() -> EvaluatorInfo:
    """Register the evaluator."""
    return EvaluatorInfo(
        name="difference",
        version="1",
        summary="What the change of the weights gives away to a holder of both models, and the result alone to an outsider",
        evaluate=evaluate,
        probes=(PROBE,),
        default=False,
        source="arXiv 2505.22310 (distance, barrier), arXiv 2405.20272 (reconstruction), arXiv 2604.07386 (class)",
    )


@finite.finite
def evaluate(analysis: Analysis) -> Result:
    """Judge the change of the weights, and the outputs on the test set."""
    rows = ProbeRows(analysis.models, PROBE, "differences of weights")
    outside, why_none = outsider.metric(analysis)
    if why_not := rows.why_not():
        missing = [control_and_noop.missing(about, why_not) for about in OF_HOLDER]
        return Result((*missing, outside), warnings=(f"difference: {why_not}", *why_none))
    holder = _Holder(rows, bootstrap.resamples(analysis.evidence, rows.sizes()))
    metrics = (
        *holder.distances(),
        *holder.barriers(),
        holder.removed(),
        holder.removed_class(),
        holder.removed_subject(),
        *holder.reconstructed(),
        outside,
    )
    return Result(metrics, holder.lines(), warnings=why_none)


class _Holder:
    """The metrics of a holder of both models.

    Args:
        rows: the probe's arrays.
        resamples: of the run.
    """

    def __init__(self, rows: ProbeRows, resamples: Resamples) -> None:
        self._rows, self._evidence, self._resamples = rows, rows.evidence, resamples

    def _metric(self, about: Description, values: Mapping[str, Values]) -> Metric:
        return gap_metrics.metric(about, values, self._resamples)

    def _leak(self, about: Description, values: Mapping[str, Values]) -> Metric:
        """Return a metric of the holder. It has no position: an untouched model has no difference, which gives nothing away."""
        return replace(self._metric(about, values), position=None)

    def barriers(self) -> list[Metric]:
        """Return the barriers on the line to the original."""
        lines = {split: self._rows.of(f"line_{split}") for split in BARRIERS}
        return [
            self._metric(BARRIERS[split], {row: barriers(one) for row, one in of.items()})
            for split, of in lines.items()
        ]

    def lines(self) -> dict[str, Values]:
        """Return the mean loss on the line with its interval, shape (3, points), by split and row."""
        return {
            f"{row}_on_line_{split}": self._with_interval(row, losses)
            for split in BARRIERS
            for row, losses in self._rows.of(f"line_{split}").items()
            if row in ("unlearned", "control")
        }

    def _with_interval(self, row: str, losses: Singles) -> Values:
        found = [self._resamples.mean(row, one) for one in losses.T.astype(np.float64)]
        ends = [(one, one.interval((0.0, np.inf))) for one in found]
        values = [[one.value, *((end.low, end.high) if end else (one.value,) * 2)] for one, end in ends]
        return np.asarray(np.array(values).T, dtype=np.float64)

    def distances(self) -> list[Metric]:
        """Return the distance of the whole network and of its children."""
        names = sorted(self._rows.arrays["retrained"])
        of_children = [name for name in names if name.startswith(f"distance{AT}")]
        return [self._distance(DISTANCE, "distance"), *(self._distance(_of_child(one), one) for one in of_children)]

    def _distance(self, about: Description, array: str) -> Metric:
        """Return a distance in units of the retrained models' mean."""
        found = {row: np.asarray(one, dtype=np.float64) for row, one in self._rows.of(array).items()}
        unit = float(found["retrained"].mean())
        if unit == 0:
            return control_and_noop.missing(about, "Not computed: retrained models have the originals' weights.")
        return self._metric(about, {row: one / unit for row, one in found.items()})

    def _both(self, left: str, right: str) -> dict[str, tuple[Singles, Singles]]:
        """Return two arrays by row."""
        one, other = self._rows.of(left), self._rows.of(right)
        return {row: (one[row], other[row]) for row in one if row in other}

    def removed(self) -> Metric:
        """Return how well forgotten and retained examples are told apart."""
        return self._compared(REMOVED, f"slope{AT}forget", f"slope{AT}retain", "")

    def _compared(self, about: Description, left: str, right: str, otherwise: str) -> Metric:
        both = self._both(left, right)
        if not both:
            return control_and_noop.missing(about, otherwise)
        sizes = [one.shape[1] for one in both["retrained"]]
        if min(sizes) < FEWEST:
            return control_and_noop.missing(
                about, f"Not computed: {min(sizes)} examples; it needs {FEWEST} of each kind."
            )
        return self._leak(about, {row: share_above(*pair) for row, pair in both.items()})

    def _labels(self, split: SplitName, count: int) -> NDArray[np.int64]:
        return self._evidence.labels[split][probed(len(self._evidence.labels[split]), min(EXAMPLES, count))]

    def removed_class(self) -> Metric:
        """Return how often the class that most forgotten examples have is named."""
        classes, counts = np.unique(self._evidence.labels["forget"], return_counts=True)
        wanted = classes[counts.argmax()]
        if counts.max() < MAJORITY * counts.sum():
            return control_and_noop.missing(REMOVED_CLASS, "Not computed: no class has half of the forget set.")
        slopes = self._rows.of(f"slope{AT}test")
        labels = self._labels("test", slopes["retrained"].shape[1])
        known, seen = np.unique(labels, return_counts=True)
        known = known[seen >= FEWEST]
        if wanted not in known or len(known) < 2:
            return control_and_noop.missing(
                REMOVED_CLASS, f"Not computed: fewer than {FEWEST} test examples of the class, or of any other."
            )
        values = {row: _named(_means(one, labels, known), known == wanted) for row, one in slopes.items()}
        names = self._evidence.class_names
        shown = names[wanted] if names else str(wanted)
        found = self._leak(replace(REMOVED_CLASS, note=f"Class: {shown}; by chance: {1 / len(known):.3f}."), values)
        exact = {row: clopper_pearson.interval(float(one.sum()), len(one)) for row, one in values.items()}
        control = exact.get("control")
        return replace(
            found,
            interval=exact["unlearned"],
            control_interval=control,
            smallest_visible=None if control is None else (control.high - control.low) / math.sqrt(2),
        )

    def removed_subject(self) -> Metric:
        """Return how well forgotten and retained subjects are told apart."""
        both = self._both(f"slope{AT}forget", f"slope{AT}retain")
        named = self._evidence.subjects
        if not {"forget", "retain"} <= set(named):
            return control_and_noop.missing(REMOVED_SUBJECT, "Not computed: the examples have no subjects.")
        counts = dict(zip(("forget", "retain"), (one.shape[1] for one in both["retrained"]), strict=True))
        subjects = {split: named[split][probed(len(named[split]), counts[split])] for split in counts}
        kinds = {split: np.unique(one) for split, one in subjects.items()}
        kinds["retain"] = np.setdiff1d(kinds["retain"], kinds["forget"])
        if min(map(len, kinds.values())) < FEWEST:
            return control_and_noop.missing(REMOVED_SUBJECT, f"Not computed: fewer than {FEWEST} subjects of a kind.")

        def share(forget: Singles, retain: Singles) -> Values:
            return share_above(
                _means(forget, subjects["forget"], kinds["forget"]), _means(retain, subjects["retain"], kinds["retain"])
            )

        return self._leak(REMOVED_SUBJECT, {row: share(*pair) for row, pair in both.items()})

    def reconstructed(self) -> tuple[Metric, Metric]:
        """Return how near forgotten examples are to their reconstruction, against test examples and by themselves."""
        compared = self._compared(RECONSTRUCTED, f"cosine{AT}forget", f"cosine{AT}test", NO_HEAD)
        cosines = self._rows.of(f"cosine{AT}forget")
        if not cosines:
            return compared, control_and_noop.missing(COSINE, NO_HEAD)
        means = {row: one.astype(np.float64).mean(axis=1) for row, one in cosines.items()}
        return compared, self._leak(COSINE, means)


def barriers(losses: Singles) -> Values:
    """Return the largest excess of the losses on a line over the straight line between its ends; (N, points) to (N,)."""
    exact, shares = losses.astype(np.float64), np.linspace(0, 1, losses.shape[1])
    return np.asarray(np.max(exact - exact[:, :1] * (1 - shares) - exact[:, -1:] * shares, axis=1))


def _of_child(array: str) -> Description:
    """Return the metric of a child of the network; its place is part of the name, because names may be equal as words."""
    _, place, child = array.split(AT, 2)
    name = re.sub(r"[^a-z0-9]+", "_", child.lower()).strip("_")
    text = f"As distance, of the weights of the network's part {child}."
    return replace(DISTANCE, name=f"distance_part_{int(place)}_{name}".strip("_"), text=text)


def _named(means: Values, wanted: NDArray[np.bool_]) -> Values:
    """Return, per model, whether the largest mean is that of the wanted class; if several are, the chance to pick it."""
    largest = means == means.max(axis=1, keepdims=True)
    return np.asarray((largest & wanted).sum(axis=1) / largest.sum(axis=1))


Kinds = NDArray[np.int64] | NDArray[np.str_]


def _means(values: Singles, kinds: Kinds, wanted: Kinds) -> Values:
    """Return the mean of values (N, n) over the examples of each wanted kind, shape (N, number of kinds)."""
    return np.stack([values[:, kinds == kind].astype(np.float64).mean(axis=1) for kind in wanted], axis=1)
