"""Which plugins are installed: read from metadata, and imported only where they are trusted.

Unlearners are never imported here; evaluators and tasks are, one by one, so that a broken one is reported and the others load.
"""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.distributions import plugin_points, read_installed
from harness.errors import (
    DuplicatePluginError,
    EvaluatorError,
    PluginLoadError,
    PluginNotFoundError,
    TaskNotFoundError,
)
from harness.first_import import how_it_ends
from harness.keys import KeyTextError, key, shown
from harness_guest.entry_points import normal

if TYPE_CHECKING:
    import pluggy

    from harness.evaluation import EvaluatorInfo
    from harness.tasks.model import Task

UNLEARNERS = "harness.unlearners"
EVALUATORS = "harness.evaluators"
TASKS = "harness.tasks"
EXPORTERS = "harness.exporters"
OWN_DISTRIBUTION = "unlearning-harness"


@dataclass(frozen=True)
class FoundPlugin:
    """An entry point as its metadata describe it.

    Attributes:
        group: entry-point group.
        name: entry-point name.
        value: "module" or "module:attribute".
        distribution: name of the distribution that registers it.
        version: of the distribution.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str

    @property
    def bundled(self) -> bool:
        """Whether it comes with the harness itself."""
        return normal(self.distribution) == OWN_DISTRIBUTION

    @property
    def provider(self) -> str:
        """ "distribution version", for messages."""
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class BrokenPlugin:
    """A trusted plugin that could not be used, and why."""

    found: FoundPlugin
    reason: str


@dataclass(frozen=True)
class LoadedEvaluator:
    """An evaluator and where it came from."""

    found: FoundPlugin
    info: EvaluatorInfo


@dataclass(frozen=True)
class LoadedTask:
    """A task and where it came from."""

    found: FoundPlugin
    task: Task


def find_plugins(group: str) -> tuple[FoundPlugin, ...]:
    """Return all entry points of a group, by name; damaged distributions are left out, see :func:`damaged_distributions`."""
    found = {
        FoundPlugin(group, point.name, point.value, one.name, one.version): None for one, point in plugin_points(group)
    }
    return tuple(sorted(found, key=lambda plugin: (plugin.name, plugin.distribution)))


def damaged_distributions() -> tuple[str, ...]:
    """Return one sentence for each fault in the metadata of what is installed."""
    return tuple(dict.fromkeys(str(one) for one in read_installed(having="harness.")[1]))


def duplicates(plugins: Iterable[FoundPlugin]) -> dict[str, tuple[FoundPlugin, ...]]:
    """Names that more than one distribution registers, with all who do."""
    by_name: dict[str, list[FoundPlugin]] = {}
    for plugin in plugins:
        by_name.setdefault(plugin.name, []).append(plugin)
    return {name: tuple(group) for name, group in by_name.items() if len(group) > 1}


def refuse_duplicates(plugins: Sequence[FoundPlugin], only: str | None = None) -> None:
    """Raise DuplicatePluginError where two distributions register one name; ``only`` looks at that name alone."""
    for name, group in duplicates(plugins).items():
        if only in (None, name):
            raise DuplicatePluginError(f"{group[0].group}: {ambiguous(name, group)}")


def ambiguous(name: str, group: Sequence[FoundPlugin]) -> str:
    """Return what is wrong with a name that several entry points have, and what to do."""
    providers = list(dict.fromkeys(plugin.provider for plugin in group))
    if len(providers) == 1:
        values = " and ".join(plugin.value for plugin in group)
        return (
            f"the name {name!r} is registered several times by {providers[0]} ({values}). Rename one in its metadata."
        )
    return (
        f"the name {name!r} is registered by {' and '.join(providers)}. Uninstall one of them; the name is ambiguous."
    )


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known name and lists all of them."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {', '.join(names) or 'none'}."


def find_unlearner(name: str) -> FoundPlugin:
    """The installed unlearner of that name, not imported.

    Raises:
        PluginNotFoundError: with a near match suggested.
        DuplicatePluginError: two distributions register it.
    """
    plugins = find_plugins(UNLEARNERS)
    refuse_duplicates(plugins, only=name)
    for plugin in plugins:
        if plugin.name == name:
            return plugin
    raise PluginNotFoundError(
        f"No unlearner named {name!r} is installed.{suggestion(name, (p.name for p in plugins))} "
        "A wheel, a source directory or name==version may be given instead; `harness plugins` lists what is there."
    )


def hook_of(found: FoundPlugin, hook: str) -> pluggy.HookCaller:
    """Import one trusted plugin; its hook, ready to be called.

    Raises:
        PluginLoadError: it cannot be imported or does not implement the hook; names distribution and version.
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


