"""The interface of the group ``harness.runners``: what a plugin returns that adds a runner.

A provider is found by name, checks what the user asked for, and opens a factory of :class:`harness.runners.base.Runner` objects,
one for each plugin. The bundled providers are :mod:`harness.runners.engines` and :mod:`harness.runners.process_provider`.
``harness check-runner NAME`` tests all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from harness.core import hardware
from harness.core.progress import Progress
from harness.runners.base import Limits, PluginBundle, PluginFacts, Runner

if TYPE_CHECKING:
    from harness.runners.wheels.target import PythonTarget

AUTO = "auto"  # a GPU if there is one
Need = Literal["torch", "base", "runtime"]
NEEDS: tuple[Need, ...] = ("torch", "base", "runtime")
"""Options of a run that only some runners can obey."""


Resolve = Callable[..., PluginBundle]
"""Function of the text of ``--plugin`` that returns the plugin's wheels; see :attr:`RunnerRequest.resolve`."""


@dataclass(frozen=True)
class RunnerRequest:
    """What the user asks of a runner.

    Attributes:
        limits: limits of each guest: MiB, cores, processes, bytes.
        resolve: ``resolve(plugin)`` returns the wheels of a plugin (a name, path or name==version) and its dependencies, or
            raises PluginNotFoundError, DuplicatePluginError, PluginPackagingError or UsageError. Keywords: ``python``, the
            PythonTarget that will run it, default this one; ``allow_host_build=True`` to build a source directory on the host,
            and so run its build code there; ``progress``, called with a line of text for each step; ``engine`` and ``guest`` of
            container runners.
        progress: receives the progress of builds, and notices.
        gpus_asked: ``--gpus`` as given: "auto", "none", "all", a number, or UUIDs with commas.
        torch: version of torch in the guest; None for the host's.
        base: base image of the guest; None for the provider's.
        runtime: OCI runtime; None for the engine's.
    """

    limits: Limits
    resolve: Resolve
    progress: Progress
    gpus_asked: str = AUTO
    torch: str | None = None
    base: str | None = None
    runtime: str | None = None

    @property
    def gpus(self) -> str:
        """Return the GPUs of a guest: ``gpus_asked``, with "1" or "none" for "auto" and "none" for "0"."""
        if self.gpus_asked == AUTO:
            return "1" if hardware.gpu_names() else "none"
        return "none" if self.gpus_asked in ("0", "") else self.gpus_asked


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class RunnerFactory:
    """Factory of runners of one kind.

    Attributes:
        runner_for: returns a plugin's runner and metadata; raises PluginPackagingError and the like, or ImageBuildError.
        notices: notices about the choice of runner, for the report.
        python: Python of the guests; None for this one.
        present: canonical name -> version of each distribution in the guests' image; None for this environment.
        discard: removes what was built for single plugins, e.g. their images; only called once no guest runs.
    """

    runner_for: Callable[[str], tuple[Runner, PluginFacts]]
    notices: tuple[str, ...] = ()
    python: PythonTarget | None = None
    present: Mapping[str, str] | None = None
    discard: Callable[[], None] = nothing

    def retrain_runner(self) -> tuple[Runner, PluginFacts]:
        """Return a runner for the bundled ``retrain``, and its metadata."""
        return self.runner_for("retrain")


class RunnerProvider(Protocol):
    """A runner under its name. All methods are called on the host; none may print."""

    @property
    def name(self) -> str:
        """Return the entry point's name, which the user passes as ``--runner``; also :attr:`RunnerFacts.name`."""

    @property
    def isolates(self) -> bool:
        """Return True if guests are contained: no network, an unprivileged user, limits in force, nothing left behind.

        ``harness check-runner`` attacks the sandbox of a runner that says so. A run of a stranger's plugin without isolation
        gets a notice in its report.
        """

    @property
    def obeys(self) -> frozenset[Need]:
        """Return the options that it can obey, of "torch", "base" and "runtime"; others are refused before :meth:`check`."""

    def check(self, request: RunnerRequest) -> None:
        """Check in seconds whether runs are possible as requested; start, build and remove nothing.

        Args:
            request: what the user asks for; ``resolve`` is not to be called.

        Raises:
            DockerUnavailableError: what guests are started with does not answer, or this user may not use it.
            GpuUnavailableError: GPUs are requested, and guests cannot have them.
            UsageError: an option has a value that cannot be obeyed; the message says which can.
        """

    def open(self, request: RunnerRequest) -> RunnerFactory:
        """Prepare what all plugins share (e.g. an image), after :meth:`reap` of what dead runs left, and return the factory.

        Args:
            request: what the user asks for.

        Raises:
            HarnessError: as :meth:`check`.
            ImageBuildError: the environment of the guests could not be built.
            NoSpaceError: a disk is full.
        """

    def reap(self, *, dry_run: bool) -> tuple[Sequence[str], Sequence[str]]:
        """Remove guests whose run is dead (killed, or of an earlier boot); touch nothing of a live run.

        Args:
            dry_run: only list them.

        Returns:
            One line for each removed item ("container harness-x"), and one sentence for each that could not be checked or
            removed. Never raises for an engine that does not answer.
        """

    def remains(self, run_id: str) -> Sequence[str]:
        """Return the names of the guests (containers, folders, processes) that exist of a run, running or not.

        Args:
            run_id: as in :class:`harness.runners.base.GuestSetup`.

        Raises:
            SandboxError: the engine failed.
        """

    def remove(self, run_id: str) -> None:
        """Kill and remove all guests of a run.

        Args:
            run_id: as in :meth:`remains`.

        Raises:
            SandboxError: the engine failed.
        """
