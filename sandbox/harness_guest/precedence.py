"""Which version of a plugin is imported where another one is installed: an author's editable installation, say.

The plugin's folder is the last of ``sys.path``, so that nothing in it stands before torch or the guest. Its own installed copy
would then stand before it too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, distributions
from types import ModuleType


class _OwnModules(MetaPathFinder):
    """Finds the named top-level modules in one folder, before all others look."""

    def __init__(self, names: frozenset[str], folder: str) -> None:
        self._names, self._folder = names, folder

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 -- given for modules inside packages, which are not looked for here
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """The module's spec; None for all that is not named."""
        return PathFinder.find_spec(fullname, [self._folder], target) if fullname in self._names else None


def prefer_folder(point: EntryPoint, folder: str) -> None:
    """Import the plugin from ``folder`` although its distribution is installed elsewhere; does nothing where it is not.

    Installed is what has the name of the plugin's distribution and registers the very same entry point: no plugin comes
    before modules of others by taking their distribution's name.
    """
    if point.dist is None:
        return
    elsewhere = [path for path in sys.path if path != folder]
    name = point.dist.metadata["Name"]
    copies = [copy for copy in distributions(name=name, path=elsewhere) if point in list(copy.entry_points)]
    if copies:
        files = {file.parts[0].removesuffix(".py") for file in point.dist.files or ()}
        sys.meta_path.insert(0, _OwnModules(frozenset({point.module.partition(".")[0], *files}), folder))
