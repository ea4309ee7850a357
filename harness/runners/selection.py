"""Which runner a plugin gets: Docker where it is reachable, a plain process where the user allows it or the plugin is ours."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.version import Version

from harness import hardware
from harness.bundles import materialise, resolve
from harness.cache import Cache
from harness.config import RunConfig
from harness.discovery import UNLEARNERS, find_plugins, find_unlearner
from harness.errors import (
    DockerUnavailableError,
    GpuUnavailableError,
    ImageBuildError,
    PluginNotFoundError,
    RunnerRefusedError,
    SandboxError,
    UsageError,
)
from harness.plugin_spec import PluginSpec
from harness.progress import Progress
from harness.reaping import reap_guest_folders
from harness.runners.base import PluginBundle, PluginFacts, Runner
from harness.runners.gpus import parse_gpus
from harness.runners.process_runner import ProcessRunner

if TYPE_CHECKING:
    from harness.runners.engine import Engine
    from harness.runners.images import GuestImage

AUTO = "auto"  # a GPU where there is one
RETRAIN = "retrain"  # the bundled unlearner by which retraining is timed


class Workshop(Protocol):
    """Makes runners for plugins, all of one kind."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What the reader of the report must know about the choice of runner."""

    def runner_for(self, plugin: str) -> tuple[Runner, PluginFacts]:
        """A runner that holds this plugin, and what is known of the plugin.

        Raises:
            PluginNotFoundError, DuplicatePluginError, PluginPackagingError: the plugin.
            ImageBuildError: its image.
        """

    def retrain_runner(self) -> tuple[Runner, PluginFacts]:
        """A runner that holds the bundled ``retrain``."""


def choose_workshop(config: RunConfig, progress: Progress) -> Workshop:
    """The workshop that the user asked for; ``auto`` takes Docker where it is reachable.

    Raises:
        DockerUnavailableError, ImageBuildError: Docker, or what it alone has (a base image, another torch, a runtime), was asked
            for and cannot be had.
        RunnerRefusedError: a third party's plugin, no Docker, and the user did not ask for the process runner.
        PluginNotFoundError, DuplicatePluginError: a name that no, or more than one, distribution registers.
        GpuUnavailableError: GPUs were asked for and there is none.
        UsageError: ``--gpus`` is none of its forms, the engine does not have the ``--runtime``, or a process would not have the
            ``--torch``.
    """
    _check_plugin_exists(config.plugin)
    if config.gpus != AUTO:
        parse_gpus(config.gpus)
    if config.runner == "process":
        _check_torch_is_installed(config.torch)
        return ProcessWorkshop(config, progress)
    try:
        return _docker(config, progress)
    except (DockerUnavailableError, ImageBuildError) as error:
        if config.runner == "docker" or any((config.runtime, config.torch, config.base)):
            raise  # a process would have none of these, and its report would say nothing of it
        if not _bundled(config.plugin):
            raise RunnerRefusedError(
                f"{error}\n{config.plugin!r} is a third party's plugin and would run without isolation. Mend the above, "
                "or say `--runner process` if you trust its code with this account."
            ) from error
        reason = str(error).splitlines()[0]
        notice = f"The plugin ran as a plain process, without isolation, since Docker could not be used: {reason}"
        progress.notice(notice)
        return ProcessWorkshop(config, progress, (notice,))


def _docker(config: RunConfig, progress: Progress) -> DockerWorkshop:
    from harness.runners.docker_runner import known_runtime
    from harness.runners.engine import Engine
    from harness.runners.images import ensure_guest_image
    from harness.runners.reaper import reap

    engine = Engine.connect()
    known_runtime(config.runtime, engine.info())
    try:
        for name in reap(engine):
            progress.notice(f"Removed the container {name}, left behind by a run that was killed.")
    except SandboxError as error:
        progress.notice(f"Containers of killed runs could not all be removed; try `harness reap` later: {error}")
    with progress.step("sandbox image", None) as step:
        guest = ensure_guest_image(engine, torch=config.torch, base=config.base, progress=step.tell)
    return DockerWorkshop(engine, guest, config, progress)


