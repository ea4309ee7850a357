"""The names of a new package: as its author says it, of the distribution, and of the module."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass

from harness.discovery import UNLEARNERS, find_plugins
from harness.errors import PluginNameError
from harness_guest.entry_points import normal

MAX_CHARS = 64
PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
RESERVED = frozenset(
    {
        *("harness", "harness_evaluators", "harness_guest", "harness_unlearners", "reference_models"),
        *("numpy", "pluggy", "pytest", "tests", "torch", "torchvision"),
    }
)
"""Modules that a plugin would hide, or be hidden by."""


@dataclass(frozen=True)
class Names:
    """The three names of one plugin.

    Attributes:
        plugin: of the entry point, which is what ``--plugin`` takes.
        distribution: of the package on an index, in the form of PEP 503.
        module: that is imported.
    """

    plugin: str
    distribution: str
    module: str


def names_of(name: str) -> Names:
    """The names that follow from ``name``.

    Raises:
        PluginNameError: it is not one that entry point, package and module can have, or it is taken.
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
        f"{name!r} cannot be the name of a plugin: it takes small letters a to z and digits, with single dashes or "
        f"underscores between them, a letter first, and {MAX_CHARS} characters at most.{hint}"
    )


def _check_module(names: Names) -> None:
    if keyword.iskeyword(names.module):
        raise PluginNameError(
            f"{names.plugin!r} is a word of the Python language and cannot be imported. Choose another."
        )
    if names.module in RESERVED or names.module in sys.stdlib_module_names:
        raise PluginNameError(
            f"There is a module {names.module!r} in every sandbox, which a plugin of this name would hide. Choose another name."
        )


def _check_not_taken(names: Names) -> None:
    """Metadata alone are read. The author's own installed package of this name is no hindrance."""
    for found in find_plugins(UNLEARNERS):
        if found.name == names.plugin and normal(found.distribution) != names.distribution:
            raise PluginNameError(
                f"{found.provider} has an unlearner {names.plugin!r} already, and of two neither could be run by its "
                "name. Choose another name."
            )
