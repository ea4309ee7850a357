"""Time budget: stop before a step that may exceed the limit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor

RESERVE = 0.1
"""Share of the time limit reserved for returning the weights."""

Batch = tuple[Tensor, Tensor]
"""Images float32 (B, C, H, W) and labels int64 (B,)."""


class Clock:
    """Time budget: `allows_step` is false once the longest step so far would exceed the remaining time.

    A step is the interval between two calls. Without a limit every step is allowed. All values are in the unit of the context's
    clock. If the clock counts examples, they are charged when drawn, before the call: nothing is reserved for returning the
    weights, and the cost of the first step is known.

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
        """Return True if there is time for another step; log once when there is not."""
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
            print(f"stopped after {self._n_allowed} steps: the time limit is almost reached")
        self.stopped = True
        return False

    def epochs(self, n_epochs: int) -> Iterator[int]:
        """Yield 0, 1, ... below ``n_epochs`` until a step is refused."""
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
        """Yield the batches of ``passes`` passes over ``split`` while there is time.

        Each pass is in a new random order unless ``shuffle`` is false.
        """
        for _ in range(passes):
            for batch in split.loader(batch_size=batch_size, shuffle=shuffle):
                if not self.allows_step():
                    return
                yield batch

    def pairs(
        self, retain: Any, forget: Any, batch_size: int, passes: int = 1, share: float = 1.0
    ) -> Iterator[tuple[Batch, Batch]]:
        """Yield batches of retain, each with a batch of forget sized so that both passes end together.

        Args:
            retain: the split that defines a pass.
            forget: the split that is paired with it, repeated as needed.
            batch_size: of retain, and the maximum of forget.
            passes: over retain.
            share: of the retain batches, redrawn in every pass.
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
    """Yield shuffled batches pass after pass; end only if the split is empty."""
    loader = split.loader(batch_size=batch_size, shuffle=True)
    while len(loader):
        yield from loader
