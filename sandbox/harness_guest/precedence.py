"""Precedence of the requested plugin over an installed copy, e.g. an author's editable installation.

The plugin's folder is last in ``sys.path``, so that nothing in it shadows torch or the guest. Without this module an installed
copy of the plugin would shadow it, too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, distributions
from types import ModuleType


class _OwnModules(MetaPathFinder):
    """A meta path finder that looks up the named top-level modules in one folder before all other finders."""

    def __init__(self, names: frozenset[str], folder: str) -> None:
        self._names, self._folder = names, folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 -- given for modules inside packages, which are not looked for here
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the module's spec; None for other names."""
        return PathFinder.find_spec(fullname, [self._folder], target) if fullname in self._names else None


def prefer_folder(point: EntryPoint, folder: str) -> None:
    """Import the plugin from ``folder`` even if its distribution is installed elsewhere; do nothing if it is not.

    Installed means: same distribution name and the same entry point. A plugin cannot shadow other modules by claiming their
    distribution's name.
    """
    if point.dist is None:
        return
    elsewhere = [path for path in sys.path if path != folder]
    name = point.dist.metadata["Name"]
    copies = [copy for copy in distributions(name=name, path=elsewhere) if point in list(copy.entry_points)]
    if copies:
        files = {file.parts[0].removesuffix(".py") for file in point.dist.files or ()}
        sys.meta_path.insert(0, _OwnModules(frozenset({point.module.partition(".")[0], *files}), folder))