def _check_plugin_exists(plugin: str) -> None:
    """Refuse, before anything is built, a name that no distribution has and a path at which nothing stands."""
    spec = PluginSpec.parse(plugin)
    if spec.is_path and not spec.path.exists():
        raise PluginNotFoundError(f"There is no wheel or source directory at {spec.text!r}.")
    if spec.kind == "name" and not spec.path.is_dir():
        find_unlearner(spec.text)


def _check_torch_is_installed(asked: str | None) -> None:
    """Refuse a version of torch that a process on this host does not have; releases are compared without their local part."""
    installed = importlib.metadata.version("torch")
    if asked is not None and asked not in (installed, Version(installed).public):
        raise UsageError(
            f"--torch {asked} needs an image: `--runner docker`. A process has the torch that is installed, {installed}."
        )


def _bundled(plugin: str) -> bool:
    return any(found.bundled for found in find_plugins(UNLEARNERS) if found.name == plugin)


def _gpus(config: RunConfig) -> str:
    if config.gpus != AUTO:
        return config.gpus if parse_gpus(config.gpus)[0] else "none"
    return "1" if hardware.gpu_names() else "none"


class DockerWorkshop:
    """Runners that start containers."""

    notices: tuple[str, ...] = ()

    def __init__(self, engine: Engine, guest: GuestImage, config: RunConfig, progress: Progress) -> None:
        self._engine, self._guest, self._config, self._progress = engine, guest, config, progress

    def runner_for(self, plugin: str) -> tuple[Runner, PluginFacts]:
        """See :class:`Workshop`."""
        from harness.runners.docker_runner import DockerRunner
        from harness.runners.images import ensure_plugin_image

        with self._progress.step(f"image for {plugin}", None) as step:
            bundle = resolve(plugin, engine=self._engine, guest=self._guest, progress=step.tell)
            image = ensure_plugin_image(self._engine, self._guest, bundle, progress=step.tell)
        limits = self._config.limits(hardware.available_cores())
        config = self._config
        return DockerRunner(self._engine, image, limits, gpus=_gpus(config), runtime=config.runtime), bundle.facts

    def retrain_runner(self) -> tuple[Runner, PluginFacts]:
        """See :class:`Workshop`."""
        return self.runner_for(RETRAIN)


class ProcessWorkshop:
    """Runners that start plain processes."""

    def __init__(self, config: RunConfig, progress: Progress, notices: tuple[str, ...] = ()) -> None:
        reap_guest_folders()
        self._config, self._progress = config, progress
        self._device = "cpu" if _gpus(config) == "none" else "cuda"
        if self._device == "cuda" and not hardware.gpu_names():
            raise GpuUnavailableError(
                f"--gpus {config.gpus} was asked for, and torch sees no CUDA device on this machine. `harness doctor` tells "
                "more; say --gpus none to run on the CPU."
            )
        own = ("The plugin ran as a plain process, without isolation.",)
        self.notices = notices or (() if _bundled(config.plugin) else own)

    def runner_for(self, plugin: str) -> tuple[Runner, PluginFacts]:
        """See :class:`Workshop`."""
        with self._progress.step(f"preparing {plugin}", None) as step:
            bundle = resolve(plugin, allow_host_build=True, progress=step.tell)
        limits = self._config.limits(hardware.available_cores())
        return ProcessRunner(_folder(bundle), int(limits.cpus or 1), limits, self._device), bundle.facts

    def retrain_runner(self) -> tuple[Runner, PluginFacts]:
        """See :class:`Workshop`."""
        return self.runner_for(RETRAIN)


def _folder(bundle: PluginBundle) -> Path | None:
    """Where a plugin that is not installed here was unpacked; None for one that is."""
    if bundle.facts.origin in ("bundled", "installed"):
        return None
    inputs = {"format": 2, "digest": bundle.facts.digest}

    def unpack(folder: Path) -> None:
        materialise(bundle, folder / "site")

    folder, _ = Cache("plugins").get_or_build(inputs, unpack)
    return folder / "site"
