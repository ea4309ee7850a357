"""What the evaluator and the verdict say of a submission.

Retrained and control models are handed over as one population of 2 N retrained ones. The verdict uses both as
references in any case; this leaves out the control's own row, which it does not read, and a third of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdict.populations import Logits, World
from harness.core.outcomes import ModelOutcome, Status
from harness.evaluation import Evidence, Population, Timings
from harness.report.document import EvaluatorRecord, VerdictLevel
from harness.report.verdict import decide_verdict
from harness_evaluators import forgetting
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting import memory_regression
from harness_evaluators.forgetting.memory_regression import Estimate
from harness_evaluators.forgetting.view import CALIBRATED, PLAIN, View

ROLES: tuple[Population, ...] = ("unlearned", "retrained", "original")


@dataclass(frozen=True)
class Judgement:
    """The verdict on one draw.

    Attributes:
        word: the level.
        memory_bound: what may be left at most, as the sentence states it; None where it was not computed.
    """

    word: VerdictLevel
    memory_bound: float | None


@dataclass(frozen=True)
class Bounds:
    """Estimates of what is left, and bounds that the verdict holds against its margins.

    Attributes:
        plain, calibrated: of memory_left and memory_left_calibrated.
        memory, shift: memory_bound and shift_bound.
    """

    plain: Estimate
    calibrated: Estimate
    memory: float
    shift: float


def evidence(world: World, unlearned: Logits, seed: int = 0) -> Evidence:
    """Make the evidence of a run whose model i came from original i."""
    n, classes = world.forget, world.logits["original"].shape[2]
    retrained = np.concatenate([world.logits["retrained"], world.logits["control"]])
    models = dict(zip(ROLES, (unlearned, retrained, world.logits["original"]), strict=True))
    logits = {role: {"forget": one[:, :n], "test": one[:, n:]} for role, one in models.items()}
    logits["control"] = {split: one[:0] for split, one in logits["retrained"].items()}
    labels = {"forget": world.labels[:n], "test": world.labels[n:]}
    unknown: NDArray[np.float64] = np.full(len(unlearned), np.nan)
    return Evidence(
        n_classes=classes,
        ids={split: np.array([f"{split}-{i}" for i in range(len(one))]) for split, one in labels.items()},
        labels=labels,
        logits=logits,
        unlearned_from=np.arange(len(unlearned)),
        timings=Timings(unknown, np.empty(0), None, unknown, unknown),
        seed=seed,
    )


def judge(shown: Evidence) -> Judgement:
    """Evaluate ``forgetting`` and decide the verdict, as a run does."""
    info = forgetting.harness_evaluator()
    record = EvaluatorRecord.from_result(info, "", "", 0.0, forgetting.evaluate(shown))
    if record.error:
        raise RuntimeError(record.error)
    models = [ModelOutcome(index=i, original=i, seed=i, status=Status.OK) for i in range(len(shown.unlearned_from))]
    bound = record.metric("memory_bound")
    return Judgement(decide_verdict([record], models).level, None if bound is None else bound.value)


def difference_p(shown: Evidence) -> float:
    """Return ``difference_p`` alone, as the evaluator computes it."""
    view = _view(shown)
    pair = view.pairs()["unlearned"]
    return view.tests(pair, view.labels(pair))[0].p


def bounds(shown: Evidence) -> Bounds:
    """Return the estimates of what is left alone, as the evaluator computes them."""
    view = _view(shown)
    memories = {way: memory_regression.memory(one) for way, one in view.samples(view.pairs()["unlearned"]).items()}
    memory, shift = forgetting.memory_bound(memories), forgetting.shift_bound(memories)
    if memory is None or shift is None:
        raise ValueError("no originals to compare with")
    return Bounds(memories[PLAIN].slope, memories[CALIBRATED].slope, memory, shift)


def slope_as_seen_from_test(shown: Evidence) -> float:
    """Return the value of ``memory_left_calibrated`` alone; of very many models, it is the truth that a run estimates."""
    view = _view(shown)
    left, memory = memory_regression.by_example(view.samples(view.pairs()["unlearned"])[CALIBRATED])
    return float(left.sum() / memory.sum())


def _view(shown: Evidence) -> View:
    return View(Analysis(shown).models)
