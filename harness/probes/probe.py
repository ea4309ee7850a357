"""What a probe is: a name, and a function from the weights of some models to arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.tasks.task import Task
from reference_models.networks.recipe import ModelSpec, Recipe

if TYPE_CHECKING:
    from reference_models.training.states import StackedState, State

Arrays = dict[str, NDArray[Any]]
OnStep = Callable[[int, int], None]
"""Callback: number of steps done, total number of steps."""


@dataclass(frozen=True)
class ProbeInputs:
    """What a probe computes with, besides weights.

    Attributes:
        spec: the network.
        recipe: the recipe of the populations.
        inputs: split -> inputs, shape (n, ...), as ``spec`` describes them; mapped into memory.
        labels: split -> classes, shape (n,), int64.
        seeds: a seed of each model. Models of all populations have different ones.
        original: returns the state of the original of the model in a row: the one that was unlearned, or that of the same number
            in its population. It is read anew at each call, so that memory does not grow with the number of models. None unless
            the probe is paired.
        options: result of the probe's ``options`` for the task.
        device: "cpu" or "cuda".
        on_step: receives the progress.
    """

    spec: ModelSpec
    recipe: Recipe
    inputs: Mapping[str, NDArray[Any]]
    labels: Mapping[str, NDArray[np.int64]]
    seeds: Sequence[int]
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    on_step: OnStep = lambda _done, _total: None
    original: Callable[[int], State] | None = None


def _no_options(_task: Task) -> dict[str, Any]:
    return {}


def _never_refuses(_task: Task) -> str:
    return ""


@dataclass(frozen=True)
class Probe:
    """A computation on weights.

    Attributes:
        name: unique among probes.
        summary: what it computes, in one line.
        compute: returns arrays of any names from the states of K models; the first axis of each has length K, and row k depends
            on model k alone.
        epochs: cost of one model, in passes over the training set with gradients.
        options: what the task says about the probe, as JSON values; part of the key of cached results.
        refuses: why the probe cannot be computed for a task; empty if it can.
        models: number of models of each population that it is computed of, rounded up to whole chunks; None for all.
        light: for a small network it takes less than the start of a worker process.
        nothing: why ``compute`` may return no arrays; a clause.
        paired: row k depends on the original of model k, too.
    """

    name: str
    summary: str
    compute: Callable[[ProbeInputs, StackedState], Arrays]
    epochs: Callable[[Recipe], float]
    options: Callable[[Task], dict[str, Any]] = _no_options
    refuses: Callable[[Task], str] = _never_refuses
    models: int | None = None
    light: bool = False
    nothing: str = ""
    paired: bool = False

    def covered(self, models: int, chunk: int) -> int:
        """Return of how many models, of a population of ``models``, it is computed; ``chunk`` are trained together."""
        return models if self.models is None else min(models, -(-self.models // chunk) * chunk)
