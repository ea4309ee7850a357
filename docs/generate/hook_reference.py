"""The reference of the hooks, from the specifications' signatures and docstrings: a new hook is in it without further ado."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from docstrings import Docstring, markdown, prose

HEAD = """\
# Hooks

Everything that a plugin can implement, generated from the specifications by `python docs/generate`. A hook is marked with
`pluggy.HookimplMarker("harness")`; an implementation may name any subset of the arguments. How to write one:
[unlearners](unlearners.md), [evaluators](evaluators.md), [tasks](tasks.md), [runners](../how-to/write-a-runner.md).
"""
MODULES = {"harness_guest.hookspecs": "in the sandbox", "harness.hookspecs": "on the host"}
"""Module of specifications -> where its hooks are called."""
GUESTS = ("Runner", "RunnerFacts", "Limits", "GuestPaths", "GuestSetup", "GuestHandle", "Beside", "GuestExit")
WITH = {
    "EvaluatorInfo": ("Evidence", "Timings", "Result", "Metric", "Interval"),
    "RunnerProvider": ("RunnerRequest", "RunnerFactory", *(f"harness.runners.base:{name}" for name in GUESTS)),
}
"""Class -> those that its functions take and give: of its module, or "module:name"."""
OURS = ("harness", "harness_guest", "reference_models")


@dataclass(frozen=True)
class Hook:
    """One specification.

    Attributes:
        function: that specifies.
        where: it is called.
        first_result: whether the first result that is not None ends the calls.
    """

    function: Callable[..., Any]
    where: str
    first_result: bool


def page() -> str:
    """Return the page of all hooks and of their argument and return classes."""
    modules = {importlib.import_module(name): where for name, where in MODULES.items()}
    hooks = [hook for module, where in modules.items() for hook in hooks_of(module, where)]
    classes = dict.fromkeys(
        cls for module in modules for found in classes_of(module) for cls in _with_companions(found)
    )
    return "\n".join([HEAD, *map(_hook_section, hooks), "## What hooks take and give\n", *map(class_section, classes)])


def hooks_of(module: ModuleType, where: str) -> Iterator[Hook]:
    """Yield the hook specifications in a module, in source order."""
    for function in vars(module).values():
        marks = getattr(function, "harness_spec", None)
        if inspect.isfunction(function) and marks is not None:
            yield Hook(function, where, bool(marks["firstresult"]))


def classes_of(module: ModuleType) -> Iterator[type]:
    """Yield the project's classes in the annotations of a module's hooks, except those with a separate page."""
    imported = _typing_imports(module)
    for hook in hooks_of(module, ""):
        for annotation in inspect.get_annotations(hook.function).values():
            for name in re.findall(r"\b[A-Z]\w+", str(annotation)):
                source = imported.get(name, "")
                if source.partition(".")[0] in OURS:
                    cls = getattr(importlib.import_module(source), name)
                    if inspect.isclass(cls) and not hasattr(cls, "model_fields"):
                        yield cls


def _with_companions(cls: type) -> Iterator[type]:
    """Yield the class and its companion classes."""
    yield cls
    for name in WITH.get(cls.__name__, ()):
        module, _, own = name.rpartition(":")
        yield getattr(importlib.import_module(module or cls.__module__), own)


def _typing_imports(module: ModuleType) -> dict[str, str]:
    """Name -> module of everything that a module imports from elsewhere, for type checkers alone included."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    found = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {alias.asname or alias.name: str(node.module) for node in found for alias in node.names}


def _hook_section(hook: Hook) -> str:
    text = Docstring.of(hook.function)
    results = "the first result that is not `None` counts" if hook.first_result else "the results of all plugins count"
    parts = [
        f"## {hook.function.__name__}\n",
        f"```python\n{signature(hook.function)}\n```\n",
        f"Called {hook.where}; {results}.\n",
        text.body,
        _table("argument", text.arguments),
        _paragraph("Returns", text.returns),
        _table("raises", text.raises),
        text.rest,
    ]
    return "\n".join(filter(None, parts))


def class_section(cls: type) -> str:
    """Its attributes, properties and public methods."""
    text = Docstring.of(cls)
    described = text.attributes or text.arguments
    members = [(name, value) for name, value in vars(cls).items() if not name.startswith("_")]
    properties = {name: Docstring.of(value).whole for name, value in members if isinstance(value, property)}
    methods = [value for _, value in members if inspect.isfunction(value)]
    return "\n".join(
        filter(
            None,
            [
                f"### {cls.__name__}\n",
                text.body,
                _table("attribute", {**described, **properties}),
                text.rest,
                *(_method(cls, method) for method in methods),
            ],
        )
    )


def _method(cls: type, method: Callable[..., Any]) -> str:
    text = Docstring.of(method)
    parts = [
        f"#### {cls.__name__}.{method.__name__}\n",
        f"```python\n{signature(method)}\n```\n",
        text.body,
        _table("argument", text.arguments),
        _paragraph("Returns", text.returns),
        _table("raises", text.raises),
        text.rest,
    ]
    return "\n".join(filter(None, parts))


def signature(function: Callable[..., Any], width: int = 100) -> str:
    """Return the signature as in the source, without ``self``, wrapped at ``width`` characters."""
    whole = inspect.signature(function)
    kept = [value for name, value in whole.parameters.items() if name != "self"]
    arguments = [
        re.sub(r"'([^']*)'", r"\1", str(value)) if "=" not in str(value) else _with_default(value) for value in kept
    ]
    result = "" if whole.return_annotation is whole.empty else f" -> {whole.return_annotation}"
    line = f"{function.__name__}({', '.join(arguments)}){result}"
    if len(line) <= width:
        return line
    return "\n".join([f"{function.__name__}(", *(f"    {one}," for one in arguments), f"){result}"])


def _with_default(parameter: inspect.Parameter) -> str:
    annotated = parameter.annotation is not parameter.empty
    return f"{parameter.name}: {parameter.annotation} = {parameter.default!r}" if annotated else str(parameter)


def _table(title: str, rows: dict[str, str]) -> str:
    if not rows:
        return ""
    lines = "".join(f"| `{name}` | {markdown(text)} |\n" for name, text in rows.items())
    return f"| {title} | meaning |\n| --- | --- |\n{lines}"


def _paragraph(title: str, text: str) -> str:
    return prose(f"{title}: {text}") if text else ""
