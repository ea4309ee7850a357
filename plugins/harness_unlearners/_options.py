"""Reading a method's options: a typing error must not silently become a default."""

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
    """Return ``defaults`` and the first of all ``choices``, overridden by what the user gave.

    An option whose default is an int takes whole numbers of at least 0, any other a number of at least 0.

    Args:
        given: what the user set.
        defaults: every known option that is a number.
        shares: names of the options that may be at most 1.
        positive: names of those that may not be 0; ``batch_size`` never may.
        choices: the words that each of the remaining options allows; the first one is the default.

    Raises:
        ValueError: an unknown option or a value that is not allowed; the message names the option and what is known.
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
    """Defaults of a short training, in proportion to the original's: ``lr``, ``epochs`` and ``batch_size``.

    The batch size is the recipe's, but at least 64: that its learning rate suits.

    Args:
        recipe: how the original was trained.
        lr: as a multiple of the recipe's learning rate.
        epochs: as a share of the recipe's epochs; at least one epoch is taken.
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
