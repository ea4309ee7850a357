"""How a rectangle of outputs is cut into tiles whose sums are held in registers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reference_models.machine_code import Vectors

MAX_PLACES = 24
MAX_VECTORS = 8
LATENCY = 5
"""Multiply-adds in flight that keep the units of today's processors busy; a tile with fewer sums waits for them."""

PER_TILE = 0.02
"""Of a step over a tile, for beginning and ending it: of two plans that cost the same, the one with fewer tiles."""


@dataclass(frozen=True)
class Tiles:
    """A grid of tiles of one size.

    Attributes:
        row: of the first tile.
        column: of the first tile.
        n_down: tiles one below the other.
        n_across: tiles side by side.
        rows: of one tile.
        columns: of one tile.
    """

    row: int
    column: int
    n_down: int
    n_across: int
    rows: int
    columns: int

    @property
    def places(self) -> list[tuple[int, int]]:
        """Row and column of each place of a tile."""
        return [(row, column) for row in range(self.rows) for column in range(self.columns)]


def column_of(rows: int) -> Tiles:
    """One tile of so many places, one below the other."""
    return Tiles(0, 0, 1, 1, rows, 1)


@dataclass(frozen=True)
class Plan:
    """Sums that are held at a time: of ``vectors`` vectors of channels in each of at most ``places`` places."""

    vectors: int
    places: int


def cut(rows: int, columns: int, places: int) -> Iterator[Tiles]:
    """Tiles of at most ``places`` places, as even as can be, that cover a rectangle."""
    width, n_across, last_width = even_parts(columns, places)
    height, n_down, last_height = even_parts(rows, max(1, places // columns))
    for row, down, tall in ((0, n_down, height), (n_down * height, 1, last_height)):
        for column, across, wide in ((0, n_across, width), (n_across * width, 1, last_width)):
            if tall and wide:
                yield Tiles(row, column, down, across, tall, wide)


def even_parts(n: int, most: int) -> tuple[int, int, int]:
    """Length of a part, the number of such parts, and what is left of n."""
    length = -(-n // -(-n // most))
    return length, n // length, n % length


def plan(rows: int, columns: int, n_vectors: int, registers: int) -> Plan:
    """The plan that costs least, by count of instructions, for a rectangle with ``n_vectors`` vectors in each place.

    A step over a tile multiplies one number a place with each vector: it takes as many multiply-adds as there are sums,
    and two loads at a time.
    """
    candidates = []
    for vectors in range(1, min(n_vectors, MAX_VECTORS) + 1):
        if n_vectors % vectors == 0:
            for places in range(1, min(MAX_PLACES, (registers - vectors - 1) // vectors) + 1):
                cost = sum(_cost(tiles, vectors) for tiles in cut(rows, columns, places)) * n_vectors / vectors
                candidates.append((cost, vectors, places))
    _, vectors, places = min(candidates)
    return Plan(vectors, places)


def _cost(tiles: Tiles, vectors: int) -> float:
    places = tiles.rows * tiles.columns
    step = max(vectors * places, (vectors + places + 1) / 2, LATENCY)
    return tiles.n_down * tiles.n_across * (step + PER_TILE)


def vectors_in(channels: int, vectors: Vectors) -> tuple[int, int]:
    """Length of the vectors that ``channels`` numbers are cut into, and how many there are."""
    width = vectors.width_for(channels)
    return width, channels // width
