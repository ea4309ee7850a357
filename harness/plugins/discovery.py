"""Discovery of plugins through entry-point metadata, and loading of trusted ones.

Unlearners are never imported here. Evaluators and tasks are imported individually, so that a broken plugin is reported and the
others load.
"""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.keys import KeyTextError, key, shown
from harness.core.metadata import plugin_points, read_installed
from harness.errors import (
    DuplicatePluginError,
    EvaluatorError,
    PluginLoadError,
    PluginNotFoundError,
    TaskNotFoundError,
)
from harness.plugins.first_import import how_it_ends
from harness_guest.entry_points import normal

if TYPE_CHECKING:
    import pluggy

    from harness.evaluation import EvaluatorInfo
    from harness.tasks.task import Task

UNLEARNERS = "harness.unlearners"
EVALUATORS = "harness.evaluators"
TASKS = "harness.tasks"
EXPORTERS = "harness.exporters"
DEFAULT, ALL = "default", "all"
"""Names that stand for all evaluators used by default, and for all that are installed."""
OWN_DISTRIBUTION = "unlearning-harness"


@dataclass(frozen=True)
class FoundPlugin:
    """An entry point, as described by metadata.

    Attributes:
        group: entry-point group.
        name: entry-point name.
        value: "module" or "module:attribute".
        distribution: name of the distribution that registers it.
        version: version of the distribution.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def bundled(self) -> bool:
        """Return True if the plugin is part of the harness."""
        return normal(self.distribution) == OWN_DISTRIBUTION

    @property
    def provider(self) -> str:
        """Return "distribution version", for messages."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class BrokenPlugin:
    """A trusted plugin that cannot be used, and the reason."""

    found: FoundPlugin
    reason: str


@dataclass(frozen=True)
class LoadedEvaluator:
    """An evaluator and its entry point."""

    found: FoundPlugin
    info: EvaluatorInfo


@dataclass(frozen=True)
class LoadedTask:
    """A task and its entry point."""

    found: FoundPlugin
    task: Task


def find_plugins(group: str) -> tuple[FoundPlugin, ...]:
    """Return all entry points of a group, sorted by name; skip damaged distributions (see :func:`damaged_distributions`)."""
    found = {
        FoundPlugin(group, point.name, point.value, one.name, one.version): None for one, point in plugin_points(group)
    }
    return tuple(sorted(found, key=lambda plugin: (plugin.name, plugin.distribution)))


def damaged_distributions() -> tuple[str, ...]:
    """Return one sentence per fault in the metadata of installed distributions."""
    return tuple(dict.fromkeys(str(one) for one in read_installed(having="harness.")[1]))


def duplicates(plugins: Iterable[FoundPlugin]) -> dict[str, tuple[FoundPlugin, ...]]:
    """Return the names that are registered more than once, with all their entry points."""
    by_name: dict[str, list[FoundPlugin]] = {}
    for plugin in plugins:
        by_name.setdefault(plugin.name, []).append(plugin)
    return {name: tuple(group) for name, group in by_name.items() if len(group) > 1}


def refuse_duplicates(plugins: Sequence[FoundPlugin], only: str | None = None) -> None:
    """Raise DuplicatePluginError if a name is registered twice; ``only`` restricts the check to that name."""
    for name, group in duplicates(plugins).items():
        if only in (None, name):
            raise DuplicatePluginError(f"{group[0].group}: {ambiguous(name, group)}")


def ambiguous(name: str, group: Sequence[FoundPlugin]) -> str:
    """Return the message for a name with several entry points."""
    providers = list(dict.fromkeys(plugin.provider for plugin in group))
    if len(providers) == 1:
        values = " and ".join(plugin.value for plugin in group)
        return f"the name {name!r} is registered several times by {providers[0]} ({values}). Rename all but one."
    return f"the name {name!r} is ambiguous: {' and '.join(providers)} register it. Uninstall all but one of them."


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return a hint with the closest known name, and the list of all known names."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names) or 'none'}."


