"""What an unlearner is told about its task."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from harness_guest.journal import Journal
from harness_guest.meter import Meter, processor_s
from reference_models.architectures import build_model
from reference_models.recipe import ModelSpec, Recipe


@dataclass(frozen=True)
class Context:
    """The hook's ``context`` argument.

    Attributes:
        device: where model and data are, and where the result is expected.
        seed: of this model; python, numpy and torch have already been seeded with it.
        n_classes: number of logits.
        recipe: how the original was trained.
        spec: the model's architecture and the shape of its data.
        options: what the user set with ``--set name=value``.
        time_limit_s: seconds from start to the last byte of the weights; None without a limit. In the unit of ``clock``.
        started_s: the process's monotonic clock when the time began to run, seconds.
        journal: of the original's training, where the task says ``journal`` or ``sisa``; else None. Reading it takes of the time.
        clock: what the limit counts: "wall" (seconds), "cpu" (processor seconds of all processes) or "steps" (examples drawn from
            the splits).
        meter: of the examples drawn.
        started_cpu_s: processor seconds of this process when the time began to run.
    """

    device: torch.device
    seed: int
    n_classes: int
    recipe: Recipe
    spec: ModelSpec
    options: Mapping[str, Any] = field(default_factory=dict)
    time_limit_s: float | None = None
    started_s: float = field(default_factory=time.monotonic)
    journal: Journal | None = None
    clock: str = "wall"
    meter: Meter = field(default_factory=Meter)
    started_cpu_s: float = field(default_factory=processor_s)

    @property
    def elapsed_s(self) -> float:
        """What was used since the time began to run, in the unit of ``clock``: seconds by this process's clock."""
        if self.clock == "steps":
            return float(self.meter.examples)
        return processor_s() - self.started_cpu_s if self.clock == "cpu" else time.monotonic() - self.started_s

    @property
    def remaining_s(self) -> float:
        """What is left of the limit, in the unit of ``clock``; infinite without a limit.

        The host's clock decides, and sending the weights back counts: stop somewhat before this reaches zero.
        """
        return float("inf") if self.time_limit_s is None else self.time_limit_s - self.elapsed_s

    def new_model(self) -> nn.Module:
        """A freshly initialised model of the same architecture, on :attr:`device`, in training mode.

        Initialised by the very functions that initialised the originals, from torch's global random stream.
        """
        seed = int(torch.randint(1 << 62, ()))
        return build_model(self.spec, seed).to(self.device)
