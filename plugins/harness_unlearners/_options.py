"""Parsing of a method's options; a misspelt option is an error, not a silent default.

Each method declares its options in ``HARNESS_OPTIONS`` (docs/reference/unlearners.md has the form). The host checks the user's
options by it before anything runs; here they are checked again, because a method may run elsewhere.

A default may be relative to the original's training: ``"0.5 x recipe.lr"``, or ``"recipe.batch_size, at least 64"``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

RELATIVE = re.compile(
    r"(?:(?P<factor>[\d.]+)(?:/(?P<divisor>\d+))? x )?recipe\.(?P<field>\w+)(?:, at least (?P<least>\d+))?"
)


def read_options(given: Mapping[str, Any], declared: Mapping[str, Any], recipe: Any = None) -> dict[str, Any]:
    """Return the value of every declared option: the user's, else the default.

    Args:
        given: the user's options.
        declared: every known option: ``type`` ("number" or "whole") with ``default`` and bounds, or ``choices``.
        recipe: how the original was trained; needed for relative defaults.

    Raises:
        ValueError: an unknown option or an invalid value; the message names the option and the allowed values.
    """
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r}; known options: {', '.join(sorted(declared)) or 'none'}")
    return {
        name: _read(name, given[name], option) if name in given else _default(option, recipe)
        for name, option in declared.items()
    }


def _default(option: Mapping[str, Any], recipe: Any) -> Any:
    if "choices" in option:
        return option["choices"][0]
    relative = RELATIVE.fullmatch(option["default"]) if isinstance(option["default"], str) else None
    if relative is None:
        return option["default"]
    value = float(relative["factor"] or 1) / float(relative["divisor"] or 1) * getattr(recipe, relative["field"])
    return max(int(relative["least"] or 1), int(value)) if option["type"] == "whole" else value


def _read(name: str, value: Any, option: Mapping[str, Any]) -> Any:
    if "choices" in option:
        if value not in option["choices"]:
            raise ValueError(f"option {name!r} must be one of {', '.join(option['choices'])}, not {value!r}")
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"option {name!r} must be a number, not {value!r}") from None
    least, most = option.get("least", 0), option.get("most", float("inf"))
    if not least <= number < float("inf"):
        raise ValueError(f"option {name!r} must be at least {least} and finite, not {value!r}")
    if number > most:
        raise ValueError(f"option {name!r} must be at most {most}, not {value!r}")
    if "above" in option and number <= option["above"]:
        raise ValueError(f"option {name!r} must be above {option['above']}, not {value!r}")
    if option["type"] != "whole":
        return number
    if number != int(number):
        raise ValueError(f"option {name!r} must be a whole number, not {value!r}")
    return int(number)
