"""The verdict in words: a documented rule on the membership-inference attack's AUC, its control and its no-op.

The AUC says how well an attack tells a forgotten example's confidence under unlearned models from that under retrained
ones; 0.5 is chance. ``value`` is the plugin's, ``control`` that of retrained models of other seeds (perfect),
``noop`` that of the untouched originals. The rule, first match wins:

1. No model finished: ``failed``.
2. There is no AUC, no control, or nothing that says how uncertain they are: ``unclear``.
3. *Like control* means that the two intervals overlap or that the difference is below ``smallest_visible``.
   The attack *works* when the no-op lies above the control by more than ``smallest_visible`` and outside its interval.

   - like control, and the attack works, and the interval stays below the no-op: ``as_retrained``;
   - like control otherwise: ``unclear``, for the run could not have told forgetting from its absence.
4. Unlike control, and the metric ``direction`` says that confidence on the forget set lies below the retrained models',
   by more than its own ``smallest_visible``: ``over_forgetting``. (The attack's AUC rises on either side.)
5. Unlike control, and the interval reaches the no-op or lies above it: ``none``. But where both AUCs are above 0.99 the attack is
   at its ceiling and cannot rank; ``direction`` decides then: ``partial`` where it lies nearer to its control than its no-op
   does, by more than ``smallest_visible``.
6. Otherwise: ``partial``.

Three things are added in words whatever the level: an accuracy on the test set that lies below the control's by more than
0.02 and more than its ``smallest_visible``; that all models come from one original; and on how many models the verdict rests
where some failed or originals were unlearned repeatedly.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.model import EvaluatorRecord, MetricRecord, ModelRecord, VerdictLevel, VerdictRecord
from harness.report.words import interval, number

EVALUATOR = "lira"
AUC = "auc"
SHIFT = "direction"
UTILITY = ("accuracy", "test")
UTILITY_TOLERANCE = 0.02
CEILING = 0.99


def decide_verdict(evaluators: Sequence[EvaluatorRecord], models: Sequence[ModelRecord]) -> VerdictRecord:
    """The verdict of a run from its evaluators' records and its models' ends; see the module's rule."""
    if not any(model.status.finished for model in models):
        sentence = "No verdict: the plugin returned no usable model, see the causes of failure."
        return VerdictRecord(level="failed", sentence=sentence, rule="No model finished.")
    auc = _metric(evaluators, EVALUATOR, AUC)
    if auc is None or not _usable(auc):
        return _no_auc(evaluators, models)
    level = _level(auc, _metric(evaluators, EVALUATOR, SHIFT))
    parts = (_meaning(level, auc), _utility(evaluators), _of_one_original(models), _rests_on(models))
    return VerdictRecord(level=level, sentence=" ".join(part for part in parts if part), rule=_rule(level, auc))


def like_control(auc: MetricRecord) -> bool:
    """The intervals overlap, or the difference is too small for this run to see."""
    if auc.value is None or auc.control is None:
        return False
    small = abs(auc.value - auc.control) < (auc.smallest_visible or 0.0)
    return small or (_low(auc) <= _control_high(auc) and _high(auc) >= _control_low(auc))


def attack_works(auc: MetricRecord) -> bool:
    """The no-op is seen to lie above the control: the run could have noticed a failure to forget."""
    if auc.noop is None or auc.control is None:
        return False
    return auc.noop - auc.control > (auc.smallest_visible or 0.0) and auc.noop > _control_high(auc)


def _level(auc: MetricRecord, shift: MetricRecord | None) -> VerdictLevel:
    if like_control(auc):
        clear = attack_works(auc) and _high(auc) < (auc.noop or 0.0)
        return "as_retrained" if clear else "unclear"
    if _below_retrained(shift):
        return "over_forgetting"
    if auc.noop is None or _high(auc) < auc.noop or _moved_at_the_ceiling(auc, shift):
        return "partial"
    return "none"


def _moved_at_the_ceiling(auc: MetricRecord, shift: MetricRecord | None) -> bool:
    """The attack is right on every model, before and after, yet confidence has come nearer to the retrained models'."""
    if min(auc.value or 0.0, auc.noop or 0.0) <= CEILING:
        return False
    if shift is None or shift.value is None or shift.noop is None:
        return False
    perfect = shift.control or 0.0
    return abs(shift.noop - perfect) - abs(shift.value - perfect) > (shift.smallest_visible or 0.0)


def _below_retrained(shift: MetricRecord | None) -> bool:
    if shift is None or shift.value is None:
        return False
    return shift.value < (shift.control or 0.0) - (shift.smallest_visible or 0.0)


def _usable(auc: MetricRecord) -> bool:
    known = auc.value is not None and auc.control is not None
    return known and (auc.interval is not None or auc.smallest_visible is not None)


def _low(auc: MetricRecord) -> float:
    return auc.interval.low if auc.interval else auc.value or 0.0


def _high(auc: MetricRecord) -> float:
    return auc.interval.high if auc.interval else auc.value or 0.0


def _control_low(auc: MetricRecord) -> float:
    return auc.control_interval.low if auc.control_interval else auc.control or 0.0


def _control_high(auc: MetricRecord) -> float:
    return auc.control_interval.high if auc.control_interval else auc.control or 0.0


def _metric(evaluators: Sequence[EvaluatorRecord], evaluator: str, name: str) -> MetricRecord | None:
    found = (one.metric(name) for one in evaluators if one.name == evaluator)
    return next(found, None)


