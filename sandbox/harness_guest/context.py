"""Task information passed to an unlearner."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from harness_guest.journal import Journal
from harness_guest.meter import Meter, processor_s
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ModelSpec, Recipe


@dataclass(frozen=True)
class Context:
    """The hook's ``context`` argument.

    Attributes:
        device: device of model and data, and of the result.
        seed: the model's seed; Python, NumPy and torch are already seeded with it.
        n_classes: number of logits.
        recipe: how the original was trained.
        spec: the model's architecture and the shape of its data.
        options: set by the user with ``--set name=value``.
        time_limit_s: limit from start to the last byte of the weights; None without a limit. In the unit of ``clock``.
        started_s: monotonic clock of the process at the start of the charged time, seconds.
        journal: record of the original's training, if the task has ``journal`` or ``sisa``; else None. Reading it is charged.
        clock: unit of the limit: "wall" (seconds), "cpu" (CPU seconds of all processes) or "steps" (examples drawn from the
            splits).
        meter: counter of the examples drawn.
        started_cpu_s: CPU seconds of this process at the start of the charged time.
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
        """Return the amount used since the start, in the unit of ``clock``; seconds are measured on this process's clock."""
        if self.clock == "steps":
            return float(self.meter.examples)
        return processor_s() - self.started_cpu_s if self.clock == "cpu" else time.monotonic() - self.started_s

    @property
    def remaining_s(self) -> float:
        """Return the rest of the limit, in the unit of ``clock``; infinite without a limit.

        The host's clock decides, and sending the weights is charged: stop before this reaches zero.
        """
        return float("inf") if self.time_limit_s is None else self.time_limit_s - self.elapsed_s

    def new_model(self) -> nn.Module:
        """Return a freshly initialised model of the same architecture, on :attr:`device`, in training mode.

        It uses the initialisation of the originals, drawn from torch's global random stream.
        """
        seed = int(torch.randint(1 << 62, ()))
        return build_model(self.spec, seed).to(self.device)
