"""For each example, the largest epsilon that a family of attacks reaches, and the attack that reaches it.

An attack is an interval of phi in which it guesses "unlearned", or "retrained"; epsilon is that of (epsilon, delta)-unlearning
(Triantafillou et al. 2024, arXiv 2406.09073).

Both populations are sorted once, together, for all selections of models; everything else is counting.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from harness_evaluators.common import parallel
from harness_evaluators.forgetting_quality import exact_search, grid_search, rates
from harness_evaluators.forgetting_quality.rates import Logs, Out

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = exact_search.Codes
Models = NDArray[np.int64]
AttackName = Literal["official-grid", "exact"]

ATTACKS: tuple[AttackName, ...] = ("official-grid", "exact")
LEFT, RIGHT = exact_search.LEFT, exact_search.RIGHT
BLOCK = 256
"""Examples per block of work for a thread."""


@dataclass(frozen=True)
class Attacks:
    """The strongest attack on each of n examples.

    Attributes:
        epsilon: of that attack, in [0, CAP], shape (n,).
        low: lower end of its closed interval, shape (n,); above ``high`` if no attack reaches anything.
        high: upper end, shape (n,).
        inside_is_unlearned: True if a value inside is predicted as unlearned, shape (n,).
        guarded: True if the ranges differ so much that epsilon is the cap without an attack, shape (n,).
    """

    epsilon: Values
    low: Values
    high: Values
    inside_is_unlearned: Flags
    guarded: Flags

    @classmethod
    def nothing(cls, n: int) -> Attacks:
        """Return the state before any attack was tried."""
        no, none = np.zeros(n, dtype=np.bool_), np.full(n, math.inf)
        return cls(np.zeros(n), none, -none, ~no, no)

    @property
    def out(self) -> Out:
        """Return the arrays that a search fills in."""
        return self.epsilon, self.low, self.high, self.inside_is_unlearned

    def part(self, rows: slice) -> Attacks:
        """Return views of some examples' attacks."""
        return Attacks(*(values[rows] for values in vars(self).values()))

    def put(self, where: Flags, other: Attacks) -> None:
        """Copy the attacks on the examples ``where`` from ``other``."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[where] = theirs


@dataclass(frozen=True)
class Pool:
    """Phi of two populations on n examples, sorted once for all selections of their N models.

    A selection is a code for each model, shape (N,): LEFT if it takes part as an unlearned one, RIGHT as a retrained one,
    else 0.

    Attributes:
        values: of all models, sorted rows, shape (n, N).
        models: number of the model of each value, shape (n, N).
    """

    values: Values
    models: Models

    def part(self, rows: slice | Flags | NDArray[np.int64]) -> Pool:
        """Return the pool of some examples."""
        return Pool(self.values[rows], self.models[rows])

    def chosen(self, codes: Codes) -> tuple[Values, Codes]:
        """Return the sorted values of the models that take part, and their codes, shape (n, number of these) each."""
        sides = codes.take(self.models)
        if codes.all():
            return self.values, sides
        there, shape = sides.astype(np.bool_), (len(self.values), np.count_nonzero(codes))
        return self.values[there].reshape(shape), sides[there].reshape(shape)


def pool(left: Values, right: Values) -> Pool:
    """Return the pool of two populations, finite phi of shape (N_left, n) and (N_right, n); models of the left one come first."""
    n_models, n = len(left) + len(right), left.shape[1]
    values, models = parallel.unfilled((n, n_models)), np.zeros((n, n_models), dtype=np.int64)

    def work(rows: slice) -> None:
        block = np.concatenate([left[:, rows].T, right[:, rows].T], axis=1)
        models[rows] = block.argsort(axis=1)
        values[rows] = np.take_along_axis(block, models[rows], axis=1)

    parallel.in_threads(work, parallel.slices(n, BLOCK))
    return Pool(values, models)


def codes(left: Flags, right: Flags) -> Codes:
    """Return the selection of the given models, each in its own population; masks of shape (N_left,) and (N_right,)."""
    return np.concatenate([np.where(left, LEFT, 0), np.where(right, RIGHT, 0)]).astype(np.uint8)


def sizes_of(chosen: Codes) -> tuple[int, int]:
    """Return the number of models that take part in either population."""
    return int((chosen == LEFT).sum()), int((chosen == RIGHT).sum())


def strongest(unlearned: Values, retrained: Values, attack: AttackName, delta: float) -> Attacks:
    """Return the strongest attack of a family on each example; finite phi of shape (N_unlearned, n) and (N_retrained, n)."""
    everyone = (np.ones(len(side), dtype=np.bool_) for side in (unlearned, retrained))
    return strongest_of(pool(unlearned, retrained), codes(*everyone), attack, delta)


def strongest_of(both: Pool, chosen: Codes, attack: AttackName, delta: float, *, ends: bool = True) -> Attacks:
    """Return :func:`strongest` of models that are sorted already.

    Args:
        both: the populations.
        chosen: the selection of models, shape (N,).
        attack: the family.
        delta: the delta at which epsilon is computed.
        ends: return the first of equally strong attacks; False for any of them, which is faster. "exact" ignores it.
    """
    found = Attacks.nothing(len(both.values))
    search = _exact if attack == "exact" else _official

    def work(rows: slice) -> None:
        search(both.part(rows), chosen, delta, ends, found.part(rows))

    parallel.in_threads(work, parallel.slices(len(found.epsilon), BLOCK))
    np.clip(found.epsilon, 0, rates.CAP, out=found.epsilon)
    return found


def inside(attacks: Attacks, both: Pool, chosen: Codes) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the number of models of either population inside the attacks' intervals, shape (n,) each."""
    found = np.zeros(len(both.values), dtype=np.int32), np.zeros(len(both.values), dtype=np.int32)

    def work(rows: slice) -> None:
        values, sides = both.part(rows).chosen(chosen)
        within = (values >= attacks.low[rows, None]) & (values <= attacks.high[rows, None])
        for count, side in zip(found, (LEFT, RIGHT), strict=True):
            count[rows] = (within & (sides == side)).sum(axis=1)

    parallel.in_threads(work, parallel.slices(len(both.values), BLOCK))
    return found


