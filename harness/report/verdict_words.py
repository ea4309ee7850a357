"""Wording of a verdict: the finding, its cost, and the models behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.outcomes import ModelOutcome
from harness.evaluation import Metric
from harness.report.document import EvaluatorRecord, VerdictLevel
from harness.report.findings import EVALUATOR, LEAST_FINISHED, LEAST_MODELS, Estimate, Findings
from harness.report.words import number
from harness.tasks.task import Margins

UTILITY = ("retain", "test")


@dataclass(frozen=True)
class Cost:
    """The cost of forgetting.

    Attributes:
        sentence: accuracies next to those of retrained models, and time as a share of retraining; empty if nothing is known.
        below_floor: whether an accuracy is further below that of retrained models than the task allows.
    """

    sentence: str
    below_floor: bool


def cost(evaluators: Sequence[EvaluatorRecord], margins: Margins) -> Cost:
    """Return the cost of forgetting in accuracy and time."""
    accuracies = {split: _metric(evaluators, "accuracy", split) for split in UTILITY}
    known = {split: one for split, one in accuracies.items() if one is not None and one.value is not None}
    parts = [
        f"{number(one.value, 'share')} of the {split} set right (retrained models {number(one.control, 'share')})"
        for split, one in known.items()
    ]
    ratio = _metric(evaluators, "efficiency", "ratio")
    if ratio is not None and ratio.value is not None:
        parts.append(f"{100 * ratio.value:.3g} % of retraining's time")
    below = [split for split, one in known.items() if _lost(one) > margins.utility_points]
    text = f"Cost: {', '.join(parts)}." if parts else ""
    if below:
        text += (
            f" Accuracy on the {' and '.join(below)} set is more than {margins.utility_points:g} points below retrained "
            "models': no rank."
        )
    return Cost(text, bool(below))


def _lost(accuracy: Metric) -> float:
    """Return by how many percentage points an accuracy is below the control's; 0 if within chance."""
    if accuracy.value is None or accuracy.control is None:
        return 0.0
    lost = accuracy.control - accuracy.value
    return 100 * lost if lost > (accuracy.smallest_visible or 0.0) else 0.0


def meaning(level: VerdictLevel, found: Findings, finished: int, originals: int, margins: Margins) -> str:
    """Return the meaning of a level in this run."""
    texts = {
        "as_retrained": (
            f"Forgotten: the models are equivalent to retrained ones. At most {_share(found.memory_bound)} of the memory of the "
            f"forget set and a mean shift of {number(found.shift_bound)} sd may be left (95 %), below the margins of "
            f"{_share(margins.memory)} and {margins.shift_sd:g} sd."
        ),
        "no_difference_seen": (
            f"No difference from retrained models is seen, but up to {_share(found.memory_bound)} of the memory of the forget "
            f"set and a mean shift of {number(found.shift_bound)} sd may be left (95 %); "
            f"{_why_not_equivalent(found, finished, margins)}"
        ),
        "partial": f"Partly forgotten: {_remembered(found)}.{_beside(found)}",
        "none": f"Not forgotten: {_left(found)}, as much as if nothing had been done.{_beside(found)}",
        "over_forgetting": (
            f"Over-forgotten: on the forget set the models are less confident than models that never saw it, by "
            f"{_below(found)}, which reveals them.{_beside(found)}"
        ),
        "mixed": _mixed(found),
        "another_model": _another(found),
        "not_durable": f"Not durable: outputs show no memory of the forget set, but it comes back: {_comes_back(found)}.",
        "unclear": _unclear(found, finished, originals),
    }
    return texts[level] + _copies(found, finished) + _moreover(level, found, finished)


def _comes_back(found: Findings) -> str:
    return "" if found.recovered is None else found.recovered.sentence


def _moreover(level: VerdictLevel, found: Findings, finished: int) -> str:
    """Report memory that comes back, beside a word that says that some is left."""
    if level == "not_durable" or not found.comes_back(finished):
        return ""
    return f" More comes back: {_comes_back(found)}."


