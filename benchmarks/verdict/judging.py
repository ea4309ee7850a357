"""What the evaluator ``forgetting`` says of a draw, without what a table does not show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.answers import Answers
from benchmarks.judging import evidence_of, merged
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


def without_queries(world: World) -> World:
    """Return the world without queries."""
    return replace(
        world,
        original=_plain(world.original),
        retrained=_plain(world.retrained),
        control=_plain(world.control),
        fresh=_plain(world.fresh),
    )


def _plain(answers: Answers) -> Answers:
    return Answers(answers.splits, {})


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
    around = merged(without_queries(world))
    return View(Analysis(evidence_of(_plain(unlearned), around, seed=seed)).models)
