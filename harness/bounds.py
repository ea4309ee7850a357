"""Numbers from outside: of their type, finite, and within bounds; a truth value is no number."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_SHOWN = 40
MOST_LEVELS = 40
"""Levels of lists and mappings within a value."""


class NumberError(ValueError):
    """A value that is not the number that is needed; the message begins with "must be" and names both."""


@dataclass(frozen=True)
class Whole:
    """The whole numbers from ``least`` to ``most``."""

    least: int
    most: int

    def check(self, value: object) -> int:
        """Return ``value`` as an int, NumPy's included.

        Raises:
            NumberError: another type, or out of bounds.
        """
        found = int(value) if not isinstance(value, bool) and isinstance(value, numbers.Integral) else None
        if found is None or not self.least <= found <= self.most:
            raise NumberError(f"must be a whole number from {self.least} to {self.most}, not {_shown(value)}")
        return found


@dataclass(frozen=True)
class Real:
    """The finite numbers from ``least`` to ``most``; without ``least`` itself if ``above``."""

    least: float
    most: float
    above: bool = False

    def check(self, value: object) -> float:
        """Return ``value`` as a float, NumPy's included.

        Raises:
            NumberError: another type, NaN, infinite, or out of bounds.
        """
        found = _float(value)
        if found is None or not self.least <= found <= self.most or (self.above and found == self.least):
            raise NumberError(f"must be a {self._described()}, not {_shown(value)}")
        return found

    def _described(self) -> str:
        if self == FINITE:
            return "finite number"
        return f"number {'above' if self.above else 'from'} {self.least:g} to {self.most:g}"


FINITE = Real(-sys.float_info.max, sys.float_info.max)
"""All finite numbers."""


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (float, numbers.Real)):
        return None
    try:
        return float(value)
    except OverflowError:  # an int beyond the largest float
        return None


def check_json(value: object, levels: int = MOST_LEVELS) -> None:
    """Check that ``value`` can be written as JSON: finite numbers, text keys, at most 40 levels.

    Raises:
        NumberError: a number that is not finite.
        ValueError: anything else that JSON has no value for.
    """
    if levels == 0:
        raise ValueError(f"is nested more than {MOST_LEVELS} levels deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise NumberError(f"must be finite, not {value}")
    if isinstance(value, Mapping):
        if wrong := [name for name in value if not isinstance(name, str)]:
            raise ValueError(f"has a key that is no text: {_shown(wrong[0])}")
        for one in value.values():
            check_json(one, levels - 1)
    elif isinstance(value, (list, tuple)):
        for one in value:
            check_json(one, levels - 1)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise ValueError(f"must be a value of JSON, not {_shown(value)}")


def _shown(value: object) -> str:
    """Return a short ``repr``, also of a number that is too long for one."""
    try:
        text = repr(value)
    except ValueError:  # an int of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
