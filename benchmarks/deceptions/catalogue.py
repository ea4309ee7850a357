"""All deceptions and all honest submissions, in the order of the tables."""

from __future__ import annotations

from benchmarks.deceptions import disguises, honest, mixtures, scales, traces
from benchmarks.deceptions.model import Deception

DECEPTIONS: tuple[Deception, ...] = (
    *scales.DECEPTIONS,
    *mixtures.DECEPTIONS,
    *traces.DECEPTIONS,
    *disguises.DECEPTIONS,
)
HONEST: tuple[Deception, ...] = honest.DECEPTIONS
ALL: tuple[Deception, ...] = (*DECEPTIONS, *HONEST)
FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(one.family for one in ALL))


def find(name: str) -> Deception:
    """Return the submission of that name.

    Raises:
        KeyError: there is none.
    """
    return {one.name: one for one in ALL}[name]
