"""Reads entry_points.txt, of whatever quality, alike for host and guest; standard library only."""

from __future__ import annotations

import re
from typing import NamedTuple

BYTE_ORDER_MARK = "\ufeff"


class Point(NamedTuple):
    """One entry point as it is written."""

    group: str
    name: str
    value: str


def parse(text: str) -> tuple[list[Point], list[str]]:
    """Return the entry points in their order, and what is wrong with the other lines, one sentence each.

    A name that stands in a group twice is returned twice.
    """
    points: list[Point] = []
    faults: list[str] = []
    group: str | None = None
    for number, raw in enumerate(text.removeprefix(BYTE_ORDER_MARK).splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip()
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if group is None or not equals or not name or not value:
            faults.append(f"line {number} of its entry_points.txt is no NAME = VALUE in a [group]: {line[:80]!a}")
        else:
            points.append(Point(group, name, value))
    return points, faults


def normal(name: str) -> str:
    """Return the normal form of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
