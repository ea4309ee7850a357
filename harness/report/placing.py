"""Places for the labels of points such that none covers another, a point or the plot's edge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LINE_HEIGHT = 16.0
DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
DISTANCES = (9.0, 14.0, 22.0, 32.0, 44.0, 58.0, 74.0, 92.0, 120.0)
LINE, MARK = 0.4, 100.0  # what a unit of covered area costs, in units of distance


@dataclass(frozen=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, other: Box) -> bool:
        """Whether all of it lies in the other."""
        inside = other.left <= self.left and self.right <= other.right
        return inside and other.top <= self.top and self.bottom <= other.bottom

    def cost(self, obstacles: Sequence[Box]) -> float:
        """The area that it covers of others."""
        return sum(
            max(0.0, min(self.right, one.right) - max(self.left, one.left))
            * max(0.0, min(self.bottom, one.bottom) - max(self.top, one.top))
            for one in obstacles
        )


def around(x: float, y: float, reach: float) -> Box:
    """The square around a point."""
    return Box(x - reach, y - reach, x + reach, y + reach)


def place(
    points: Sequence[tuple[float, float]], widths: Sequence[float], area: Box, lines: Sequence[Box] = ()
) -> list[Box]:
    """A box for each point's label, near its point, clear of all points and of each other, and of lines where it can be.

    Labels whose points are crowded are placed first, each where it covers least and lies nearest.

    Args:
        points: in the picture's units.
        widths: of the labels.
        area: in which all labels must lie.
        lines: what may be crossed where there is no better place.
    """
    taken = [around(x, y, 7) for x, y in points]
    boxes: dict[int, Box] = {}
    for index in sorted(range(len(points)), key=lambda one: _room(one, points)):
        found = list(_candidates(points[index], widths[index]))
        inside = [pair for pair in found if pair[1].within(area)] or found[:1]
        costs = [distance + LINE * box.cost(lines) + MARK * box.cost(taken) for distance, box in inside]
        boxes[index] = inside[costs.index(min(costs))][1]
        taken.append(boxes[index])
    return [boxes[index] for index in range(len(points))]


def _room(index: int, points: Sequence[tuple[float, float]]) -> float:
    """Distance to the nearest other point."""
    return min((math.dist(points[index], other) for i, other in enumerate(points) if i != index), default=0.0)


def _candidates(point: tuple[float, float], width: float) -> Iterator[tuple[float, Box]]:
    """Places around a point, the nearest first, each with its distance."""
    for distance in DISTANCES:
        for across, down in DIRECTIONS:
            middle_x = point[0] + across * (distance + width / 2)
            middle_y = point[1] + down * (distance + LINE_HEIGHT / 2 - (4 if across else 0))
            left, top = middle_x - width / 2, middle_y - LINE_HEIGHT / 2
            yield distance, Box(left, top, left + width, top + LINE_HEIGHT)
