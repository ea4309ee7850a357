"""Validation of a new plugin's name, and the derived names of distribution and module."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass

from harness.errors import PluginNameError
from harness.plugins.discovery import UNLEARNERS, find_plugins
from harness_guest.entry_points import normal

MAX_CHARS = 64
PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
RESERVED = frozenset(
    {
        *("harness", "harness_evaluators", "harness_guest", "harness_unlearners", "reference_models"),
        *("numpy", "pluggy", "pytest", "tests", "torch", "torchvision"),
    }
)
"""Modules that a plugin of the same name would shadow, or be shadowed by."""


@dataclass(frozen=True)
class Names:
    """The three names of a plugin.

    Attributes:
        plugin: name of the entry point, the value of ``--plugin``.
        distribution: name of the package on an index, normalised as in PEP 503.
        module: name of the importable module.
    """

    plugin: str
    distribution: str
    module: str


def names_of(name: str) -> Names:
    """Return the names derived from ``name``.

    Raises:
        PluginNameError: the name is not valid for entry point, package and module, or is already in use.
    """
    _check_form(name)
    names = Names(name, name.replace("_", "-"), name.replace("-", "_"))
    _check_module(names)
    _check_not_taken(names)
    return names


def _check_form(name: str) -> None:
    if PATTERN.fullmatch(name) and len(name) <= MAX_CHARS:
        return
    better = "-".join(re.findall("[a-z0-9]+", name.lower())).lstrip("0123456789-")[:MAX_CHARS].rstrip("-")
    hint = f" Try {better!r}." if better else ""
    raise PluginNameError(
        f"{name!r} is not a valid plugin name. Use at most {MAX_CHARS} lower-case letters a to z and digits, with single "
        f"dashes or underscores between them, beginning with a letter.{hint}"
    )


def _check_module(names: Names) -> None:
    if keyword.iskeyword(names.module):
        raise PluginNameError(f"{names.plugin!r} is a Python keyword and cannot be imported. Choose another name.")
    if names.module in RESERVED or names.module in sys.stdlib_module_names:
        raise PluginNameError(
            f"A plugin of this name would shadow the module {names.module!r} of the sandbox. Choose another name."
        )


def _check_not_taken(names: Names) -> None:
    """Raise if another distribution registers this name; the author's own installed package is allowed."""
    for found in find_plugins(UNLEARNERS):
        if found.name == names.plugin and normal(found.distribution) != names.distribution:
            raise PluginNameError(
                f"{found.provider} already registers an unlearner {names.plugin!r}, so the name would be ambiguous. "
                "Choose another name."
            )
