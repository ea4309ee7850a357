"""The verdict: a documented rule on what the evaluator ``forgetting`` found.

Two questions are asked, and each has its own test (:mod:`harness_evaluators.forgetting` has the statistics):

- *Different?* ``difference_p``, an exact test for any difference from retrained models; 5 % family-wise.
- *As retrained?* Equivalence: ``memory_bound`` (up to which share of the memory may be left) and ``shift_bound`` (up to how
  many standard deviations the mean shift may be) both lie below the task's margins.

The rule, first match wins; N is the number of judged models, one for each original:

1. No model finished: ``failed``.
2. There is no ``difference_p``: ``unclear``. Likewise where no difference is seen, but the no-op's is not seen either
   (nothing could have been seen), fewer than 90 % of the models finished, or ``memory_bound`` is half or more.
3. No difference is seen, or one that is no stronger than so many models show by chance (p > 0.05 min(1, 32 / N)), and
   equivalence is shown with N >= 16 and 90 % of the models: ``as_retrained``.
4. No difference is seen: ``no_difference_seen``, with the bounds.
5. A difference is seen; all that follows is within its 5 %, family-wise.

   - The test set surely differs as well (``placebo_p`` <= 0.01), and confidences by no more on the forget set
     (``excess_p`` > 0.025): ``another_model``, or ``mixed`` where wrong classes do differ by more (``excess_wrong_p``).
   - Else, where the test set differs (``placebo_p`` <= 0.05), what is left is judged as seen from there;
   - many examples are named on either side, by models that differ among each other as retrained ones do: ``mixed``;
   - memory is left, its interval above 0: ``none`` where the interval reaches 95 % and the value 80 %, else ``partial``;
   - examples are named as remembered, and few or none as over-forgotten, by such models: ``partial``, or ``mixed`` where
     confidence lies below on average;
   - the interval of what is left, or that of the shift, lies below 0: ``over_forgetting``;
   - the test set differs, and nothing stands out from it on the forget set: ``another_model``;
   - otherwise (other classes, the spread, or what goes together in a model): ``mixed``.

The level alpha = 0.05 min(1, 32 / N) of step 3 shrinks because a test of ever more models finds ever smaller differences;
equivalence is what says whether they matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import verdict_words as words
from harness.report.findings import LEAST_FINISHED, LEAST_MODELS, LEVEL, Findings
from harness.report.model import EvaluatorRecord, ModelRecord, VerdictLevel, VerdictRecord
from harness.tasks.model import Margins

FULL_POWER = 32
UNINFORMATIVE = 0.5
NEARLY_ALL, MOST = 0.95, 0.8
MANY, LOPSIDED = 0.02, 0.2
"""Shares: of named examples on the smaller side, and of it to the larger side, from which on a verdict is mixed."""


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
    def of(cls, models: Sequence[ModelRecord]) -> Judged:
        """Count originals, or all models where there is only one original."""
        originals = {model.original for model in models}
        if len(originals) < 2:
            return cls(sum(model.status.finished for model in models), len(models))
        return cls(len({model.original for model in models if model.status.finished}), len(originals))

    @property
    def enough_finished(self) -> bool:
        """Whether failures are too few to choose by them which models are judged."""
        return self.finished >= LEAST_FINISHED * self.originals


def decide_verdict(
    evaluators: Sequence[EvaluatorRecord],
    models: Sequence[ModelRecord],
    margins: Margins = Margins(),  # noqa: B008 -- it is frozen
    undependable: str = "",
    *,
    substituted: bool = False,
) -> VerdictRecord:
    """Decide a run's verdict.

    Args:
        evaluators: their records.
        models: how each model ended.
        margins: of the task.
        undependable: why the run's times are not dependable; empty where they are.
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
    p = found.difference_p or 0.0
    known = found.visible and judged.enough_finished
    alpha = LEVEL * min(1.0, FULL_POWER / max(judged.finished, 1))
    if p > alpha and known and judged.finished >= LEAST_MODELS and found.equivalent(margins):
        return "as_retrained"
    if p <= LEVEL:
        return _kind(found, judged)
    informative = found.memory_bound is not None and found.memory_bound < UNINFORMATIVE
    return "no_difference_seen" if known and informative else "unclear"


def _kind(found: Findings, judged: Judged) -> VerdictLevel:
    """Return what kind of difference it is."""
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
    """Return whether confidence on the forget set lies below that of models that never saw it."""
    left = found.left() if found.visible else None
    shift = found.shift_calibrated if found.other_kind else found.shift
    return (left is not None and left.least_high < 0) or (shift is not None and shift.high < 0)


def _both_ways(found: Findings, judged: Judged) -> bool:
    """Return whether many examples are named on either side; copies of few models name examples by chance."""
    smaller, larger = sorted((found.under or 0.0, found.over or 0.0))
    return not found.collapsed(judged.finished) and smaller >= MANY and smaller >= LOPSIDED * larger