def find_unlearner(name: str) -> FoundPlugin:
    """Return the entry point of an installed unlearner, without importing it.

    Raises:
        PluginNotFoundError: if there is none; the message suggests the closest name.
        DuplicatePluginError: if two distributions register it.
    """
    plugins = find_plugins(UNLEARNERS)
    refuse_duplicates(plugins, only=name)
    for plugin in plugins:
        if plugin.name == name:
            return plugin
    raise PluginNotFoundError(
        f"No unlearner named {name!r} is installed.{suggestion(name, (p.name for p in plugins))} "
        "Pass one of these names, a .py file, a wheel, a source directory or name==version; `harness plugins` lists details."
    )


def hook_of(found: FoundPlugin, hook: str) -> pluggy.HookCaller:
    """Import a trusted plugin and return its hook caller.

    Raises:
        PluginLoadError: if it cannot be imported or does not implement the hook; the message names distribution and version.
    """
    import pluggy

    from harness import hookspecs
    from harness.evaluation import PROJECT

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    point = importlib.metadata.EntryPoint(found.name, found.value, found.group)
    try:
        manager.register(point.load(), name=found.name)
        manager.check_pending()
    except (Exception, SystemExit) as error:
        raise _unusable(found, error) from error
    caller: pluggy.HookCaller = getattr(manager.hook, hook)
    if not caller.get_hookimpls():
        raise PluginLoadError(f"{_described(found)} does not implement the hook {hook!r}.")
    return caller


def loaded_hook(found: FoundPlugin, hook: str) -> Any:
    """Import a trusted plugin and return the result of its hook.

    Raises:
        PluginLoadError: if importing or calling fails; the message names distribution and version.
    """

    def load() -> Any:
        results = hook_of(found, hook)()
        # A hook that is a generator runs only when iterated.
        return [list(tasks) for tasks in results] if isinstance(results, list) else results

    if not found.bundled and (end := how_it_ends(load)):
        raise PluginLoadError(f"{_described(found)} cannot be used: its import {end}.")
    try:
        return load()
    except PluginLoadError:
        raise
    except (Exception, SystemExit) as error:
        raise _unusable(found, error) from error


def _described(found: FoundPlugin) -> str:
    return f"{found.group} {shown(found.name)} of {found.provider}"


def _unusable(found: FoundPlugin, error: BaseException) -> PluginLoadError:
    return PluginLoadError(f"{_described(found)} cannot be used: {type(error).__name__}: {error}")


def refuse_name(found: FoundPlugin, name: str) -> None:
    """Raise PluginLoadError if the name of a plugin or of its task is invalid; see :mod:`harness.core.keys`."""
    try:
        normal = key(name, separators=False)
    except KeyTextError as error:
        raise PluginLoadError(f"{_described(found)}: its name {error}.") from error
    if normal != name:
        raise PluginLoadError(
            f"{_described(found)}: its name {name!a} is not in Unicode normal form C; use {normal!a}."
        )


def _load_all(group: str, load: Callable[[FoundPlugin], list[Any]]) -> tuple[list[Any], list[BrokenPlugin]]:
    plugins = find_plugins(group)
    refuse_duplicates(plugins)
    loaded: list[Any] = []
    broken: list[BrokenPlugin] = []
    for plugin in plugins:
        try:
            refuse_name(plugin, plugin.name)
            loaded += load(plugin)
        except PluginLoadError as error:
            broken.append(BrokenPlugin(plugin, str(error)))
    return loaded, broken


def _load_evaluator(found: FoundPlugin) -> list[LoadedEvaluator]:
    info = loaded_hook(found, "harness_evaluator")
    from harness.evaluation import EvaluatorInfo

    if not isinstance(info, EvaluatorInfo):
        raise PluginLoadError(
            f"harness.evaluators {found.name!r} of {found.provider} returns {type(info).__name__}, not an EvaluatorInfo."
        )
    if info.name != found.name:
        raise PluginLoadError(
            f"harness.evaluators {found.name!r} of {found.provider} is called {info.name!r} in its info; the names must match."
        )
    if info.name in (DEFAULT, ALL):
        raise PluginLoadError(
            f"{_described(found)}: the name stands for several evaluators in `--evaluator {info.name}`; choose another."
        )
    return [LoadedEvaluator(found, info)]


