"""Choice of the runner: Docker if reachable; a plain process if the user requests it or the plugin is bundled."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from harness.core import hardware
from harness.core.cache import Cache
from harness.core.progress import Progress
from harness.errors import (
    DockerUnavailableError,
    GpuUnavailableError,
    HarnessError,
    ImageBuildError,
    PluginNotFoundError,
    RunnerRefusedError,
    SandboxError,
    UsageError,
)
from harness.plugins.discovery import UNLEARNERS, find_plugins, find_unlearner
from harness.plugins.options import check_options
from harness.plugins.spec import PluginSpec
from harness.report.words import PLAIN_PROCESS
from harness.runners.base import PluginBundle, PluginFacts, Runner
from harness.runners.bundles import materialise, resolve
from harness.runners.bundles.declared import ready_options, wheel_options
from harness.runners.bundles.dependencies import read_requirements
from harness.runners.bundles.script import read_script
from harness.runners.engine.gpus import parse_gpus
from harness.runners.process import ProcessRunner
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile
from harness.runs.config import RunConfig
from harness.runs.reaping import reap_guest_folders

AUTO = "auto"  # a GPU if there is one
RETRAIN = "retrain"  # the bundled unlearner that measures the retraining time


@dataclass(frozen=True)
class RunnerFactory:
    """Factory of runners of one kind.

    Attributes:
        runner_for: returns a plugin's runner and metadata; raises PluginPackagingError and the like, or ImageBuildError.
        notices: notices about the choice of runner, for the report.
        python: Python of the guests; None for this one.
        present: canonical name -> version of each distribution in the guests' image; None for this environment.
    """

    runner_for: Callable[[str], tuple[Runner, PluginFacts]]
    notices: tuple[str, ...] = ()
    python: PythonTarget | None = None
    present: Mapping[str, str] | None = None

    def retrain_runner(self) -> tuple[Runner, PluginFacts]:
        """Return a runner for the bundled ``retrain``, and its metadata."""
        return self.runner_for(RETRAIN)


def choose_runners(config: RunConfig, progress: Progress) -> RunnerFactory:
    """Return the factory of the kind that ``--runner`` names; ``auto`` uses Docker if it is reachable.

    Raises:
        DockerUnavailableError, ImageBuildError: if Docker is unavailable but was requested, or an option that needs it was given
            (``--base``, ``--torch``, ``--runtime``).
        RunnerRefusedError: if Docker is unavailable, the plugin is third-party, and ``--runner process`` was not given.
        PluginNotFoundError, DuplicatePluginError: if no distribution, or more than one, registers the name.
        GpuUnavailableError: if GPUs were requested and there are none.
        UsageError: if ``--gpus`` is malformed, the engine lacks the ``--runtime``, or a process cannot provide the ``--torch``.
    """
    told = _checked(config, progress)
    if config.runner == "process":
        return _process(config, progress, told)
    try:
        return _docker(config, progress, told)
    except (DockerUnavailableError, ImageBuildError) as error:
        notice = _without_docker(config, error)
        progress.notice(notice)
        return _process(config, progress, told, notice)


def check_runner(config: RunConfig, progress: Progress) -> str:
    """Check what :func:`choose_runners` checks, but start no container, and build and remove nothing.

    Returns:
        name of the runner that a run would use.

    Raises:
        HarnessError: as :func:`choose_runners`.
    """
    from harness.runners.docker import known_runtime
    from harness.runners.engine.client import Engine

    _checked(config, progress)
    if config.runner != "process":
        try:
            known_runtime(config.runtime, Engine.connect().info())
            return "docker"
        except DockerUnavailableError as error:
            progress.notice(_without_docker(config, error))
    runner_device(config)
    return "process"


def _without_docker(config: RunConfig, error: HarnessError) -> str:
    """Return the notice on a run that falls back to a process; raise if it must not."""
    if config.runner == "docker" or any((config.runtime, config.torch, config.base)):
        raise error  # the process runner would silently ignore these options
    if not _bundled(config.plugin):
        raise RunnerRefusedError(
            f"{error}\n{config.plugin!r} is a third-party plugin and would run without isolation. Fix the error above, "
            "or pass `--runner process` if you trust its code with this account."
        ) from error
    return f"{PLAIN_PROCESS}, because Docker is not available: {str(error).splitlines()[0]}"


def _checked(config: RunConfig, progress: Progress) -> tuple[str, ...]:
    """Check what is independent of the engine; show and return the notices on a script."""
    told = _check_plugin(config)
    for notice in told:
        progress.notice(notice)
    if config.gpus != AUTO:
        parse_gpus(config.gpus)
    if config.runner == "process":
        _check_torch_is_installed(config.torch)
    return told


def _docker(config: RunConfig, progress: Progress, notices: tuple[str, ...]) -> RunnerFactory:
    """Return the factory of runners that start containers; remove orphaned containers, and build the image."""
    from harness.runners.docker import DockerRunner, known_runtime
    from harness.runners.engine.client import Engine
    from harness.runners.engine.reaper import reap
    from harness.runners.images.listing import ensure_guest_image, ensure_plugin_image

    engine = Engine.connect()
    known_runtime(config.runtime, engine.info())
    try:
        for name in reap(engine):
            progress.notice(f"Removed the orphaned container {name} of a killed run.")
    except SandboxError as error:
        progress.notice(f"Orphaned containers could not all be removed: {error}. Run `harness reap` later.")
    with progress.step("sandbox image", None) as step:
        guest = ensure_guest_image(engine, torch=config.torch, base=config.base, progress=step.tell)

    def runner_for(plugin: str) -> tuple[Runner, PluginFacts]:
        with progress.step(f"image for {plugin}", None) as step:
            bundle = _resolved(config, plugin, engine=engine, guest=guest, progress=step.tell)
            image = ensure_plugin_image(engine, guest, bundle, progress=step.tell)
        limits = config.limits(hardware.available_cores())
        return DockerRunner(engine, image, limits, gpus=runner_gpus(config), runtime=config.runtime), bundle.facts

    return RunnerFactory(runner_for, notices, guest.target, guest.packages)


def _process(config: RunConfig, progress: Progress, notices: tuple[str, ...], no_isolation: str = "") -> RunnerFactory:
    """Return the factory of runners that start plain processes; remove orphaned guest folders."""
    reap_guest_folders()
    device = runner_device(config)

    def runner_for(plugin: str) -> tuple[Runner, PluginFacts]:
        with progress.step(f"preparing {plugin}", None) as step:
            bundle = _resolved(config, plugin, allow_host_build=True, progress=step.tell)
        limits = config.limits(hardware.available_cores())
        return ProcessRunner(_folder(bundle), int(limits.cpus or 1), limits, device), bundle.facts

    if not no_isolation and not _bundled(config.plugin):
        no_isolation = f"{PLAIN_PROCESS}."
    return RunnerFactory(runner_for, (no_isolation, *notices) if no_isolation else notices)


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


def _check_torch_is_installed(asked: str | None) -> None:
    """Raise UsageError unless ``asked`` is the installed torch version, with or without its local part."""
    installed = importlib.metadata.version("torch")
    if asked is not None and asked not in (installed, Version(installed).public):
        raise UsageError(
            f"--torch {asked} is not available to `--runner process`, which uses the installed torch {installed}. Pass "
            "`--runner docker`, or leave out --torch."
        )


def _bundled(plugin: str) -> bool:
    return any(found.bundled for found in find_plugins(UNLEARNERS) if found.name == plugin)


def runner_device(config: RunConfig) -> str:
    """Return the device of the process runner; raise GpuUnavailableError if GPUs were requested and there are none."""
    device = "cpu" if runner_gpus(config) == "none" else "cuda"
    if device == "cuda" and not hardware.gpu_names():
        raise GpuUnavailableError(
            f"--gpus {config.gpus} was requested, but torch finds no CUDA device on this machine. Run `harness doctor` "
            "for details, or pass --gpus none to run on the CPU."
        )
    return device


def runner_gpus(config: RunConfig) -> str:
    """Return the GPUs of a container, in the form of ``--gpus``."""
    if config.gpus != AUTO:
        return config.gpus if parse_gpus(config.gpus)[0] else "none"
    return "1" if hardware.gpu_names() else "none"


def _folder(bundle: PluginBundle) -> Path | None:
    """Unpack a plugin into the cache and return the folder; return None if the plugin is installed in this environment."""
    if bundle.facts.origin in ("bundled", "installed"):
        return None
    inputs = {"format": 2, "digest": bundle.facts.digest}

    def unpack(folder: Path) -> None:
        materialise(bundle, folder / "site")

    folder, _ = Cache("plugins").get_or_build(inputs, unpack)
    return folder / "site"