def _why_not_equivalent(found: Findings, finished: int, margins: Margins) -> str:
    if finished < LEAST_MODELS:
        return f"equivalence needs {LEAST_MODELS} models or more."
    if not found.equivalent(margins):
        return (
            f"equivalence needs less than {_share(margins.memory)} and {margins.shift_sd:g} sd: use more models, or a task with "
            "more examples to forget."
        )
    return "equivalence was not shown."


def _left(found: Findings) -> str:
    left = found.left()
    if left is None:
        return "some of the memory of the forget set is left"
    seen = "as seen from the test set, " if found.other_kind and found.calibrated is not None else ""
    return f"{_share(left.value)} of the memory of the forget set is left ({seen}{_range(left.low, left.high)})"


def _remembered(found: Findings) -> str:
    """Describe what is left on average, or which examples are remembered if the average does not show it."""
    left = found.left()
    if (left is not None and left.low > 0) or not found.mostly_remembered:
        return _left(found)
    over = f" and {_share(found.over)} as over-forgotten" if found.over else ""
    return (
        f"{_share(found.under)} of the forgotten examples are named as remembered{over}, each by itself, though it does not show "
        f"in what is left on average{_on_average(found)}"
    )


def _on_average(found: Findings) -> str:
    estimate = found.calibrated if found.other_kind and found.calibrated else found.plain
    return "" if estimate is None else f" ({_interval(estimate)} of the memory)"


def _copies(found: Findings, finished: int) -> str:
    """Report collapsed diversity, which retraining never has; empty if no difference is seen."""
    if found.difference_p is None or found.difference_p > found.level or not found.collapsed(finished):
        return ""
    return (
        f" Collapsed diversity: the {finished} models are worth {found.diversity or 0:.1f} independent ones, because they hardly "
        "differ from each other."
    )


def _another(found: Findings) -> str:
    seen = "" if found.calibrated is None else f" ({_interval(found.calibrated)} as seen from the test set)"
    if found.excess_p is None:
        there = f"as it does on the forget set. Its confidence shows no memory{seen}"
    else:
        there = f"and its confidence by no more on the forget set (p = {number(found.excess_p)}), which shows no memory{seen}"
    if found.calibrated is not None and found.calibrated.low > 0:
        there = (
            there.removesuffix(seen)
            + f": the {_interval(found.calibrated)} that seem left are no more than that explains"
        )
    return (
        f"Another kind of model: it differs from retrained models on the test set, which no method ever sees, {there}. It is not "
        "what retraining gives."
    )


def _beside(found: Findings) -> str:
    return (
        " The models differ from retrained ones on the test set as well, which no method ever sees: they are also another kind "
        "of model."
        if found.other_kind
        else ""
    )


def _below(found: Findings) -> str:
    shift = found.shift_calibrated if found.other_kind and found.shift_calibrated else found.shift
    return "some way" if shift is None else f"{number(abs(shift.value))} sd on average"


def _mixed(found: Findings) -> str:
    if found.other_kind and found.wrong_classes_stand_out:
        return (
            "Mixed: the models differ from retrained ones on the test set, which no method ever sees, and on the forget set the "
            f"order of wrong classes differs by more than there (p = {number(found.excess_wrong_p)}): a mark, which another kind "
            "of model does not explain."
        )
    if min(found.under or 0.0, found.over or 0.0) > 0:
        return (
            f"Mixed: {_share(found.under)} of the forgotten examples are named as remembered and {_share(found.over)} as "
            "over-forgotten; either reveals them."
        )
    left = "" if found.plain is None else f" ({_interval(found.plain)} of the memory is left on average)"
    stands_out = found.most.removeprefix("What stands out most: ").rstrip(".")
    return (
        f"Mixed: the models differ from retrained ones on the forget set, though their confidence is neither above nor below "
        f"on average{left}. What stands out most: {stands_out}."
    )


