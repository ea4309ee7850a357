"""The registered runners by name; each is loaded alone, when it is named."""

from __future__ import annotations

from harness.errors import PluginLoadError, PluginNotFoundError
from harness.plugins.discovery import find_plugins, loaded_hook, refuse_duplicates, refuse_name, suggestion
from harness.runners.provider import NEEDS, RunnerProvider

RUNNERS = "harness.runners"
HOOK = "harness_runner"
AUTO = "auto"
"""The name that chooses a runner: Docker if it is reachable, a process for bundled plugins otherwise."""
METHODS = ("check", "open", "reap", "remains", "remove")


def runner_names() -> list[str]:
    """Return the names that ``--runner`` takes; nothing is imported."""
    return [AUTO, *sorted({found.name for found in find_plugins(RUNNERS)})]


def load_runner(name: str) -> RunnerProvider:
    """Import the runner ``name`` and return its provider.

    Raises:
        PluginNotFoundError: no distribution registers the name; the message lists those that are.
        DuplicatePluginError: two distributions register it.
        PluginLoadError: it cannot be imported, or is not a provider; the message names distribution and version.
    """
    plugins = find_plugins(RUNNERS)
    refuse_duplicates(plugins, only=name)
    found = next((plugin for plugin in plugins if plugin.name == name), None)
    if found is None:
        raise PluginNotFoundError(
            f"No runner named {name!r} is installed.{suggestion(name, runner_names())} "
            f"Runners are plugins of the group {RUNNERS}."
        )
    refuse_name(found, name)
    if name == AUTO:
        raise PluginLoadError(f"{RUNNERS} {name!r} of {found.provider}: the name chooses among runners; use another.")
    provider = loaded_hook(found, HOOK)
    if faults := list(provider_faults(provider, name)):
        raise PluginLoadError(f"{RUNNERS} {name!r} of {found.provider} is no runner: {'; '.join(faults)}.")
    return provider  # type: ignore[no-any-return]


def provider_faults(provider: object, name: str) -> list[str]:
    """Return how an object differs from a :class:`RunnerProvider` called ``name``, a phrase for each."""
    if provider is None or isinstance(provider, type):
        return [f"its hook returns {provider!r} in place of a provider"]
    faults = [f"it has no method {one}" for one in METHODS if not callable(getattr(provider, one, None))]
    if getattr(provider, "name", None) != name:
        faults.append(f"its name is {getattr(provider, 'name', None)!r}; it must be that of the entry point")
    if not isinstance(getattr(provider, "isolates", None), bool):
        faults.append("isolates is not True or False")
    obeys = getattr(provider, "obeys", None)
    if not isinstance(obeys, (set, frozenset)) or not obeys <= set(NEEDS):
        faults.append(f"obeys is not a set of {', '.join(NEEDS)}")
    return faults
