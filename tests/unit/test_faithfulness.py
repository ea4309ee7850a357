"""The study of faithful metrics: its changes of weights, its rules, and its judging of a few models that were really trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.faithfulness import writing
from benchmarks.faithfulness.changes import CHANGES
from benchmarks.faithfulness.study import Measured, measure, recommended, separation
from benchmarks.judging import evaluators
from benchmarks.validity.populations import train
from harness.core.progress import SilentProgress
from harness.tasks.task import Task
from reference_models.networks.recipe import ArchitectureSpec, Recipe
from tests.unit.test_validity import DATA

RECIPE = Recipe(epochs=150, batch_size=10, weight_decay=0.0, chunk=8)  # until the models know their examples by heart
TASK = Task("made-up", "", lambda: DATA, ArchitectureSpec("mlp", {"hidden": [64]}), RECIPE)


def _measured(**cases: dict[str, float]) -> Measured:
    return Measured("a", 8, 4, cases, np.eye(len(cases)))


def test_separation_is_the_area_under_the_roc_curve() -> None:
    assert separation([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert separation([0.0, 1.0], [0.0, 1.0]) == 0.5
    assert separation([0.0, 0.0], [1.0, 1.0]) == 0.0


def test_the_fewest_metrics_that_separate_wherever_any_does_are_recommended() -> None:
    found = _measured(
        broad={"10 %": 1.0, "as is": 1.0, "sharper": 0.6},
        broader={"10 %": 0.99, "as is": 1.0, "sharper": 0.7},
        steady={"10 %": 0.5, "as is": 0.9, "sharper": 0.96},
        useless={"10 %": 0.5, "as is": 0.5, "sharper": 0.5},
    )

    assert recommended([found]) == ["broader", "steady"]


def test_a_metric_that_misses_a_task_is_not_recommended() -> None:
    one = _measured(a={"10 %": 1.0}, b={"10 %": 1.0})

    assert recommended([one, replace(one, task="b", separation={"b": {"10 %": 1.0}})]) == ["b"]


def test_models_with_the_knowledge_are_told_by_their_accuracy_on_the_forget_set() -> None:
    trained = train(TASK, 8, "cpu", SilentProgress())

    found = measure(trained, 4, 2, evaluators(["accuracy"]))

    assert found.metrics[:1] == ["accuracy.forget"]
    cases = found.separation["accuracy.forget"]
    assert list(cases) == ["10 %", *(f"50 %, {change}" for change in CHANGES)]
    assert cases["50 %, as is"] == 1.0
    assert cases["50 %, softer"] == cases["50 %, sharper"] == 1.0  # a temperature changes no prediction
    text = writing.page([found], "")
    assert "accuracy.forget" in text
    assert len(writing.separation([found]).rows) == len(found.metrics) * len(cases)