def _unclear(found: Findings, finished: int, originals: int) -> str:
    if found.difference_p is not None and found.difference_p > found.level:
        if not found.visible:
            return (
                "Unclear: this run cannot detect a failure to forget, because models from which nothing was removed do not "
                "differ from retrained ones either. Use more models or a task on which models memorise more."
            )
        if finished < LEAST_FINISHED * originals:
            return (
                f"Unclear: no difference from retrained models is seen, but only {finished} of {originals} models finished, and "
                "a method must not choose which of its models are judged."
            )
    return (
        "Unclear: no difference from retrained models is seen, but with so few models half of the memory of the forget set "
        "could be left. Use more models."
    )


def nothing_found(evaluators: Sequence[EvaluatorRecord]) -> str:
    """Return why there is no verdict on forgetting."""
    record = next((one for one in evaluators if one.name == EVALUATOR), None)
    if record is None:
        why = f"the evaluator {EVALUATOR} was not run"
    elif record.error:
        why = f"the evaluator failed: {record.error}"
    else:
        metric = record.metric("difference_p")
        why = "" if metric is None else metric.note.removeprefix("Not computed: ").rstrip(".")
    return f"No verdict on forgetting: {why or 'nothing was computed'}."


def failures(found: Findings, finished: int, originals: int, *, substituted: bool = False) -> str:
    """Return how many models failed, and what would be left if they counted as untouched originals."""
    if finished == originals:
        return ""
    if substituted:
        return f"{originals - finished} of {originals} models failed and count as untouched originals."
    text = f"This rests on the {finished} of {originals} models that finished."
    left = found.left()
    if left is None:
        return text
    counted = (finished * left.value + originals - finished) / originals
    return f"{text} With failed models counted as untouched, {_share(counted)} of the memory is left."


def of_one_original(models: Sequence[ModelOutcome]) -> str:
    """Warn that repeats of a single original share what any training run of that original leaves, forgotten or not."""
    if len(models) < 2 or len({model.original for model in models}) > 1:
        return ""
    return (
        "All models come from one original, while the no-op is scored over many: whatever a method keeps of that original's "
        "own training seed counts against it here, whether or not it is related to the forget set."
    )


def rests_on_repeats(models: Sequence[ModelOutcome]) -> str:
    """Return the note that only one model per original is judged, if originals were unlearned repeatedly."""
    originals = len({model.original for model in models})
    if not 1 < originals < len(models):
        return ""
    failed = sum(not model.status.finished for model in models)
    lost = f"; {failed} failed {'model is' if failed == 1 else 'models are'} left out" if failed else ""
    return f"One model of each of the {originals} originals is judged, since repeats are not independent{lost}."


def rule(level: VerdictLevel, found: Findings, finished: int, originals: int, margins: Margins) -> str:
    """Return the numbers from which a level was decided."""
    parts = {
        "difference p": number(found.difference_p),
        "of the no-op": number(found.noop_p),
        "of the test set": number(found.placebo_p),
        "of the forget set beyond it": number(found.excess_p),
        "of its wrong classes": number(found.excess_wrong_p),
        "memory left": _interval(found.plain),
        "as seen from the test set": _interval(found.calibrated),
        "mean over queries": _interval(found.queries),
        "worst": _interval(found.worst),
        "memory bound": f"{_share(found.memory_bound)} (margin {_share(margins.memory)})",
        "shift bound": f"{number(found.shift_bound)} sd (margin {margins.shift_sd:g})",
        "named remembered": _share(found.under),
        "named over-forgotten": _share(found.over),
        "independent models": number(found.diversity),
    }
    parts |= found.recovered.numbers if found.recovered is not None else {}
    listed = "; ".join(f"{name} {value}" for name, value in parts.items())
    return f"{level}: {finished} of {originals} models; {listed}."


def _interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return number(None)
    return _range(estimate.low, estimate.high)


def _range(low: float, high: float) -> str:
    return f"{_share(low).removesuffix(' %')} to {_share(high)}"


def _share(value: float | None) -> str:
    return number(value, "share")


def _metric(evaluators: Sequence[EvaluatorRecord], evaluator: str, name: str) -> Metric | None:
    found = (one.metric(name) for one in evaluators if one.name == evaluator)
    return next(found, None)
