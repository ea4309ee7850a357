"""The reference of the library, from signatures and docstrings, for all names of ``harness.__all__``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docstrings import Docstring, markdown

import harness
from harness.library.several import CheckResult, RunComparison, RunLeaderboard
from harness.report.document import Report

HEAD = """\
# Python

The functions and classes of `import harness`, generated from their docstrings by `python docs/generate`. How to use them:
[use the harness from Python](../how-to/use-from-python.md). Errors are classes of `harness.errors`, each with its
[exit code](exit-codes.md).
"""
CLASSES: Mapping[type, tuple[type, ...]] = {
    harness.RunReport: (Report,),
    RunComparison: (),
    RunLeaderboard: (),
    CheckResult: (),
}
"""Class -> base classes of ours whose members are shown with its own."""
SHORT = 88


def page() -> str:
    """Return the page of all functions and of the classes that they return."""
    functions = [name for name in harness.__all__ if inspect.isfunction(getattr(harness, name))]
    parts = [
        HEAD,
        "## Functions\n",
        *(_function(f"harness.{name}", getattr(harness, name), "###") for name in functions),
    ]
    parts += ["## Classes\n", *(_class(one, bases) for one, bases in CLASSES.items())]
    return "\n".join(parts)


def _class(one: type, bases: tuple[type, ...]) -> str:
    members: dict[str, Any] = {}
    for owner in (one, *bases):
        for name, member in vars(owner).items():
            known = isinstance(member, property) or inspect.isfunction(member)
            # pydantic adds methods of its own, whose names begin with "model_"
            if known and not name.startswith(("_", "model_")) and member.__doc__:
                members.setdefault(name, member)
    parts = [f"### {one.__name__}\n", Docstring.of(one).body]
    parts += [_member(f"{one.__name__}.{name}", member) for name, member in members.items()]
    return "\n".join(parts)


def _member(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"**`{name}`** (property)\n\n{Docstring.of(member).body}"
    return _function(name, member, "####")


def _function(name: str, function: Callable[..., Any], heading: str) -> str:
    text = Docstring.of(function)
    parts = [f"{heading} {name}\n", f"```text\n{_signature(name, function)}\n```\n", text.body]
    parts += list(_table("argument", text.arguments))
    if text.returns:
        parts.append(f"Returns: {markdown(text.returns)}\n")
    parts += list(_table("raises", text.raises))
    return "\n".join(part for part in parts if part)


def _table(title: str, rows: Mapping[str, str]) -> Iterator[str]:
    if rows:
        lines = [f"| `{name}` | {markdown(meaning)} |" for name, meaning in rows.items()]
        yield "\n".join([f"| {title} | meaning |", "| --- | --- |", *lines, ""])


def _signature(name: str, function: Callable[..., Any]) -> str:
    """Return a call with the parameters' names and defaults, on one line if it is short."""
    found, starred = [], False
    for one in inspect.signature(function).parameters.values():
        if one.name == "self":
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            found.append("*")
        starred = starred or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        star = "*" if one.kind is one.VAR_POSITIONAL else ""
        found.append(star + one.name + ("" if one.default is one.empty else f"={one.default!r}"))
    whole = f"{name}({', '.join(found)})"
    return whole if len(whole) <= SHORT else "\n".join([f"{name}(", *(f"    {part}," for part in found), ")"])
