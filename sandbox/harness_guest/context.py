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
from harness_guest.protocol import MAX_STATE_BYTES
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ModelSpec, Recipe


@dataclass
class Kept:
    """The state that a plugin keeps for the next request; None before it keeps one."""

    state: bytes | None = None


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
        state: what the plugin kept for this model at the request before, in a task with ``deletions``; empty at the first
            request, if it kept nothing, and in other tasks.
        kept: the state for the next request; see :meth:`keep`.
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
    state: bytes = b""
    kept: Kept = field(default_factory=Kept)

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

    def keep(self, state: bytes) -> None:
        """Keep bytes of this model for the next request, where they are :attr:`state`; the last call counts.

        The harness stores them and never reads them. Without a next request they are dropped.

        Raises:
            TypeError: it is not bytes.
            ValueError: it is longer than 16 MiB.
        """
        if not isinstance(state, bytes | bytearray | memoryview):
            raise TypeError(f"context.keep takes bytes, not {type(state).__name__}; encode the state first")
        state = bytes(state)
        if len(state) > MAX_STATE_BYTES:
            raise ValueError(f"context.keep: the state has {len(state)} bytes; at most {MAX_STATE_BYTES} are kept")
        self.kept.state = state

    def new_model(self) -> nn.Module:
        """Return a freshly initialised model of the same architecture, on :attr:`device`, in training mode.

        It uses the initialisation of the originals, drawn from torch's global random stream.
        """
        seed = int(torch.randint(1 << 62, ()))
        return build_model(self.spec, seed).to(self.device)
