"""Reading a method's options: a typing error must not silently become a default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def read_options(given: Mapping[str, Any], defaults: Mapping[str, float]) -> dict[str, Any]:
    """``defaults`` overridden by what the user gave.

    An option whose default is an int takes whole numbers of at least 0, any other a number of at least 0.

    Raises:
        ValueError: an unknown option or a value that is not allowed; the message names the option and what is known.
    """
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        known = ", ".join(sorted(defaults)) or "none"
        raise ValueError(f"unknown option {unknown[0]!r}; known options: {known}")
    return {name: _read(name, given.get(name, default), default) for name, default in defaults.items()}


def _read(name: str, value: Any, default: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"option {name!r} must be a number, not {value!r}") from None
    if not 0 <= number < float("inf"):
        raise ValueError(f"option {name!r} must be at least 0 and finite, not {value!r}")
    if isinstance(default, int):
        if number != int(number):
            raise ValueError(f"option {name!r} must be a whole number, not {value!r}")
        return int(number)
    return number
