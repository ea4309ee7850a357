"""What the evaluator ``forgetting`` says of a draw, without what a table does not show.

Retrained and control models are handed over as one population of 2 N retrained ones. The verdict uses both as
references in any case; this leaves out the control's own row, which it does not read, and a third of the time. Queries are left
out as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from benchmarks.answers import Answers
from benchmarks.judging import evidence_of
from benchmarks.populations import World
from harness_evaluators import forgetting
from harness_evaluators.common.evidence_analysis import Analysis
from harness_evaluators.forgetting import memory_regression
from harness_evaluators.forgetting.memory_regression import Estimate
from harness_evaluators.forgetting.view import CALIBRATED, PLAIN, View


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


def merged(world: World) -> World:
    """Return the world with one population of references, and without queries."""
    references = world.retrained.joined(world.control)
    found = {"original": world.original, "retrained": references, "control": references.take(np.empty(0, np.int64))}
    found["fresh"] = world.fresh
    return replace(world, **{name: Answers(one.splits, {}) for name, one in found.items()})


def difference_p(world: World, unlearned: Answers, seed: int = 0) -> float:
    """Return ``difference_p`` alone, as the evaluator computes it."""
    view = _view(world, unlearned, seed)
    pair = view.pairs()["unlearned"]
    return view.tests(pair, view.labels(pair))[0].p


def bounds(world: World, unlearned: Answers, seed: int = 0) -> Bounds:
    """Return the estimates of what is left alone, as the evaluator computes them."""
    view = _view(world, unlearned, seed)
    memories = {way: memory_regression.memory(one) for way, one in view.samples(view.pairs()["unlearned"]).items()}
    memory, shift = forgetting.memory_bound(memories), forgetting.shift_bound(memories)
    if memory is None or shift is None:
        raise ValueError("no originals to compare with")
    return Bounds(memories[PLAIN].slope, memories[CALIBRATED].slope, memory, shift)


def slope_as_seen_from_test(world: World, unlearned: Answers) -> float:
    """Return the value of ``memory_left_calibrated`` alone; of very many models, it is the truth that a run estimates."""
    view = _view(world, unlearned, 0)
    left, memory = memory_regression.by_example(view.samples(view.pairs()["unlearned"])[CALIBRATED])
    return float(left.sum() / memory.sum())


def _view(world: World, unlearned: Answers, seed: int) -> View:
    return View(Analysis(evidence_of(Answers(unlearned.splits, {}), merged(world), seed=seed)).models)