def _hook_results(found: FoundPlugin, hook: str) -> Any:
    """Import one trusted plugin and call its hook.

    Raises:
        PluginLoadError: it cannot be used; names distribution and version.
    """

    def load() -> Any:
        results = hook_of(found, hook)()
        # A hook that yields tasks runs only now.
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
    """Raise PluginLoadError if a plugin's name, or a task's of a plugin, is not a name; see :mod:`harness.keys`."""
    try:
        normal = key(name, separators=False)
    except KeyTextError as error:
        raise PluginLoadError(f"{_described(found)}: its name {error}.") from error
    if normal != name:
        raise PluginLoadError(f"{_described(found)}: its name {name!a} is not in Unicode's normal form C: {normal!a}.")


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
    info = _hook_results(found, "harness_evaluator")
    from harness.evaluation import EvaluatorInfo

    if not isinstance(info, EvaluatorInfo):
        raise PluginLoadError(
            f"harness.evaluators {found.name!r} of {found.provider} returns {type(info).__name__}, not an EvaluatorInfo."
        )
    if info.name != found.name:
        raise PluginLoadError(
            f"harness.evaluators {found.name!r} of {found.provider} calls itself {info.name!r}; the names must agree."
        )
    return [LoadedEvaluator(found, info)]


def _load_tasks(found: FoundPlugin) -> list[LoadedTask]:
    from harness.tasks.checking import number_faults

    loaded = [LoadedTask(found, task) for tasks in _hook_results(found, "harness_tasks") for task in tasks]
    for entry in loaded:
        if not isinstance(entry.task.name, str):
            raise PluginLoadError(
                f"{_described(found)} gives a task whose name is {entry.task.name!r}, which is no text."
            )
        refuse_name(found, entry.task.name)
        if faults := list(number_faults(entry.task)):
            raise PluginLoadError(f"{_described(found)}: the task {entry.task.name!r}: {'; '.join(faults)}.")
    return loaded


def load_evaluators() -> tuple[list[LoadedEvaluator], list[BrokenPlugin]]:
    """All evaluators that load, and those that do not with the reason.

    Raises:
        DuplicatePluginError: two distributions register one name.
    """
    return _load_all(EVALUATORS, _load_evaluator)


def load_tasks() -> tuple[list[LoadedTask], list[BrokenPlugin]]:
    """All registered tasks that load, and those that do not with the reason.

    Raises:
        DuplicatePluginError: two entry points, or two tasks, of one name.
    """
    loaded, broken = _load_all(TASKS, _load_tasks)
    refuse_duplicates([_task_as_plugin(entry) for entry in loaded])
    return loaded, broken


def _task_as_plugin(entry: LoadedTask) -> FoundPlugin:
    found = entry.found
    return FoundPlugin(TASKS, entry.task.name, found.value, found.distribution, found.version)


def find_task(spec: str) -> Task:
    """A registered task by name, or a task file by path (anything that ends in .yaml or .yml or holds a slash).

    Raises:
        TaskNotFoundError: with a near match suggested.
        TaskInvalidError: the file has faults.
    """
    if spec.endswith((".yaml", ".yml")) or "/" in spec:
        from harness.tasks.loading import load_task

        path = Path(spec)
        if not path.is_file():
            raise TaskNotFoundError(f"No task file at {spec!r}. `harness tasks` lists the registered tasks.")
        return load_task(path, source=str(path))
    loaded, broken = load_tasks()
    for entry in loaded:
        if entry.task.name == spec:
            return entry.task
    reasons = "".join(f"\nNot loaded: {plugin.reason}" for plugin in broken)
    known = suggestion(spec, (entry.task.name for entry in loaded))
    raise TaskNotFoundError(f"No task named {spec!r}.{known} A path to a YAML file may be given instead.{reasons}")


def choose_evaluators(
    names: Sequence[str], *, without_missing: bool = False
) -> tuple[list[LoadedEvaluator], list[BrokenPlugin]]:
    """Return the evaluators to use, all that load or exactly ``names``, and those that cannot be used.

    Args:
        names: of evaluators; empty for all that are installed.
        without_missing: count a name that is not there among those that cannot be used: a run that was begun with it can
            still be finished.

    Raises:
        EvaluatorError: one was asked for by name and is not there or broken.
    """
    loaded, broken = load_evaluators()
    if not names:
        return loaded, broken
    by_name = {entry.info.name: entry for entry in loaded}
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
    """Versions of the host's libraries that a result could depend on, name -> version."""
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
