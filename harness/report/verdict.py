"""The verdict: a documented rule on the metrics of the evaluator ``forgetting``.

Two questions are asked, each with its own test (:mod:`harness_evaluators.forgetting` documents the statistics):

- *Different?* ``difference_p``, an exact test for any difference from retrained models; 5 % family-wise.
- *As retrained?* Equivalence: ``memory_bound`` (upper bound of the share of the memory that is left) and ``shift_bound``
  (upper bound of the mean shift, in standard deviations) are both below the task's margins.

The rule; the first match wins. N is the number of judged models, one per original:

1. No model finished: ``failed``.
2. There is no ``difference_p``: ``unclear``. Also ``unclear``: no difference is seen, and the no-op's is not seen either
   (the run has no power), fewer than 90 % of the models finished, or ``memory_bound`` is at least 0.5.
3. No difference is seen, or only one that N models can show by chance (p > 0.05 min(1, 32 / N)); equivalence is shown with
   N >= 16, and 90 % of the models finished: ``as_retrained``.
4. No difference is seen: ``no_difference_seen``, with the bounds.
5. A difference is seen. All further tests share its family-wise 5 %.

   - The test set clearly differs as well (``placebo_p`` <= 0.01), and confidences differ no more on the forget set
     (``excess_p`` > 0.025): ``another_model``; ``mixed`` if the order of wrong classes does (``excess_wrong_p``).
   - Else, if the test set differs (``placebo_p`` <= 0.05), the memory left is measured relative to the test set.
   - Many examples are named on both sides, by models as diverse as retrained ones: ``mixed``.
   - Memory is left, its interval above 0: ``none`` if the interval reaches 95 % and the value 80 %, else ``partial``.
   - Examples are named as remembered, and few or none as over-forgotten, by models as diverse: ``partial``; ``mixed`` if
     mean confidence is below that of retrained models.
   - The interval of the memory left, or that of the shift, is below 0: ``over_forgetting``.
   - The test set differs, and the forget set shows no excess over it: ``another_model``.
   - Otherwise (wrong classes, spread, or correlations within a model): ``mixed``.

6. The evaluator ``durability`` ran, and memory comes back after small changes of the weights (``recovery_p`` <= 0.01, and the
   interval of ``memory_regained`` is above 0), by models as diverse as retrained ones:
   ``not_durable`` instead of the words that see no memory in the outputs:
   ``as_retrained``, ``no_difference_seen``, ``unclear``, ``over_forgetting`` and ``another_model``. That test is part of the
   family-wise 5 %: ``difference_p`` is then compared with 0.04 instead of 0.05.

The level alpha = 0.05 min(1, 32 / N) of step 3 shrinks because a test of more models detects ever smaller differences;
the equivalence test decides whether they matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.outcomes import ModelOutcome
from harness.report import verdict_words as words
from harness.report.document import EvaluatorRecord, VerdictLevel, VerdictRecord
from harness.report.findings import LEAST_FINISHED, LEAST_MODELS, Findings
from harness.tasks.task import Margins

FULL_POWER = 32
UNINFORMATIVE = 0.5
NO_MEMORY_SEEN: frozenset[VerdictLevel] = frozenset(
    ("as_retrained", "no_difference_seen", "unclear", "over_forgetting", "another_model")
)
"""Words that do not say that memory is left, which is wrong if it comes back."""
NEARLY_ALL, MOST = 0.95, 0.8
MANY, LOPSIDED = 0.02, 0.2
"""Thresholds of a mixed verdict: share of named examples on the smaller side, and ratio of the smaller to the larger side."""


@dataclass(frozen=True)
class Judged:
    """Models behind a verdict.

    Attributes:
        finished: originals of which a model finished.
        originals: all originals.
    """

    finished: int
    originals: int

    @classmethod
    def of(cls, models: Sequence[ModelOutcome]) -> Judged:
        """Count originals, or all models if there is only one original."""
        originals = {model.original for model in models}
        if len(originals) < 2:
            return cls(sum(model.status.finished for model in models), len(models))
        return cls(len({model.original for model in models if model.status.finished}), len(originals))

    @property
    def enough_finished(self) -> bool:
        """Return True if enough models finished that failures cannot select which models are judged."""
        return self.finished >= LEAST_FINISHED * self.originals


def decide_verdict(
    evaluators: Sequence[EvaluatorRecord],
    models: Sequence[ModelOutcome],
    margins: Margins = Margins(),  # noqa: B008 -- it is frozen
    undependable: str = "",
    *,
    substituted: bool = False,
) -> VerdictRecord:
    """Decide a run's verdict.

    Args:
        evaluators: their records.
        models: outcome of each model.
        margins: of the task.
        undependable: why the run's times are unreliable; empty if they are reliable.
        substituted: whether failed models count as their originals in the evaluators' numbers.
    """
    if not any(model.status.finished for model in models):
        return VerdictRecord(
            level="failed",
            sentence="No verdict: the plugin returned no usable model, see the causes of failure.",
            rule="No model finished.",
        )
    judged, cost = Judged.of(models), words.cost(evaluators, margins)
    found = Findings.of(evaluators)
    if found.difference_p is None:
        level: VerdictLevel = "unclear"
        meaning = words.nothing_found(evaluators)
    else:
        level = _level(found, judged, margins)
        meaning = words.meaning(level, found, judged.finished, judged.originals, margins)
    failures = words.failures(found, judged.finished, judged.originals, substituted=substituted)
    times = "Times are not dependable." if undependable else ""
    repeats = words.of_one_original(models), words.rests_on_repeats(models)
    sentences = (times, meaning, failures, cost.sentence, *repeats)
    return VerdictRecord(
        level=level,
        sentence=" ".join(text for text in sentences if text),
        rule=words.rule(level, found, judged.finished, judged.originals, margins),
        below_floor=cost.below_floor,
    )


def _level(found: Findings, judged: Judged, margins: Margins) -> VerdictLevel:
    level = _level_of_outputs(found, judged, margins)
    return "not_durable" if level in NO_MEMORY_SEEN and found.comes_back(judged.finished) else level


def _level_of_outputs(found: Findings, judged: Judged, margins: Margins) -> VerdictLevel:
    p = found.difference_p or 0.0
    known = found.visible and judged.enough_finished
    alpha = found.level * min(1.0, FULL_POWER / max(judged.finished, 1))
    if p > alpha and known and judged.finished >= LEAST_MODELS and found.equivalent(margins):
        return "as_retrained"
    if p <= found.level:
        return _kind(found, judged)
    informative = found.memory_bound is not None and found.memory_bound < UNINFORMATIVE
    return "no_difference_seen" if known and informative else "unclear"


def _kind(found: Findings, judged: Judged) -> VerdictLevel:
    """Return the kind of difference."""
    if found.unmarked:
        return "mixed" if found.stands_out else "another_model"
    remembered, below = False, _below(found)
    if found.visible:
        if _both_ways(found, judged):
            return "mixed"
        left = found.left()
        if left is not None and left.low > 0:
            return "none" if left.high >= NEARLY_ALL and left.value >= MOST else "partial"
        remembered = found.mostly_remembered and not found.collapsed(judged.finished)
    if remembered:
        return "mixed" if below else "partial"
    if below:
        return "over_forgetting"
    return "another_model" if found.other_kind and not found.stands_out else "mixed"


def _below(found: Findings) -> bool:
    """Return True if confidence on the forget set is below that of models that never saw it."""
    left = found.left() if found.visible else None
    shift = found.shift_calibrated if found.other_kind else found.shift
    return (left is not None and left.least_high < 0) or (shift is not None and shift.high < 0)


def _both_ways(found: Findings, judged: Judged) -> bool:
    """Return True if many examples are named on both sides; near-copies of a few models name examples by chance."""
    smaller, larger = sorted((found.under or 0.0, found.over or 0.0))
    return not found.collapsed(judged.finished) and smaller >= MANY and smaller >= LOPSIDED * larger
