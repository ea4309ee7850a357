"""Checks of the Docker engine and the sandbox's images."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core import hardware
from harness.core.files import free_mib
from harness.core.progress import SilentProgress
from harness.doctor.checks import Check
from harness.doctor.weaknesses import weaknesses
from harness.errors import DockerUnavailableError, GpuUnavailableError, HarnessError
from harness.runners.base import Limits
from harness.runners.bundles import resolve
from harness.runners.engines import EngineProvider
from harness.runners.provider import RunnerProvider, RunnerRequest

if TYPE_CHECKING:
    from harness.runners.engine.client import Engine
    from harness.runners.engine.types import EngineInfo

Connect = Callable[[], "Engine"]
IMAGE_MIB = 6144  # a guest image with its wheels and intermediate layers
PROBE_TIMEOUT_S = 5.0


def runner_checks(provider: RunnerProvider) -> Iterator[Check]:
    """Check what a runner needs: the engine of those that have one, else what the runner itself checks."""
    if isinstance(provider, EngineProvider):
        yield from docker_checks(lambda: provider.connect(PROBE_TIMEOUT_S), provider.name.capitalize())
        return
    try:
        provider.check(RunnerRequest(Limits(), resolve, SilentProgress(), gpus_asked="none"))
    except HarnessError as error:
        yield Check(f"Runner {provider.name}", "fail", str(error))
        return
    if provider.isolates:
        yield Check(f"Runner {provider.name}", "ok", "available; `harness check-runner` tests its sandbox")
    else:
        yield Check(f"Runner {provider.name}", "warn", "available, without isolation: only for plugins that you trust")


def docker_checks(connect: Connect | None = None, name: str = "Docker") -> Iterator[Check]:
    """Check that an engine responds, which protections it lacks, and which images exist.

    Args:
        connect: returns the engine; None for that of the environment.
        name: of the engine, in the names of the checks; Podman is recognised.
    """
    try:
        engine = (connect or _connect)()
    except DockerUnavailableError as error:
        yield Check(name, "warn", "no engine responds; plugins cannot be isolated", str(error))
        return
    info = observed(engine)
    shown = "Podman" if info.podman else name
    yield Check(shown, "ok", _described(info))
    for check in (*weaknesses(info), *_room(info), *_gpu(info), *_images(engine)):
        yield replace(check, name=check.name.replace("Docker", shown))


def _connect() -> Engine:
    # The Docker SDK is slow to import, and only this check needs it.
    from harness.runners.engine.client import Engine

    return Engine.connect(PROBE_TIMEOUT_S)


def _described(info: EngineInfo) -> str:
    name = "Podman" if info.podman else "engine"
    size = f"{info.cpus} cores, {info.memory_mib} MiB"
    return f"{name} {info.version}, API {info.api}, cgroup v{info.cgroup_version}, {info.storage_driver}, {size}"


def observed(engine: Engine) -> EngineInfo:
    """Return the engine's information, including the version of this machine's NVIDIA Container Toolkit."""
    return replace(engine.info(), nvidia_toolkit=installed_toolkit())


def installed_toolkit() -> str:
    """Return the version output of the NVIDIA Container Toolkit; empty if it is not installed."""
    for program in ("nvidia-ctk", "nvidia-container-cli"):
        with suppress(OSError, subprocess.SubprocessError):
            command = [program, "--version"]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=True)
            return ended.stdout
    return ""


def _room(info: EngineInfo) -> Iterator[Check]:
    root = Path(info.root_dir)
    if not info.root_dir or not root.exists():
        return
    free = free_mib(root)
    if free >= IMAGE_MIB:
        yield Check("Disk of Docker", "ok", f"{free} MiB free at {root}")
    else:
        advice = "Free some space: `docker system df` shows the usage, `docker image prune` removes unused images."
        yield Check("Disk of Docker", "warn", f"{free} MiB free at {root}; an image needs {IMAGE_MIB}", advice)


def _gpu(info: EngineInfo) -> Iterator[Check]:
    from harness.runners.engine.gpus import gpu_request

    try:
        request = gpu_request("all", info)
    except GpuUnavailableError as error:
        if hardware.gpu_names():
            yield Check("GPU in Docker", "warn", "containers cannot get the GPU", str(error))
        return
    if request is not None and hardware.gpu_names():
        yield Check("GPU in Docker", "ok", f"available through {request.path}")


def _images(engine: Engine) -> Iterator[Check]:
    from harness.runners.engine.types import LABEL
    from harness.runners.images.base import BASE_VARIABLE, LOCAL_BASE, PUBLIC_BASE
    from harness.runners.images.guest import GUEST

    guests = engine.images({LABEL: GUEST})
    if guests:
        tags = [tag for image in guests for tag in image.tags[:1]]
        several = f"{len(guests)} images; `harness image list` shows them, `harness image prune` removes unused ones"
        yield Check("Sandbox image", "ok", tags[0] if len(guests) == 1 and tags else several)
        return
    yield Check(
        "Sandbox image", "warn", "not built yet", "It is built on first use; `harness image build` builds it now."
    )
    named = os.environ.get(BASE_VARIABLE)
    wanted = [named] if named else [LOCAL_BASE, PUBLIC_BASE]
    found = next((name for name in wanted if engine.image(name) is not None), None)
    if found:
        yield Check("Base image", "ok", found)
    else:
        advice = f"It is pulled on first use. Without network, run `sudo sandbox/make-base.sh` or set {BASE_VARIABLE}."
        yield Check("Base image", "warn", f"none of {', '.join(wanted)} is on this machine", advice)
