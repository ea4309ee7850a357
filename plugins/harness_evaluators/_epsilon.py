"""The largest epsilon over a family of attacks, example by example, with the attack that reached it.

Both sides are sorted once; all that follows counts. The work runs compiled where numba can be imported, else in NumPy
with equal results, on as many threads as the process has processors.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness_evaluators import _epsilon_exact, _epsilon_rates, _grid
from harness_evaluators._epsilon_rates import Logs, Out

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
AttackName = Literal["official-grid", "exact"]

ATTACKS: tuple[AttackName, ...] = ("official-grid", "exact")
BLOCK = 32
"""Examples that a thread takes at once."""


@dataclass(frozen=True)
class Attacks:
    """The strongest attack on each of n examples.

    Attributes:
        epsilon: what it reaches, in [0, CAP], shape (n,).
        low: lower end of its closed interval, shape (n,); above ``high`` where no attack reaches anything.
        high: upper end, shape (n,).
        inside_is_unlearned: whether a value inside is taken for an unlearned model's, shape (n,).
        guarded: where the ranges differ so much that epsilon is the cap without an attack, shape (n,).
    """

    epsilon: Values
    low: Values
    high: Values
    inside_is_unlearned: Flags
    guarded: Flags

    @classmethod
    def nothing(cls, n: int) -> Attacks:
        """Where no attack was tried yet."""
        no, none = np.zeros(n, dtype=np.bool_), np.full(n, math.inf)
        return cls(np.zeros(n), none, -none, ~no, no)

    def put(self, where: Flags, other: Attacks) -> None:
        """Take over the attacks on the examples ``where``."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[where] = theirs


@functools.cache
def kernels() -> tuple[ModuleType, ModuleType]:
    """The modules with ``official`` and with ``exact``: compiled where numba can be imported."""
    try:
        module = importlib.import_module("harness_evaluators._epsilon_kernels")
    except ImportError:
        return _grid, _epsilon_exact
    return module, module


def strongest(unlearned: Values, retrained: Values, attack: AttackName, delta: float) -> Attacks:
    """The strongest attack of a family on each example; finite phi of shape (N_unlearned, n) and (N_retrained, n)."""
    u, r = _rows(unlearned), _rows(retrained)
    found = _exact(u, r, delta) if attack == "exact" else _official(u, r, delta)
    np.clip(found.epsilon, 0, _epsilon_rates.CAP, out=found.epsilon)
    return found


def _rows(phi: Values) -> Values:
    """Examples as sorted rows."""
    rows = np.array(phi.T, dtype=np.float64, order="C")
    rows.sort(axis=1)
    return rows


def _exact(u: Values, r: Values, delta: float) -> Attacks:
    logs = _logs(u, delta, np.float64), _logs(r, delta, np.float64)

    def work(rows: slice, out: Out) -> None:
        kernels()[1].exact(u[rows], r[rows], logs, out)

    return _in_blocks(len(u), work)


def _official(u: Values, r: Values, delta: float) -> Attacks:
    """The grid where it applies; the cap where the guard says so; all intervals where |phi| is beyond any grid."""
    found = Attacks.nothing(len(u))
    beyond = np.maximum(np.abs(u).max(axis=1), np.abs(r).max(axis=1)) > _grid.MAX_PHI
    if beyond.any():
        found.put(beyond, _exact(u[beyond], r[beyond], delta))
    guarded = np.zeros_like(beyond)
    guarded[~beyond] = _grid.guarded(u[~beyond], r[~beyond])
    found.guarded[:] = guarded
    found.epsilon[guarded] = _epsilon_rates.CAP
    rest = ~beyond & ~guarded
    if rest.any():
        found.put(rest, _on_grid(u[rest], r[rest], delta))
    return found


def _on_grid(u: Values, r: Values, delta: float) -> Attacks:
    logs = _logs(u, delta, np.float32), _logs(r, delta, np.float32)
    positive = _grid.retrained_is_positive(u, r)

    def work(rows: slice, out: Out) -> None:
        kernels()[0].official(u[rows], r[rows], positive[rows], logs, out)

    return _in_blocks(len(u), work)


def _logs(rows: Values, delta: float, dtype: DTypeLike) -> Logs:
    return _epsilon_rates.logs(rows.shape[1], delta, dtype)


def _in_blocks(n: int, work: Callable[[slice, Out], None]) -> Attacks:
    """Run ``work`` on slices of the examples, each with its part of the outputs."""
    found = Attacks.nothing(n)
    slices = [slice(start, start + BLOCK) for start in range(0, n, BLOCK)]

    def block(rows: slice) -> None:
        work(rows, (found.epsilon[rows], found.low[rows], found.high[rows], found.inside_is_unlearned[rows]))

    if len(slices) < 2:
        block(slice(n))
        return found
    with ThreadPoolExecutor(min(len(slices), _processors())) as pool:
        list(pool.map(block, slices))
    return found


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
