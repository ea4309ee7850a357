"""Validation of numbers from users and plugins: type, finiteness and bounds; a bool is not a number."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_SHOWN = 40
MOST_LEVELS = 40
"""Maximum nesting depth of lists and mappings in a value."""


class NumberError(ValueError):
    """A value is not a valid number; the message begins with "must be" and names the allowed range and the value."""


@dataclass(frozen=True)
class Whole:
    """The range of whole numbers from ``least`` to ``most``, both included."""

    least: int
    most: int

    def check(self, value: object) -> int:
        """Return ``value``, a Python or NumPy integer, as an int.

        Raises:
            NumberError: the value has another type or is out of bounds.
        """
        found = int(value) if not isinstance(value, bool) and isinstance(value, numbers.Integral) else None
        if found is None or not self.least <= found <= self.most:
            raise NumberError(f"must be a whole number from {self.least} to {self.most}, not {_shown(value)}")
        return found


@dataclass(frozen=True)
class Real:
    """The range of finite numbers from ``least`` to ``most``; ``least`` itself is excluded if ``above``."""

    least: float
    most: float
    above: bool = False

    def check(self, value: object) -> float:
        """Return ``value``, a Python or NumPy number, as a float.

        Raises:
            NumberError: the value has another type, is NaN or infinite, or is out of bounds.
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
"""The range of all finite numbers."""


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (float, numbers.Real)):
        return None
    try:
        return float(value)
    except OverflowError:  # an int beyond the largest float
        return None


def check_json(value: object, levels: int = MOST_LEVELS) -> None:
    """Raise unless ``value`` can be written as JSON: finite numbers, text keys, at most 40 levels.

    Raises:
        NumberError: a number is NaN or infinite.
        ValueError: JSON cannot represent the value, or it is nested too deeply.
    """
    if levels == 0:
        raise ValueError(f"is nested more than {MOST_LEVELS} levels deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise NumberError(f"must be finite, not {value}")
    if isinstance(value, Mapping):
        if wrong := [name for name in value if not isinstance(name, str)]:
            raise ValueError(f"has a key that is not text: {_shown(wrong[0])}")
        for item in value.values():
            check_json(item, levels - 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_json(item, levels - 1)
    elif value is not None and not isinstance(value, (str, int, float)):
        raise ValueError(f"must be a JSON value, not {_shown(value)}")


def _shown(value: object) -> str:
    """Return a short ``repr``, also of an int that is too long for ``repr``."""
    try:
        text = repr(value)
    except ValueError:  # an int of more than 4,300 digits
        return "a number with thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
