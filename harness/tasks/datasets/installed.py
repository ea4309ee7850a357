"""Datasets of installed plugins: functions in the entry-point group ``harness.datasets``."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.metadata import plugin_points
from harness.core.rows import Rows
from harness.errors import DatasetMissingError, DuplicatePluginError, HarnessError, PluginLoadError
from harness.tasks.examples import Examples
from harness.tasks.task import Split
from harness.tasks.yaml.wording import listed, near_match, with_faults

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
    if not isinstance(made, Examples):
        raise PluginLoadError(
            f"{described} returns {type(made).__name__}; it must return harness.tasks.examples.Examples"
        )
    if faults := list(_faults(made)):
        raise PluginLoadError(with_faults(f"What {described} returns", faults))
    return made


def _faults(made: Examples) -> Iterator[str]:
    """Yield what the splitting of examples relies on and does not find; their values are checked after it."""
    if not isinstance(made.class_names, tuple) or not all(isinstance(name, str) for name in made.class_names):
        yield f"class_names: found {made.class_names!r}; must be a tuple of str"
    for part, split in (("train", made.train), ("test", made.test)):
        if split is None and part == "test":
            continue
        if not isinstance(split, Split):
            yield f"{part}: found {type(split).__name__}; must be harness.tasks.task.Split"
            continue
        if isinstance(split.inputs, np.memmap) or not isinstance(split.inputs, np.ndarray | Rows):
            yield f"{part}.inputs: found {type(split.inputs).__name__}; must be numpy.ndarray, or Rows of a mapped array"
        fields = {"ids": (split.ids, "U"), "labels": (split.labels, "i"), "subjects": (split.subjects, "U")}
        for name, (values, kind) in fields.items():
            if values is None and name == "subjects":
                continue
            if not isinstance(values, np.ndarray) or values.dtype.kind != kind or values.ndim != 1:
                words = "integers" if kind == "i" else "str"
                yield f"{part}.{name}: found {type(values).__name__}; must be a one-dimensional numpy.ndarray of {words}"
            elif len(values) != len(split.inputs):
                yield f"{part}.{name}: {len(values)} for {len(split.inputs)} inputs"
