"""Placement of point labels without overlaps between labels, points and the plot's edge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LINE_HEIGHT = 16.0
DIRECTIONS = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))
DISTANCES = (9.0, 14.0, 22.0, 32.0, 44.0, 58.0, 74.0, 92.0, 120.0)
LINE, MARK = 0.4, 100.0  # cost of a unit of covered area, in units of distance


@dataclass(frozen=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def within(self, other: Box) -> bool:
        """Return True if the box is completely inside another."""
        inside = other.left <= self.left and self.right <= other.right
        return inside and other.top <= self.top and self.bottom <= other.bottom

    def cost(self, obstacles: Sequence[Box]) -> float:
        """Return the total area of the box's overlaps with others."""
        return sum(
            max(0.0, min(self.right, one.right) - max(self.left, one.left))
            * max(0.0, min(self.bottom, one.bottom) - max(self.top, one.top))
            for one in obstacles
        )


def around(x: float, y: float, reach: float) -> Box:
    """Return the square around a point."""
    return Box(x - reach, y - reach, x + reach, y + reach)


def place(
    points: Sequence[tuple[float, float]], widths: Sequence[float], area: Box, lines: Sequence[Box] = ()
) -> list[Box]:
    """Return a box for each label near its point, clear of all points and other labels, and of lines if possible.

    Greedy: labels of the most crowded points are placed first, each where overlap and distance cost least.

    Args:
        points: in SVG user units.
        widths: of the labels.
        area: that must contain all labels.
        lines: boxes that may be crossed if there is no better position.
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
    """Return the distance to the nearest other point."""
    return min((math.dist(points[index], other) for i, other in enumerate(points) if i != index), default=0.0)


def _candidates(point: tuple[float, float], width: float) -> Iterator[tuple[float, Box]]:
    """Yield positions around a point with their distance, nearest first."""
    for distance in DISTANCES:
        for across, down in DIRECTIONS:
            middle_x = point[0] + across * (distance + width / 2)
            middle_y = point[1] + down * (distance + LINE_HEIGHT / 2 - (4 if across else 0))
            left, top = middle_x - width / 2, middle_y - LINE_HEIGHT / 2
            yield distance, Box(left, top, left + width, top + LINE_HEIGHT)
