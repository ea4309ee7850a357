"""A lenient parser of entry_points.txt, shared by host and guest; standard library only."""

from __future__ import annotations

import re
from typing import NamedTuple

BYTE_ORDER_MARK = "\ufeff"


class Point(NamedTuple):
    """One entry point as written in the file."""

    group: str
    name: str
    value: str


def parse(text: str) -> tuple[list[Point], list[str]]:
    """Return the entry points in file order, and a sentence per malformed line.

    A name that occurs twice in a group is returned twice.
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
            faults.append(f"line {number} of its entry_points.txt is not NAME = VALUE in a [group]: {line[:80]!a}")
        else:
            points.append(Point(group, name, value))
    return points, faults


def normal(name: str) -> str:
    """Return the normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
