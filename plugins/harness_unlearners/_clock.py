"""Stopping in good order: no step is begun that might not end within the time limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

RESERVE = 0.1
"""Share of the time limit that is kept for handing the weights over."""

Batch = tuple[Tensor, Tensor]
"""Images float32 (B, C, H, W) and labels int64 (B,)."""


class Clock:
    """Asked before every step; refuses one when the longest step so far would not fit into what is left.

    A step is what happens between two questions. Without a time limit everything is allowed. All is in the unit of the context's
    clock. Examples are paid for when they are drawn, before the question: nothing is reserved for the hand-over, and the first
    step is known.

    Args:
        context: the hook's context.
    """

    def __init__(self, context: Any) -> None:
        counted = getattr(context, "clock", "wall") == "steps"
        self._context = context
        self._reserve_s = 0.0 if counted else RESERVE * (context.time_limit_s or 0.0)
        self._left_before_s: float | None = context.remaining_s if counted else None
        self._longest_s = 0.0
        self._n_allowed = 0
        self.stopped = False

    def allows_step(self) -> bool:
        """Whether there is time for another step; says so once in the log when there is not."""
        if self._context.time_limit_s is None:
            return True
        if self._context.device.type == "cuda":
            torch.cuda.synchronize(self._context.device)
        left_s = self._context.remaining_s
        if self._left_before_s is not None:
            self._longest_s = max(self._longest_s, self._left_before_s - left_s)
        self._left_before_s = left_s
        if not self.stopped and left_s - self._longest_s > self._reserve_s:
            self._n_allowed += 1
            return True
        if not self.stopped:
            print(f"stopped after {self._n_allowed} steps: the time is nearly over")
        self.stopped = True
        return False

    def epochs(self, n_epochs: int) -> Iterator[int]:
        """0, 1, ... below ``n_epochs``, until a step was refused."""
        for epoch in range(n_epochs):
            if self.stopped:
                return
            yield epoch

    def batches(
        self,
        split: Any,
        batch_size: int,
        passes: int = 1,
        *,
        shuffle: bool = True,
    ) -> Iterator[Batch]:
        """Yield the batches of ``passes`` passes over ``split``, as long as there is time.

        Each pass is in another random order unless ``shuffle`` is false.
        """
        for _ in range(passes):
            for batch in split.loader(batch_size=batch_size, shuffle=shuffle):
                if not self.allows_step():
                    return
                yield batch

    def pairs(
        self, retain: Any, forget: Any, batch_size: int, passes: int = 1, share: float = 1.0
    ) -> Iterator[tuple[Batch, Batch]]:
        """Batches of retain, each with one of forget of such a size that a pass over one is a pass over the other.

        Args:
            retain: the split that is passed over.
            forget: the split that goes along, over and over again.
            batch_size: of retain, and the largest of forget.
            passes: over retain.
            share: of the retain batches, drawn anew in every pass.
        """
        loader = retain.loader(batch_size=batch_size, shuffle=True)
        n_steps = math.ceil(share * len(loader))
        forget_size = min(batch_size, math.ceil(len(forget) / max(1, n_steps)))
        forgotten = endless(forget, forget_size)
        for _ in range(passes):
            for batch in islice(loader, n_steps):
                if not self.allows_step():
                    return
                yield batch, next(forgotten)


def endless(split: Any, batch_size: int) -> Iterator[Batch]:
    """Shuffled batches of pass after pass; ends only for a split without examples."""
    loader = split.loader(batch_size=batch_size, shuffle=True)
    while len(loader):
        yield from loader