def _no_auc(evaluators: Sequence[EvaluatorRecord], models: Sequence[ModelRecord]) -> VerdictRecord:
    errors = [one.error for one in evaluators if one.name == EVALUATOR and one.error]
    auc = _metric(evaluators, EVALUATOR, AUC)
    if auc is not None and auc.value is not None:
        why = f"the attack's AUC is {number(auc.value)}, but {_lacking(auc)}"
    else:
        noted = auc.note.removeprefix("Not computed: ").rstrip(".") if auc is not None else ""
        missing = f"the evaluator failed: {errors[0]}" if errors else noted or "it was not computed"
        why = f"the attack's AUC is missing ({missing})"
    sentence = f"No verdict on forgetting: {why}. {_rests_on(models)}"
    return VerdictRecord(level="unclear", sentence=sentence.strip(), rule=f"No usable {EVALUATOR} {AUC}.")


def _lacking(auc: MetricRecord) -> str:
    """What an AUC lacks that is not usable."""
    if auc.control is None:
        return "no control shows what perfect unlearning scores"
    return f"nothing says how uncertain that is (perfect unlearning: {number(auc.control)}); use more models"


def _meaning(level: VerdictLevel, auc: MetricRecord) -> str:
    ours, perfect, nothing = number(auc.value), number(auc.control), number(auc.noop)
    ceiling = (
        " (the attack is at its ceiling on both; the shift in confidence tells)" if (auc.value or 0) > CEILING else ""
    )
    texts = {
        "as_retrained": (
            f"Forgotten, as far as this run can see: an attack tells unlearned models from retrained ones no better "
            f"(AUC {ours}) than it tells retrained models from each other ({perfect}); doing nothing scores {nothing}."
        ),
        "partial": (
            f"Partly forgotten{_way(auc)}: an attack tells unlearned models from retrained ones with an AUC of {ours}; "
            f"doing nothing scores {nothing}, perfect unlearning {perfect}{ceiling}."
        ),
        "none": (
            f"Not forgotten, as far as this run can see: an attack tells unlearned models from retrained ones (AUC {ours}) "
            f"no worse than when nothing is done ({nothing}); perfect unlearning scores {perfect}."
        ),
        "over_forgetting": (
            f"Over-forgotten: on the forget set the unlearned models are less confident than models that never saw it, "
            f"and that gives it away (AUC {ours}; perfect unlearning scores {perfect}, doing nothing {nothing})."
        ),
        "unclear": (
            f"Unclear: this run cannot tell forgetting from its absence (AUC {ours}, perfect {perfect}, doing "
            f"nothing {nothing}). Use more models or a task on which models memorise more."
        ),
    }
    return texts[level]


def _way(auc: MetricRecord) -> str:
    """How far from the no-op to the control; nothing where the scale does not exist."""
    return (
        ""
        if auc.position is None
        else f", {round(100 * auc.position)} % of the way from doing nothing to perfect unlearning"
    )


def _utility(evaluators: Sequence[EvaluatorRecord]) -> str:
    accuracy = _metric(evaluators, *UTILITY)
    if accuracy is None or accuracy.value is None or accuracy.control is None:
        return ""
    lost = accuracy.control - accuracy.value
    if lost <= max(UTILITY_TOLERANCE, accuracy.smallest_visible or 0.0):
        return ""
    ours, perfect = number(accuracy.value, "share"), number(accuracy.control, "share")
    return f"It costs accuracy: {ours} on the test set, where retrained models have {perfect}."


def _of_one_original(models: Sequence[ModelRecord]) -> str:
    """Repeats of one original keep what is its own: even a method that forgets as retraining does on average shows it."""
    if len(models) < 2 or len({model.original for model in models}) > 1:
        return ""
    return (
        "All models come from one original, while doing nothing is scored over many: what a method keeps of that original's "
        "own training seed tells against it here, whether or not the forget set has to do with it."
    )


def _rests_on(models: Sequence[ModelRecord]) -> str:
    finished = [model.original for model in models if model.status.finished]
    originals = len({model.original for model in models})
    if 1 < originals < len(models):
        return _rests_on_repeats(len(set(finished)), originals, len(models) - len(finished))
    if len(finished) == len(models):
        return ""
    return f"This rests on the {len(finished)} of {len(models)} models that finished; the others count nowhere."


def _rests_on_repeats(finished: int, originals: int, failed: int) -> str:
    """With repeats, evaluators that compare distributions take one model of each original: repeats are not independent."""
    if finished == originals:
        text = f"This rests on one model of each of the {originals} originals"
    else:
        text = f"This rests on one model of each of the {finished} of {originals} originals that finished"
    lost = f"; {failed} failed {'model counts' if failed == 1 else 'models count'} nowhere" if failed else ""
    return f"{text}, since repeats are not independent{lost}."


def _rule(level: VerdictLevel, auc: MetricRecord) -> str:
    control = f"control {number(auc.control)} ({interval(auc.control_interval) or 'no interval'})"
    numbers = f"{EVALUATOR} {AUC} {number(auc.value)} ({interval(auc.interval) or 'no interval'}), {control}, "
    seen = f"no-op {number(auc.noop)}, smallest visible difference {number(auc.smallest_visible)}"
    like, works = like_control(auc), attack_works(auc)
    return (
        f"{level}: {numbers}{seen}; like control: {'yes' if like else 'no'}; attack works: {'yes' if works else 'no'}."
    )