def _load_tasks(found: FoundPlugin) -> list[LoadedTask]:
    from harness.tasks.checking import number_faults

    loaded = [LoadedTask(found, task) for tasks in loaded_hook(found, "harness_tasks") for task in tasks]
    for entry in loaded:
        if not isinstance(entry.task.name, str):
            raise PluginLoadError(
                f"{_described(found)} returns a task with the name {entry.task.name!r}, which is not a string."
            )
        refuse_name(found, entry.task.name)
        if faults := list(number_faults(entry.task)):
            raise PluginLoadError(f"{_described(found)}: the task {entry.task.name!r}: {'; '.join(faults)}.")
    return loaded


def load_evaluators() -> tuple[list[LoadedEvaluator], list[BrokenPlugin]]:
    """Return all evaluators that load, and the broken ones with reasons.

    Raises:
        DuplicatePluginError: if two distributions register the same name.
    """
    return _load_all(EVALUATORS, _load_evaluator)


def load_tasks() -> tuple[list[LoadedTask], list[BrokenPlugin]]:
    """Return all registered tasks that load, and the broken plugins with reasons.

    Raises:
        DuplicatePluginError: if two entry points, or two tasks, have the same name.
    """
    loaded, broken = _load_all(TASKS, _load_tasks)
    refuse_duplicates([_task_as_plugin(entry) for entry in loaded])
    return loaded, broken


def _task_as_plugin(entry: LoadedTask) -> FoundPlugin:
    found = entry.found
    return FoundPlugin(TASKS, entry.task.name, found.value, found.distribution, found.version)


def find_task(spec: str) -> Task:
    """Return a registered task by name, or load a task file by path (ends in .yaml or .yml, or contains a slash).

    Raises:
        TaskNotFoundError: if there is none; the message suggests the closest name.
        TaskInvalidError: if the file is invalid.
    """
    if spec.endswith((".yaml", ".yml")) or "/" in spec:
        from harness.tasks.loading import load_task

        path = Path(spec)
        if not path.is_file():
            raise TaskNotFoundError(f"There is no task file at {spec!r}. `harness tasks` lists the registered tasks.")
        return load_task(path, source=str(path))
    loaded, broken = load_tasks()
    for entry in loaded:
        if entry.task.name == spec:
            return entry.task
    reasons = "".join(f"\nNot loaded: {plugin.reason}" for plugin in broken)
    known = suggestion(spec, (entry.task.name for entry in loaded))
    raise TaskNotFoundError(
        f"No task named {spec!r}.{known} Pass one of these names or the path of a YAML file.{reasons}"
    )


def choose_evaluators(
    names: Sequence[str], *, without_missing: bool = False
) -> tuple[list[LoadedEvaluator], list[BrokenPlugin]]:
    """Return the evaluators to use, and those that cannot be used.

    Args:
        names: names of evaluators; :data:`DEFAULT` and :data:`ALL` stand for several. Empty for the default ones.
        without_missing: return a missing or broken name as unusable instead of raising, so that a run started with it can
            be completed.

    Raises:
        EvaluatorError: if an evaluator in ``names`` is missing or broken.
    """
    loaded, broken = load_evaluators()
    by_name = {entry.info.name: entry for entry in loaded}
    groups = {DEFAULT: [name for name, one in by_name.items() if one.info.default], ALL: list(by_name)}
    names = [one for name in names or (DEFAULT,) for one in groups.get(name, [name])]
    reasons = {plugin.found.name: plugin.reason for plugin in broken}
    for name in names:
        if name in by_name:
            continue
        reason = reasons.get(name, f"No evaluator named {name!r}.{suggestion(name, by_name)}")
        if not without_missing:
            raise EvaluatorError(reason)
        if name not in reasons:
            broken.append(BrokenPlugin(FoundPlugin(EVALUATORS, name, "", "unknown", "unknown"), reason))
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name], broken


@functools.lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Return name -> version of the host's libraries that results may depend on."""
    names = (
        "unlearning-harness",
        "torch",
        "torchvision",
        "numpy",
        "scipy",
        "pluggy",
        "safetensors",
        "docker",
        "pydantic",
    )
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions
