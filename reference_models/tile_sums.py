"""Sums of products that machine code holds in registers, for all places of a tile at once."""

from __future__ import annotations

from collections.abc import Sequence

from reference_models.machine_code import Code, Value
from reference_models.tiling import Tiles


class TileSums:
    """The sums of one tile, ``vectors`` for each of its places."""

    def __init__(self, code: Code, tiles: Tiles, vectors: int, width: int) -> None:
        self._code, self._places, self._vectors, self._width = code, tiles.places, vectors, width

    def zeros(self) -> list[Value]:
        """Sums of nothing."""
        return [self._code.zero(self._width)] * (len(self._places) * self._vectors)

    def everywhere(self, place: Value) -> list[Value]:
        """The same vectors, read at ``place``, for all places."""
        return [value for _ in self._places for value in self._read(place)]

    def stored(self, place: Value, down: int, across: int) -> list[Value]:
        """What :meth:`store` has written."""
        return [value for at in self._all(place, down, across) for value in self._read(at)]

    def store(self, sums: list[Value], place: Value, down: int, across: int) -> None:
        """Write the sums of places that lie ``down`` and ``across`` from each other."""
        values = iter(sums)
        for at in self._all(place, down, across):
            for i in range(self._vectors):
                self._code.store(next(values), self._code.at(at, i * self._width))

    def step(self, sums: Sequence[Value], numbers: Value, down: int, across: int, place: Value) -> list[Value]:
        """Add to the sums of each place its own number times the vectors at ``place``; numbers lie as places do."""
        factors, old = self._read(place), iter(sums)
        new = []
        for at in self._all(numbers, down, across):
            number = self._code.spread(self._code.load(at), self._width)
            new += [self._code.multiply_add(number, factor, next(old)) for factor in factors]
        return new

    def _all(self, place: Value, down: int, across: int) -> list[Value]:
        return [self._code.at(place, row * down + column * across) for row, column in self._places]

    def _read(self, place: Value) -> list[Value]:
        code, width = self._code, self._width
        return [code.load(code.at(place, i * width), width) for i in range(self._vectors)]
