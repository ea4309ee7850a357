"""The runners ``docker`` and ``podman``: containers of an engine with Docker's API."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DockerUnavailableError, HarnessError, SandboxError
from harness.evaluation import hookimpl
from harness.runners.base import PluginFacts, Runner
from harness.runners.provider import NEEDS, Need, RunnerFactory, RunnerProvider, RunnerRequest

if TYPE_CHECKING:  # the Docker SDK is slow to import
    from harness.runners.engine.client import Engine

PODMAN_SOCKET = "podman/podman.sock"


@dataclass(frozen=True)
class EngineProvider:
    """Provider of :class:`harness.runners.docker.DockerRunner`.

    Attributes:
        name: of the runner.
        host: returns the address of the engine's socket; None for the Docker SDK's choice.
        quiet: an engine that does not answer is not worth a note when dead runs are reaped.
    """

    name: str
    host: Callable[[], str | None]
    quiet: bool = False
    isolates: bool = True
    obeys: frozenset[Need] = frozenset(NEEDS)

    @hookimpl
    def harness_runner(self) -> RunnerProvider:
        """Return this provider."""
        return self

    def connect(self, timeout_s: float | None = None) -> Engine:
        """Connect to the engine.

        Args:
            timeout_s: timeout of the connection, seconds; None for the usual one.

        Raises:
            DockerUnavailableError: it does not answer.
        """
        from harness.runners.engine.client import CONTROL_TIMEOUT_S, Engine

        return Engine.connect(CONTROL_TIMEOUT_S if timeout_s is None else timeout_s, self.host())

    def check(self, request: RunnerRequest) -> None:
        """Connect, and look for the runtime among those of the engine."""
        from harness.runners.docker import known_runtime

        known_runtime(request.runtime, self.connect().info())

    def open(self, request: RunnerRequest) -> RunnerFactory:
        """Remove orphaned containers, build the guest's image if it is missing, and return the factory."""
        from harness.runners.docker import DockerRunner, known_runtime
        from harness.runners.engine.reaper import reap
        from harness.runners.images.listing import ensure_guest_image, ensure_plugin_image

        progress, engine = request.progress, self.connect()
        known_runtime(request.runtime, engine.info())
        try:
            for name in reap(engine):
                progress.notice(f"Removed the orphaned container {name} of a killed run.")
        except SandboxError as error:
            progress.notice(f"Orphaned containers could not all be removed: {error}. Run `harness reap` later.")
        with progress.step("sandbox image", None) as step:
            guest = ensure_guest_image(engine, torch=request.torch, base=request.base, progress=step.tell)
        tags: set[str] = set()

        def runner_for(plugin: str) -> tuple[Runner, PluginFacts]:
            with progress.step(f"image for {plugin}", None) as step:
                bundle = request.resolve(plugin, engine=engine, guest=guest, progress=step.tell)
                image = ensure_plugin_image(engine, guest, bundle, progress=step.tell)
            tags.add(image.tag)
            gpus, runtime = request.gpus, request.runtime
            runner = DockerRunner(engine, image, request.limits, gpus=gpus, runtime=runtime, name=self.name)
            return runner, bundle.facts

        def discard() -> None:
            for tag in tags:
                engine.remove_image(tag)

        return RunnerFactory(runner_for, (), guest.target, guest.packages, discard)

    def reap(self, *, dry_run: bool) -> tuple[list[str], list[str]]:
        """Remove orphaned containers; return a line for each, and notes on failures."""
        from harness.runners.engine.reaper import reap_telling

        try:
            return reap_telling(self.connect(), dry_run=dry_run)
        except DockerUnavailableError as error:
            note = f"Containers were not checked, because no Docker engine answers: {str(error).splitlines()[0]}"
            return [], [] if self.quiet else [note]
        except HarnessError as error:
            return [], [f"Containers could not be listed: {error}"]

    def remains(self, run_id: str) -> list[str]:
        """Return the names of the run's containers."""
        from harness.runners.engine.reaper import RUN

        return [state.name for state in self.connect().containers({RUN: run_id})]

    def remove(self, run_id: str) -> None:
        """Remove the run's containers."""
        from harness.runners.engine.reaper import RUN

        engine = self.connect()
        for state in engine.containers({RUN: run_id}):
            engine.remove(state.id)


def podman_host() -> str:
    """Return CONTAINER_HOST, else this user's own socket of Podman if it exists or the user is not root, else the system's."""
    if named := os.environ.get("CONTAINER_HOST"):
        return named
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    own, system = Path(folder, PODMAN_SOCKET), Path("/run", PODMAN_SOCKET)
    mine = own.exists() or (os.getuid() != 0 and not os.access(system, os.W_OK))
    return f"unix://{own if mine else system}"


DOCKER = EngineProvider("docker", lambda: None)
PODMAN = EngineProvider("podman", podman_host, quiet=True)
