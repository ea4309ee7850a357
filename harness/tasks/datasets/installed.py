"""Datasets of installed plugins: functions in the entry-point group ``harness.datasets``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core.metadata import plugin_points
from harness.errors import DatasetMissingError, DuplicatePluginError, HarnessError, PluginLoadError
from harness.tasks.examples import Examples
from harness.tasks.task import Split
from harness.tasks.yaml.wording import listed, near_match

GROUP = "harness.datasets"


def installed_kinds() -> tuple[str, ...]:
    """Return the names of all installed datasets, sorted; nothing is imported."""
    return tuple(sorted({point.name for _, point in plugin_points(GROUP)}))


def plugin_examples(name: str, options: Mapping[str, Any], base_dir: Path) -> Examples:
    """Import an installed dataset and return its examples.

    Args:
        name: of the entry point.
        options: ``dataset.options`` of the task file.
        base_dir: folder of the task file.

    Raises:
        DatasetMissingError: no distribution registers the name.
        DuplicatePluginError: several do.
        PluginLoadError: it cannot be imported, raises, or returns no :class:`~harness.tasks.examples.Examples`. The message
            names its distribution.
    """
    found = {(one.name, one.version, point.value) for one, point in plugin_points(GROUP) if point.name == name}
    if not found:
        known = installed_kinds()
        raise DatasetMissingError(
            f"dataset.kind: no installed package provides the dataset {name!r}{near_match(name, known)}; installed: "
            f"{listed(known) or 'none'}. Install its package"
        )
    if len(found) > 1:
        providers = " and ".join(f"{one} {version} ({value})" for one, version, value in sorted(found))
        raise DuplicatePluginError(
            f"{GROUP}: the name {name!r} is ambiguous: {providers} register it. Uninstall all but one."
        )
    distribution, version, value = found.pop()
    described = f"{GROUP} {name!r} of {distribution} {version}"
    try:
        made = importlib.metadata.EntryPoint(name, value, GROUP).load()(dict(options), base_dir)
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginLoadError(f"{described} cannot be used: {type(error).__name__}: {error}") from error
    if not isinstance(made, Examples) or not isinstance(made.train, Split):
        raise PluginLoadError(
            f"{described} returns {type(made).__name__}; it must return harness.tasks.examples.Examples"
        )
    return made
