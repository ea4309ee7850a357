"""The runner ``process``: plain processes of this user, without isolation."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from packaging.version import Version

from harness.core import hardware
from harness.core.cache import Cache
from harness.errors import GpuUnavailableError, UsageError
from harness.evaluation import hookimpl
from harness.runners.base import PluginBundle, PluginFacts, Runner
from harness.runners.bundles import materialise
from harness.runners.orphans import folders_of, reap_guest_folders, remove_folder
from harness.runners.process import ProcessRunner
from harness.runners.provider import Need, RunnerFactory, RunnerProvider, RunnerRequest


class ProcessProvider:
    """Provider of :class:`harness.runners.process.ProcessRunner`."""

    name = "process"
    isolates = False
    obeys: frozenset[Need] = frozenset({"torch"})  # the installed one alone

    @hookimpl
    def harness_runner(self) -> RunnerProvider:
        """Return this provider."""
        return self

    def check(self, request: RunnerRequest) -> None:
        """Check that torch is the installed one, and that there is a GPU if one is asked for."""
        installed = importlib.metadata.version("torch")
        if request.torch is not None and request.torch not in (installed, Version(installed).public):
            raise UsageError(
                f"--torch {request.torch} is not available to `--runner process`, which uses the installed torch {installed}. "
                "Pass `--runner docker`, or leave out --torch."
            )
        device_of(request)

    def open(self, request: RunnerRequest) -> RunnerFactory:
        """Remove orphaned folders of guests and return the factory."""
        self.check(request)
        reap_guest_folders()
        device = device_of(request)

        def runner_for(plugin: str) -> tuple[Runner, PluginFacts]:
            with request.progress.step(f"preparing {plugin}", None) as step:
                bundle = request.resolve(plugin, allow_host_build=True, progress=step.tell)
            limits = request.limits
            return ProcessRunner(_folder(bundle), int(limits.cpus or 1), limits, device), bundle.facts

        return RunnerFactory(runner_for)

    def reap(self, *, dry_run: bool) -> tuple[list[str], list[str]]:
        """Remove orphaned folders of guests, and their processes."""
        return [f"temporary folder {folder}" for folder in reap_guest_folders(dry_run=dry_run)], []

    def remains(self, run_id: str) -> list[str]:
        """Return the folders of the run's guests."""
        return list(map(str, folders_of(run_id)))

    def remove(self, run_id: str) -> None:
        """Kill the run's processes and delete their folders."""
        for folder in folders_of(run_id):
            remove_folder(folder)


def device_of(request: RunnerRequest) -> str:
    """Return the device of the guests; raise GpuUnavailableError if GPUs were requested and there are none."""
    device = "cpu" if request.gpus == "none" else "cuda"
    if device == "cuda" and not hardware.gpu_names():
        raise GpuUnavailableError(
            f"--gpus {request.gpus_asked} was requested, but torch finds no CUDA device on this machine. Run `harness doctor` "
            "for details, or pass --gpus none to run on the CPU."
        )
    return device


def _folder(bundle: PluginBundle) -> Path | None:
    """Unpack a plugin into the cache and return the folder; return None if the plugin is installed in this environment."""
    if bundle.facts.origin in ("bundled", "installed"):
        return None
    inputs = {"format": 2, "digest": bundle.facts.digest}

    def unpack(folder: Path) -> None:
        materialise(bundle, folder / "site")

    folder, _ = Cache("plugins").get_or_build(inputs, unpack)
    return folder / "site"


PROCESS = ProcessProvider()
