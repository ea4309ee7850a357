"""Options of the command line that are made from the fields of :class:`~harness.runs.config.RunConfig`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import click

from harness.runs.config import RunConfig, options_of_runs

Command = TypeVar("Command", bound=Callable[..., Any])
PAIRS = "pairs"
"""Keyword under which a command gets what ``--set`` was given."""


class Shares(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """A number, or several with commas as a tuple."""

    name = "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number or the numbers; a text that is none is a usage error."""
        if not isinstance(value, str):
            return value
        found = []
        for part in value.split(","):
            try:
                found.append(float(part))
            except ValueError:
                self.fail(
                    f"{part.strip()!r} is not a number. Pass a fraction, or several with commas: 0.05,0.1,0.2.",
                    param,
                    ctx,
                )
        return tuple(found) if len(found) > 1 else found[0]


def config_options(*names: str, **helps: str) -> Callable[[Command], Command]:
    """Return a decorator that gives a command these options of a run, in this order.

    Args:
        names: fields of RunConfig; none for all.
        helps: help texts by option name that replace the default ones.
    """

    def decorated(command: Command) -> Command:
        for name in reversed(names or tuple(options_of_runs())):
            command = _option(name, helps.get(name))(command)
        return command

    return decorated


def _option(name: str, help_text: str | None) -> Callable[[Command], Command]:
    option, kind = options_of_runs()[name], get_type_hints(RunConfig)[name]
    default = next(one.default for one in fields(RunConfig) if one.name == name)
    shown = f"  [default: {option.shown}]" if option.shown else ""
    more: dict[str, Any] = {"help": help_text or f"{option.help}{shown}", "metavar": option.metavar or None}
    if kind is bool:
        more["is_flag"] = True
    elif name == "options" or get_origin(kind) is tuple:
        more["multiple"] = True
    elif default is MISSING:
        more["required"] = True
    else:
        number = next((one for one in (int, float) if one is kind or one in get_args(kind)), str)
        more["type"] = click.Choice(get_args(kind)) if get_origin(kind) is Literal else number
        if name == "budget_fraction":
            more["type"] = Shares()
        more |= {"default": default, "show_default": default is not None}
    return click.option(option.flag, PAIRS if name == "options" else name, **more)
