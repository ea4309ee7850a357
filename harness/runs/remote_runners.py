"""How a method's runner is made again on another machine: its image is built once, and known by its layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.progress import SilentProgress
from harness.errors import ImageBuildError, RunnerRefusedError
from harness.runners.base import PluginFacts, Runner
from harness.runners.engines import EngineProvider
from harness.runners.images.listing import PluginImage
from harness.runners.process import ProcessRunner
from harness.runners.process_provider import device_of
from harness.runners.registry import load_runner
from harness.runs.config import RunConfig
from harness.runs.runner_choice import request_of

if TYPE_CHECKING:  # the Docker SDK is slow to import
    from harness.runners.engine.client import Engine


class ImageMissingError(Exception):
    """A node does not have the image of a method; its archive must be sent."""


@dataclass(frozen=True)
class RunnerOrder:
    """What a runner is made of.

    Attributes:
        runner: name of the runner.
        image: of the method; None for plain processes.
        layers: digests of the image's layers.
        archive: path, on the program's machine, of a file with the image for nodes that lack it; empty for plain processes.
    """

    runner: str = "process"
    image: PluginImage | None = None
    layers: tuple[str, ...] = ()
    archive: str = ""


def runner_order(runner: Runner, facts: PluginFacts, folder: Path) -> RunnerOrder:
    """Return what a runner of this machine is made of; its archive, in ``folder``, is written by :func:`write_archive`.

    Raises:
        RunnerRefusedError: a third-party plugin would run without isolation on nodes of a cluster.
    """
    if isinstance(runner, ProcessRunner):
        if facts.origin != "bundled":
            raise RunnerRefusedError(
                f"{facts.name} is a third-party plugin, and a plain process could read the cluster's token. With --engine, pass "
                "--runner docker."
            )
        return RunnerOrder()
    image: PluginImage = runner.image  # type: ignore[attr-defined]  # a container runner's
    name = runner.facts.name
    archive = folder / f"{name}-{image.tag.replace(':', '-')}.tar"
    return RunnerOrder(name, image, engine_of(name).layers(image.tag), str(archive))


def engine_of(name: str) -> Engine:
    """Return a connection to this machine's engine of a container runner.

    Raises:
        DockerUnavailableError: it does not answer.
    """
    provider = load_runner(name)
    if not isinstance(provider, EngineProvider):
        raise RunnerRefusedError(
            f"The runner {name!r} is not one that --engine can use; pass --runner docker or podman."
        )
    return provider.connect()


def write_archive(order: RunnerOrder) -> Path | None:
    """Write the image of an order into its archive, unless that is done; return its path, None for plain processes."""
    if order.image is None:
        return None
    path = Path(order.archive)
    if not path.exists():
        engine_of(order.runner).save(order.image.tag, path)
    return path


def remade(order: RunnerOrder, config: RunConfig, cores: int, archive: Path | None) -> Runner:
    """Return a runner of this machine.

    Raises:
        ImageMissingError: the image is not here, and no archive was sent.
        ImageBuildError: the image here has other layers.
        DockerUnavailableError, GpuUnavailableError: as on the program's machine.
    """
    limits, request = config.limits(cores), request_of(config, SilentProgress())
    if order.image is None:
        return ProcessRunner(None, int(limits.cpus or 1), limits, device_of(request))
    from harness.runners.docker import DockerRunner

    engine = engine_of(order.runner)
    found = engine.image(order.image.tag)
    if found is None and archive is not None:
        engine.load(archive)
        found = engine.image(order.image.tag)
    if found is None:
        raise ImageMissingError(order.image.tag)
    if engine.layers(order.image.tag) != order.layers:
        raise ImageBuildError(
            f"The image {order.image.tag} on this node has other layers than the program's. Remove it: harness image prune"
        )
    return DockerRunner(
        engine,
        replace(order.image, id=found.id),
        limits,
        gpus=request.gpus,
        runtime=request.runtime,
        name=order.runner,
    )
