"""Choice of the runner: the one that the user names, else Docker if reachable, else a plain process for a bundled plugin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from harness.core import hardware
from harness.core.progress import Progress
from harness.errors import (
    DockerUnavailableError,
    HarnessError,
    ImageBuildError,
    PluginNotFoundError,
    RunnerRefusedError,
    UsageError,
)
from harness.plugins.discovery import UNLEARNERS, find_plugins, find_unlearner
from harness.plugins.options import check_options
from harness.plugins.spec import PluginSpec
from harness.report.words import PLAIN_PROCESS
from harness.runners.base import PluginBundle
from harness.runners.bundles import resolve
from harness.runners.bundles.declared import ready_options, wheel_options
from harness.runners.bundles.dependencies import read_requirements
from harness.runners.bundles.script import read_script
from harness.runners.engine.gpus import parse_gpus
from harness.runners.provider import AUTO as AUTO_GPUS
from harness.runners.provider import NEEDS, RunnerFactory, RunnerProvider, RunnerRequest
from harness.runners.registry import AUTO, load_runner
from harness.runners.wheels.wheel import WheelFile
from harness.runs.config import RunConfig

CONTAINED, PLAIN = "docker", "process"
"""The runners that ``--runner auto`` chooses between."""

__all__ = ["RunnerFactory", "check_runner", "choose_runners", "request_of"]


def choose_runners(config: RunConfig, progress: Progress) -> RunnerFactory:
    """Return the factory of the kind that ``--runner`` names; ``auto`` uses Docker if it is reachable.

    Raises:
        DockerUnavailableError, ImageBuildError: if Docker is unavailable but was requested, or an option that needs it was given
            (``--base``, ``--torch``, ``--runtime``).
        RunnerRefusedError: if Docker is unavailable, the plugin is third-party, and ``--runner process`` was not given.
        PluginNotFoundError, DuplicatePluginError: if no distribution, or more than one, registers the name of plugin or runner.
        PluginLoadError: if the runner is a broken plugin.
        GpuUnavailableError: if GPUs were requested and there are none.
        UsageError: if ``--gpus`` is malformed, or an option was given that the runner cannot obey.
    """
    provider, told = _checked(config, progress)
    request, fallen = request_of(config, progress), ""
    try:
        factory = provider.open(request)
    except (DockerUnavailableError, ImageBuildError) as error:
        if config.runner != AUTO:
            raise
        fallen = _without_docker(config, error)
        progress.notice(fallen)
        provider = load_runner(PLAIN)
        factory = provider.open(request)
    if not provider.isolates and not fallen and not _bundled(config.plugin):
        fallen = f"{PLAIN_PROCESS}."
    return replace(factory, notices=(*([fallen] if fallen else []), *told, *factory.notices))


def check_runner(config: RunConfig, progress: Progress) -> str:
    """Check what :func:`choose_runners` checks, but start no container, and build and remove nothing.

    Returns:
        name of the runner that a run would use.

    Raises:
        HarnessError: as :func:`choose_runners`.
    """
    provider, _ = _checked(config, progress)
    request = request_of(config, progress)
    try:
        provider.check(request)
        return provider.name
    except DockerUnavailableError as error:
        if config.runner != AUTO:
            raise
        progress.notice(_without_docker(config, error))
    load_runner(PLAIN).check(request)
    return PLAIN


def request_of(config: RunConfig, progress: Progress) -> RunnerRequest:
    """Return what a run's options ask of its runner."""
    return RunnerRequest(
        limits=config.limits(hardware.available_cores()),
        resolve=lambda plugin, **where: _resolved(config, plugin, **where),
        progress=progress,
        gpus_asked=config.gpus,
        torch=config.torch,
        base=config.base,
        runtime=config.runtime,
    )


def _without_docker(config: RunConfig, error: HarnessError) -> str:
    """Return the notice on a run that falls back to a process; raise if it must not."""
    if any((config.runtime, config.torch, config.base)):
        raise error  # the process runner would silently ignore these options
    if not _bundled(config.plugin):
        raise RunnerRefusedError(
            f"{error}\n{config.plugin!r} is a third-party plugin and would run without isolation. Fix the error above, "
            "or pass `--runner process` if you trust its code with this account."
        ) from error
    return f"{PLAIN_PROCESS}, because Docker is not available: {str(error).splitlines()[0]}"


def _checked(config: RunConfig, progress: Progress) -> tuple[RunnerProvider, tuple[str, ...]]:
    """Check what is independent of the engine; return the runner, and the notices on a script, which are shown."""
    provider = load_runner(CONTAINED if config.runner == AUTO else config.runner)
    told = _check_plugin(config)
    for notice in told:
        progress.notice(notice)
    if config.gpus != AUTO_GPUS:
        parse_gpus(config.gpus)
    for need in NEEDS:
        if getattr(config, need) is not None and need not in provider.obeys:
            raise UsageError(
                f"--{need} cannot be obeyed by the runner {provider.name!r}. Leave it out, or pass `--runner docker`."
            )
    if provider.name == PLAIN:
        provider.check(request_of(config, progress))
    return provider, told


def _resolved(config: RunConfig, plugin: str, **how: Any) -> PluginBundle:
    """Return the bundle of a plugin; raise UsageError if the user's options are not those that the plugin declares."""
    bundle = resolve(plugin, adapter=config.adapter, requirements=_requirements(config, plugin), **how)
    if plugin == config.plugin and bundle.facts.origin != "script":  # a script's are checked when it is read
        declared = wheel_options(WheelFile.read(bundle.wheels[-1]), bundle.facts.name)
        check_options(declared, config.options, bundle.facts.name)
    return bundle


def _requirements(config: RunConfig, plugin: str) -> tuple[Requirement, ...]:
    """Return what ``--require`` adds to the sandbox of this plugin: nothing to that of ``retrain``.

    Raises:
        UsageError: if the file cannot be read.
    """
    wanted = config.require is not None and plugin == config.plugin
    return read_requirements(Path(config.require or "")) if wanted else ()


def _check_plugin(config: RunConfig) -> tuple[str, ...]:
    """Return the notices on a script.

    Raise, before anything is built, if the plugin does not exist, a script is unusable, or an option is not among those that the
    plugin declares (checked later for a plugin that must be built or fetched first).
    """
    _requirements(config, config.plugin)
    spec = PluginSpec.parse(config.plugin)
    if spec.is_path and spec.kind != "script" and not spec.path.exists():
        raise PluginNotFoundError(f"There is no wheel or source directory at {spec.text!r}.")
    if spec.kind == "name" and not spec.path.is_dir():
        find_unlearner(spec.text)
    if config.options:
        check_options(
            ready_options(spec, config.adapter), config.options, spec.path.name if spec.is_path else spec.text
        )
    return read_script(spec, config.adapter).notes if spec.kind == "script" else ()


def _bundled(plugin: str) -> bool:
    return any(found.bundled for found in find_plugins(UNLEARNERS) if found.name == plugin)
