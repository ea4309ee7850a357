"""Parsing of a method's options; a misspelt option is an error, not a silent default."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

NO_CHOICES: Mapping[str, Sequence[str]] = MappingProxyType({})


def read_options(
    given: Mapping[str, Any],
    defaults: Mapping[str, float],
    shares: Collection[str] = (),
    positive: Collection[str] = (),
    choices: Mapping[str, Sequence[str]] = NO_CHOICES,
) -> dict[str, Any]:
    """Return ``defaults`` and the first of all ``choices``, overridden by the user's options.

    An option whose default is an int accepts integers >= 0, any other numeric option numbers >= 0.

    Args:
        given: the user's options.
        defaults: every known numeric option.
        shares: names of options that may be at most 1.
        positive: names of options that must be above 0; ``batch_size`` always must.
        choices: allowed words per non-numeric option; the first is the default.

    Raises:
        ValueError: an unknown option or an invalid value; the message names the option and the allowed values.
    """
    unknown = sorted(set(given) - {*defaults, *choices})
    if unknown:
        known = ", ".join(sorted({*defaults, *choices})) or "none"
        raise ValueError(f"unknown option {unknown[0]!r}; known options: {known}")
    options = {name: _read(name, given.get(name, default), default) for name, default in defaults.items()}
    above_0 = {"batch_size", *positive}
    for name, number in options.items():
        if name in shares and number > 1:
            raise ValueError(f"option {name!r} is a share: it must be at most 1, not {number!r}")
        if name in above_0 and number == 0:
            raise ValueError(f"option {name!r} must be above 0")
    return {**options, **{name: _choose(name, given.get(name, words[0]), words) for name, words in choices.items()}}


def training_defaults(recipe: Any, *, lr: float, epochs: float) -> dict[str, float]:
    """Return ``lr``, ``epochs`` and ``batch_size`` of a short training, relative to the original's.

    The batch size is the recipe's, which its learning rate suits, but at least 64.

    Args:
        recipe: how the original was trained.
        lr: factor on the recipe's learning rate.
        epochs: share of the recipe's epochs; at least one epoch.
    """
    return {
        "lr": lr * recipe.lr,
        "epochs": max(1, int(epochs * recipe.epochs)),
        "batch_size": max(64, recipe.batch_size),
    }


def _choose(name: str, value: Any, words: Sequence[str]) -> str:
    if value not in words:
        raise ValueError(f"option {name!r} must be one of {', '.join(words)}, not {value!r}")
    return str(value)


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