def _exact(both: Pool, chosen: Codes, delta: float, _ends: bool, found: Attacks) -> None:
    exact_search.exact(*both.chosen(chosen), _logs(sizes_of(chosen), delta, np.float64), found.out)


def _official(both: Pool, chosen: Codes, delta: float, ends: bool, found: Attacks) -> None:
    """Search the grid; use the cap if the guard applies, and all intervals if |phi| is beyond any grid."""
    values, sides = both.chosen(chosen)
    u, r = (values[sides == side].reshape(len(values), -1) for side in (LEFT, RIGHT))
    outermost = [rows[:, i] for rows in (u, r) for i in (0, -1)]
    beyond = np.abs(outermost).max(axis=0) > grid_search.MAX_PHI
    found.guarded[:] = grid_search.guarded(u, r) & ~beyond
    found.epsilon[found.guarded] = rates.CAP
    logs = _logs(sizes_of(chosen), delta, np.float32)
    rest = ~beyond & ~found.guarded
    if rest.all():
        grid_search.official(values, sides, logs, ends, found.out)
    elif rest.any():
        some = Attacks.nothing(int(rest.sum()))
        grid_search.official(values[rest], sides[rest], logs, ends, some.out)
        found.put(rest, some)
    if beyond.any():
        some = Attacks.nothing(int(beyond.sum()))
        _exact(both.part(beyond), chosen, delta, ends, some)
        found.put(beyond, some)


@functools.lru_cache(maxsize=64)
def _logs(sizes: tuple[int, int], delta: float, dtype: DTypeLike) -> tuple[Logs, Logs]:
    return rates.logs(sizes[0], delta, dtype), rates.logs(sizes[1], delta, dtype)
