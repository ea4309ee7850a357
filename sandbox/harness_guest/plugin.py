"""Lookup and import of exactly one unlearner, in the process of the model to be unlearned."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

import pluggy

from harness_guest import hookspecs
from harness_guest.entry_points import normal, parse
from harness_guest.precedence import prefer_folder

HOOK = "unlearn"


class PluginSetupError(Exception):
    """The unlearner was not found or does not implement the hook."""

    problem = "setup_error"


def load_unlearner(name: str, distribution: str | None, plugin_path: str | None) -> Callable[..., Any]:
    """Import one unlearner and return its hook, which takes keyword arguments.

    ``plugin_path`` is appended to ``sys.path``, so that nothing in it can shadow torch or the guest.

    Raises:
        PluginSetupError: no such entry point, two of them, another package shadows the module, no hook implementation.
        pluggy.PluginValidationError: the implementation names an unknown argument or hook.
        Exception: whatever the plugin's import raises.
    """
    if plugin_path is not None:
        sys.path.append(plugin_path)
    point = _find(name, distribution, plugin_path)
    if plugin_path is not None:
        prefer_folder(point, plugin_path)
    plugin = point.load()
    _refuse_slips(plugin, point)
    if plugin_path is not None:
        _refuse_shadowed(point, plugin_path)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=name)
    manager.check_pending()
    hook = manager.hook.unlearn
    if not hook.get_hookimpls():
        raise PluginSetupError(
            f"{point.value} has no implementation of the hook {HOOK!r}: {_unmarked(getattr(plugin, HOOK, None))}"
        )
    return hook


def _refuse_slips(plugin: object, point: EntryPoint) -> None:
    """Raise if an entry point names a function or class instead of the module that pluggy needs."""
    module = point.value.partition(":")[0].strip()
    if inspect.isclass(plugin):
        raise PluginSetupError(
            f"the entry point {point.value!r} names a class; a plugin must be a module or an object: write "
            f"`plugin = {plugin.__name__}()` in {module} and name {module}:plugin"
        )
    if inspect.isroutine(plugin) or isinstance(plugin, functools.partial):
        raise PluginSetupError(
            f"the entry point {point.value!r} names a function; a plugin must be its module: name {module}, "
            f"with a marked function {HOOK}"
        )


def _unmarked(hook: object) -> str:
    """Return why pluggy finds no hook in a plugin."""
    if hook is None:
        return f"it has no function {HOOK}; mark one with pluggy.HookimplMarker({hookspecs.PROJECT!r})"
    if not inspect.isroutine(hook):
        kind = type(hook).__name__
        return f"its {HOOK} is a {kind}, which pluggy does not accept: write a function with def {HOOK}(model, ...) that calls it"
    marked = [name.removesuffix("_impl") for name in vars(hook) if name.endswith("_impl")]
    if marked:
        return f"its {HOOK} is marked for the project {marked[0]!r}; the marker is pluggy.HookimplMarker({hookspecs.PROJECT!r})"
    return f"its function {HOOK} is not marked: put pluggy.HookimplMarker({hookspecs.PROJECT!r}) above it"


def _find(name: str, distribution: str | None, plugin_path: str | None) -> EntryPoint:
    """Return the entry point of that name; a distribution in ``plugin_path`` precedes one of the same name elsewhere."""
    # By folder name first: reading the metadata of all distributions would dominate the time of the lookup.
    found = _points(name, distribution, _named(distribution, plugin_path))
    if not found:
        found = _points(name, distribution, _searched(plugin_path))
    if len(found) == 1:
        return next(iter(found.values()))
    who = f" in the distribution {distribution!r}" if distribution else ""
    if not found:
        raise PluginSetupError(f"no entry point {name!r} of group {hookspecs.GROUP!r}{who} inside the sandbox")
    raise PluginSetupError(f"the entry point {name!r} is registered by {' and '.join(sorted(found))}")


def _points(name: str, distribution: str | None, candidates: Iterable[Distribution]) -> dict[str, EntryPoint]:
    """Return the entry points of that name, by normalised distribution name; of duplicates the first."""
    found: dict[str, EntryPoint] = {}
    wanted = None if distribution is None else normal(distribution)
    for candidate in candidates:
        try:
            points, _ = parse(candidate.read_text("entry_points.txt") or "")
            own = [point for point in points if point[:2] == (hookspecs.GROUP, name)]
            owner = normal(candidate.metadata["Name"] or "") if own else ""
        except Exception:  # noqa: S112 -- a damaged distribution of a stranger; the runner "process" may have any
            continue
        if own and wanted in (None, owner):
            point = EntryPoint(own[0].name, own[0].value, own[0].group)
            vars(point).update(dist=candidate)  # as importlib.metadata does
            found.setdefault(owner, point)
    return found


def _named(distribution: str | None, plugin_path: str | None) -> Iterable[Distribution]:
    """Return the distributions with that folder name."""
    if distribution is None:
        return
    if plugin_path is not None:
        yield from distributions(name=distribution, path=[plugin_path])
    yield from distributions(name=distribution)


def warm_lookup(distribution: str | None) -> None:
    """List the folders of installed distributions to fill importlib's cache; nothing is imported."""
    for _ in _named(distribution, None):
        continue
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)


def _searched(plugin_path: str | None) -> Iterable[Distribution]:
    if plugin_path is not None:
        yield from distributions(path=[plugin_path])
    yield from distributions()


def _refuse_shadowed(point: EntryPoint, plugin_path: str) -> None:
    """Raise if a module was imported from elsewhere although the plugin's folder has one of that name."""
    top = point.module.partition(".")[0]
    folder = Path(plugin_path).resolve()
    own = [path for path in (folder / top, folder / f"{top}.py") if path.exists()]
    file = getattr(sys.modules[point.module], "__file__", None)
    if own and file is not None and not Path(file).resolve().is_relative_to(folder):
        raise PluginSetupError(
            f"the module {point.module!r} was imported from {file}, not from the plugin: another package of that name "
            "shadows it; rename the plugin's package"
        )
