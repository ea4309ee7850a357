"""All deceptions and all honest submissions, in the order of the tables."""

from __future__ import annotations

from benchmarks.deceptions import disguises, hidden, honest, mixtures, scales, traces  # noqa: F401 -- they register their submissions
from benchmarks.deceptions.model import CATALOGUE, Deception

FAMILIES = (
    "scales",
    "mixtures",
    "diversity",
    "failures",
    "examples",
    "queries",
    "other classes",
    "shape",
    "outputs",
    "weights",
    "honest",
)
ALL: tuple[Deception, ...] = tuple(sorted(CATALOGUE, key=lambda one: FAMILIES.index(one.family)))
DECEPTIONS: tuple[Deception, ...] = tuple(one for one in ALL if not one.honest)
HONEST: tuple[Deception, ...] = tuple(one for one in ALL if one.honest)


def find(name: str) -> Deception:
    """Return the submission of that name.

    Raises:
        KeyError: there is none.
    """
    return {one.name: one for one in ALL}[name]
