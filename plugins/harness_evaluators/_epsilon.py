"""The largest epsilon over a family of attacks, example by example, with the attack that reached it.

Both sides are sorted once; all that follows counts. The work runs compiled where numba can be imported, else in NumPy
with equal results, on as many threads as the process has processors.
"""

from __future__ import annotations

import functools
import importlib
import math
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness_evaluators import _epsilon_exact, _epsilon_rates, _grid, _shared
from harness_evaluators._epsilon_rates import Logs, Out

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
AttackName = Literal["official-grid", "exact"]

ATTACKS: tuple[AttackName, ...] = ("official-grid", "exact")
BLOCK = 128
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

    @property
    def out(self) -> Out:
        """What a search fills in."""
        return self.epsilon, self.low, self.high, self.inside_is_unlearned

    def part(self, rows: slice) -> Attacks:
        """Views of some examples' attacks."""
        return Attacks(*(values[rows] for values in vars(self).values()))

    def put(self, where: Flags, other: Attacks) -> None:
        """Take over the attacks on the examples ``where``."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[where] = theirs


@dataclass(frozen=True)
class Side:
    """Phi of some models of a population, sorted once for all selections of them.

    Attributes:
        values: of all models, sorted rows, shape (n, N).
        models: whose each value is, shape (n, N).
        keep: which models take part, shape (N,).
    """

    values: Values
    models: NDArray[np.int32]
    keep: Flags

    @property
    def size(self) -> int:
        """How many models take part."""
        return int(self.keep.sum())

    def only(self, keep: Flags) -> Side:
        """Those models alone, whoever took part before."""
        return Side(self.values, self.models, keep)

    def rows(self, chosen: slice) -> Values:
        """Sorted phi of some examples under the models that take part, shape (n, size)."""
        if self.keep.all():
            return self.values[chosen]
        values = self.values[chosen]
        found = np.empty((len(values), self.size))
        kernels()[1].kept(values, self.models[chosen], self.keep, found)
        return found


def side(phi: Values) -> Side:
    """All models of a population, finite phi of shape (N, n)."""
    n_models, n = phi.shape
    values, models = np.empty((n, n_models)), np.empty((n, n_models), dtype=np.int32)

    def work(rows: slice) -> None:
        block = np.ascontiguousarray(phi[:, rows].T)
        models[rows] = block.argsort(axis=1)
        values[rows] = np.take_along_axis(block, models[rows].astype(np.int64), axis=1)

    _shared.in_threads(work, _shared.slices(n, BLOCK))
    return Side(values, models, np.ones(n_models, dtype=np.bool_))


@functools.cache
def kernels() -> tuple[ModuleType, ModuleType]:
    """The modules with ``official`` and with ``exact``: compiled where numba can be imported."""
    try:
        module = importlib.import_module("harness_evaluators._epsilon_kernels")
    except ImportError:
        return _grid, _epsilon_exact
    return module, importlib.import_module("harness_evaluators._epsilon_exact_kernels")


def strongest(unlearned: Values, retrained: Values, attack: AttackName, delta: float) -> Attacks:
    """The strongest attack of a family on each example; finite phi of shape (N_unlearned, n) and (N_retrained, n)."""
    return strongest_of(side(unlearned), side(retrained), attack, delta)


def strongest_of(
    unlearned: Side, retrained: Side, attack: AttackName, delta: float, near: Attacks | None = None
) -> Attacks:
    """As :func:`strongest`, of models that were sorted before.

    Args:
        unlearned: one side.
        retrained: the other.
        attack: the family.
        delta: of epsilon.
        near: attacks that may be nearly the strongest ones: what is weaker need not be looked at. The result is the same.
    """
    found = Attacks.nothing(len(unlearned.values))
    if near is not None:
        found.low[:], found.high[:] = near.low, near.high
    search = _exact if attack == "exact" else _official
    sizes = unlearned.size, retrained.size

    def work(rows: slice) -> None:
        search(unlearned.rows(rows), retrained.rows(rows), sizes, delta, found.part(rows))

    kernels()  # imported by one thread alone
    _shared.in_threads(work, _shared.slices(len(found.epsilon), BLOCK))
    np.clip(found.epsilon, 0, _epsilon_rates.CAP, out=found.epsilon)
    return found


def inside(attacks: Attacks, side: Side) -> NDArray[np.int32]:
    """How many of a side's models lie in the attacks' intervals, shape (n,)."""
    found = np.empty(len(side.values), dtype=np.int32)

    def work(rows: slice) -> None:
        kernels()[1].inside(side.rows(rows), attacks.low[rows], attacks.high[rows], found[rows])

    _shared.in_threads(work, _shared.slices(len(found), BLOCK))
    return found


def _exact(u: Values, r: Values, sizes: tuple[int, int], delta: float, found: Attacks) -> None:
    kernels()[1].exact(u, r, _logs(sizes, delta, np.float64), found.out)


def _official(u: Values, r: Values, sizes: tuple[int, int], delta: float, found: Attacks) -> None:
    """The grid where it applies; the cap where the guard says so; all intervals where |phi| is beyond any grid."""
    ends = [rows[:, i] for rows in (u, r) for i in (0, -1)]
    beyond = np.abs(ends).max(axis=0) > _grid.MAX_PHI
    found.guarded[:] = _grid.guarded(u, r) & ~beyond
    found.epsilon[found.guarded] = _epsilon_rates.CAP
    rest = ~beyond & ~found.guarded
    for where, search in ((beyond, _exact), (rest, _on_grid)):
        if where.all():
            search(u, r, sizes, delta, found)
        elif where.any():
            some = Attacks.nothing(int(where.sum()))
            search(u[where], r[where], sizes, delta, some)
            found.put(where, some)


def _on_grid(u: Values, r: Values, sizes: tuple[int, int], delta: float, found: Attacks) -> None:
    kernels()[0].official(u, r, _grid.retrained_is_positive(u, r), _logs(sizes, delta, np.float32), found.out)


@functools.lru_cache(maxsize=64)
def _logs(sizes: tuple[int, int], delta: float, dtype: DTypeLike) -> tuple[Logs, Logs]:
    return _epsilon_rates.logs(sizes[0], delta, dtype), _epsilon_rates.logs(sizes[1], delta, dtype)
