"""A thin, typed wrapper of the docker SDK; the only module that imports it.

Every call has a timeout. Engine failures are raised as :class:`~harness.errors.SandboxError` or
:class:`~harness.errors.NoSpaceError`. Each call creates its own client (a few milliseconds), because the SDK's clients are not
thread-safe, have a fixed timeout, and keep connections open.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import docker
import docker.errors
import requests.exceptions
import urllib3.exceptions
from packaging.version import Version

from harness.core.reading import reason
from harness.errors import DockerUnavailableError, HarnessError, ImageBuildError, NoSpaceError, SandboxError
from harness.runners.engine.advice import advice, podman_advice
from harness.runners.engine.answers import container_state, engine_info, image_info, last_lines, take_build_event
from harness.runners.engine.lockdown import create_arguments
from harness.runners.engine.types import (
    LABEL,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    ImageInfo,
    Progress,
    label_filter,
    silent,
)

CONTROL_TIMEOUT_S = 30.0
CREATE_TIMEOUT_S = 120.0
BUILD_TIMEOUT_S = 3600.0
ENGINE_ERRORS = (
    docker.errors.DockerException,
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,  # if a streamed response breaks off, e.g. during a build
    OSError,
)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Convert errors of the SDK, of the connection and of malformed responses into the harness's errors."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        text = getattr(error, "explanation", None) or str(error)
        if "no space left on device" in text.lower():
            raise NoSpaceError(
                f"{what}: the Docker engine's disk is full ({text}). Free some space; `docker system df` lists usage"
            ) from None
        raise SandboxError(f"{what}: {text if isinstance(error, ENGINE_ERRORS) else reason(error)}") from error


UNIX = "unix://"


def _sdk(host: str | None, **options: Any) -> docker.DockerClient:
    return docker.from_env(**options) if host is None else docker.DockerClient(base_url=host, **options)


class Engine:
    """A connected Docker engine. Create it with :meth:`connect`."""

    def __init__(self, base_url: str, api_version: str, *, host: str | None = None, podman: bool = False) -> None:
        self.base_url = base_url
        self.host = host
        self._api_version = api_version
        self.podman = podman

    @classmethod
    def connect(cls, timeout_s: float = CONTROL_TIMEOUT_S, host: str | None = None) -> Engine:
        """Connect to an engine.

        Args:
            timeout_s: timeout of the connection, seconds.
            host: address of its socket, e.g. "unix:///run/podman/podman.sock"; None for the engine of ``DOCKER_HOST``, else of
                the current Docker context, else the local one.

        Raises:
            DockerUnavailableError: if no engine answers or permission is denied; the message has advice.
        """
        try:
            if host is not None and host.startswith(UNIX):
                with socket.socket(socket.AF_UNIX) as probe:  # the SDK leaves a socket open if nobody listens
                    probe.settimeout(timeout_s)
                    probe.connect(host.removeprefix(UNIX))
            client = _sdk(host, timeout=timeout_s)
            try:
                answer = client.version()
                base_url, own_version = str(client.api.base_url), str(client.api.api_version)
            finally:
                client.close()
            lowest = min(str(answer["ApiVersion"]), own_version, key=Version)
            podman = engine_info({}, lowest, answer).podman
        except Exception as error:  # any server may answer there, not only an engine
            told = advice(error, os.environ.get("DOCKER_HOST")) if host is None else podman_advice(error, host)
            raise DockerUnavailableError(told) from error
        return cls(base_url, lowest, host=host, podman=podman)

    @contextmanager
    def _client(self, timeout_s: float = CONTROL_TIMEOUT_S) -> Iterator[Any]:
        client = _sdk(self.host, timeout=timeout_s, version=self._api_version)
        try:
            yield client
        finally:
            client.close()

    def info(self) -> EngineInfo:
        """Return version and properties of the engine."""
        with _translated("asking the Docker engine about itself"), self._client() as client:
            return engine_info(client.info(), self._api_version, client.version())

    def image(self, reference: str) -> ImageInfo | None:
        """Return a local image by tag or id; None if there is none."""
        try:
            with _translated(f"looking up the image {reference}"), self._client() as client:
                return image_info(client.images.get(reference).attrs)
        except SandboxError as error:
            if isinstance(error.__cause__, docker.errors.NotFound):
                return None
            raise

    def images(self, labels: Mapping[str, str | None]) -> list[ImageInfo]:
        """Return local images that have all ``labels`` (None matches any value), newest first."""
        # Podman 4 finds nothing if the filter has two labels.
        first = dict([*labels.items()][:1])
        with _translated("listing images"), self._client() as client:
            found = [image_info(image.attrs) for image in client.images.list(filters={"label": label_filter(first)})]
        kept = (image for image in found if all(_carries(image, name, value) for name, value in labels.items()))
        return sorted(kept, key=lambda image: image.created, reverse=True)

    def pull(self, reference: str, progress: Progress = silent) -> ImageInfo:
        """Pull an image.

        Raises:
            ImageBuildError: if it cannot be pulled.
        """
        name = reference if "@" in reference or ":" in reference.rpartition("/")[2] else f"{reference}:latest"
        try:
            with self._client(BUILD_TIMEOUT_S) as client:
                for event in client.api.pull(name, stream=True, decode=True):
                    if "error" in event:
                        raise ImageBuildError(f"the image {reference} could not be pulled: {event['error']}")
                    progress(" ".join(str(event[key]) for key in ("status", "id", "progress") if event.get(key)))
        except HarnessError:
            raise
        except Exception as error:
            raise ImageBuildError(f"the image {reference} could not be pulled: {reason(error)}") from error
        image = self.image(reference)
        if image is None:
            raise ImageBuildError(f"the engine reported that it pulled {reference}, but does not have the image")
        return image

    def build(
        self,
        context: IO[bytes],
        *,
        tag: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        progress: Progress = silent,
    ) -> ImageInfo:
        """Build an image, without network, from a tar stream that contains a ``Dockerfile``.

        Raises:
            ImageBuildError: if a step failed; the message has the last lines of its output.
            NoSpaceError: if the engine's disk is full.
        """
        output: list[str] = []
        with _translated(f"building the image {tag}"), self._client(BUILD_TIMEOUT_S) as client:
            events = client.api.build(
                fileobj=context,
                custom_context=True,
                tag=tag,
                buildargs=dict(arguments),
                labels=dict(labels),
                network_mode="none",
                use_config_proxy=False,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                take_build_event(event, output, progress)
        image = self.image(tag)
        if image is None:
            raise ImageBuildError(f"the engine ended the build of {tag} without an image: {last_lines(output)}")
        return image

    def layers(self, reference: str) -> tuple[str, ...]:
        """Return the digests of an image's layers, which are the same on every engine that has it, unlike its id."""
        with _translated(f"looking up the image {reference}"), self._client() as client:
            return tuple(map(str, client.images.get(reference).attrs["RootFS"]["Layers"]))

    def save(self, reference: str, path: Path) -> None:
        """Write an image with its name as an archive."""
        told = _translated(f"saving the image {reference}")
        with told, self._client(BUILD_TIMEOUT_S) as client, path.open("wb") as file:
            file.writelines(client.images.get(reference).save(named=reference))

    def load(self, path: Path) -> None:
        """Load the images of an archive."""
        told = _translated(f"loading the image archive {path}")
        with told, self._client(BUILD_TIMEOUT_S) as client, path.open("rb") as file:
            client.images.load(file)

    def remove_image(self, reference: str) -> None:
        """Remove an image, if it exists."""
        with (
            _translated(f"removing the image {reference}"),
            _ignoring_absence(),
            self._client(CREATE_TIMEOUT_S) as client,
        ):
            client.images.remove(reference, force=True)

    def create(self, spec: ContainerSpec) -> str:
        """Create a locked-down container and return its id.

        It has no network, a read-only root, an unprivileged user, no capabilities, no new privileges, the default seccomp filter,
        no swap, no log in the engine, and no variable from the user's Docker configuration. The request may time out although
        the engine creates the container, so a failure is raised only if no container of that name exists.
        """
        with _translated(f"creating the container {spec.name}"), self._client(CREATE_TIMEOUT_S) as client:
            try:
                return str(client.containers.create(spec.image, **create_arguments(spec, podman=self.podman)).id)
            except requests.exceptions.RequestException:
                late = self.containers({}, name=spec.name)
                if late:
                    return late[0].id
                raise

    def attach(self, container_id: str) -> socket.socket:
        """Return a non-blocking socket for stdin, stdout and stderr; the output is multiplexed in the engine's frames.

        Call it before the container is started, so that no output is lost.
        """
        if not self.base_url.startswith("http+docker://local") and not self.base_url.startswith("http://"):
            raise SandboxError(f"guests need a Docker engine on this machine (a local socket), not {self.base_url}")
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
        with _translated("attaching to the container"), self._client() as client:
            stream = client.api.attach_socket(container_id, params=parameters)
            # A duplicated descriptor outlives the SDK's response and client.
            attached = socket.socket(fileno=os.dup(stream.fileno()))
            getattr(stream, "_sock", stream).close()
            stream.close()
            attached.setblocking(False)
        return attached

    def start(self, container_id: str) -> None:
        """Start a created container."""
        with _translated("starting the container"), self._client(CREATE_TIMEOUT_S) as client:
            client.api.start(container_id)

    def move(self, container_id: str, cpuset: str) -> None:
        """Pin a running container to these cores."""
        with _translated("moving the container to other cores"), self._client() as client:
            if not self.podman:
                client.api.update_container(container_id, cpuset_cpus=cpuset)
                return
            # Podman 4 has no such call in Docker's part of its API.
            url = f"{client.api.base_url}/v4.3.0/libpod/containers/{container_id}/update"
            client.api.post(url, json={"cpu": {"cpus": cpuset}}, timeout=CONTROL_TIMEOUT_S).raise_for_status()

    def kill(self, container_id: str) -> None:
        """Kill all processes of a container, if it is running."""
        with _translated("killing the container"), self._client() as client:
            try:
                client.api.kill(container_id)
            except docker.errors.APIError as error:
                # Podman 4 returns a server error if the container has just ended.
                if error.status_code not in {404, 409} and "state improper" not in str(error):
                    raise

    def inspect(self, container_id: str) -> ContainerState | None:
        """Return the state of a container by id or name; None if there is none."""
        with _translated("inspecting the container"), self._client() as client:
            try:
                return container_state(client.api.inspect_container(container_id))
            except docker.errors.NotFound:
                return None

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Wait for a container to end; return False if it still runs after ``timeout_s`` seconds."""
        try:
            with _translated("waiting for the container"), self._client() as client:
                client.api.wait(container_id, timeout=timeout_s)
        except SandboxError:
            # The SDK reports its own timeout as a broken connection, so the engine is asked for the state.
            state = self.inspect(container_id)
            return state is None or not state.running
        return True

    def remove(self, container_id: str) -> None:
        """Kill a container and remove it with its anonymous volumes, if it exists."""
        with _translated("removing the container"), _ignoring_absence(), self._client(CREATE_TIMEOUT_S) as client:
            client.api.remove_container(container_id, force=True, v=True)

    def containers(self, labels: Mapping[str, str | None], name: str | None = None) -> list[ContainerState]:
        """Return the harness's containers, running or not, that have ``labels`` and, if given, the exact ``name``."""
        filters: dict[str, Any] = {"label": label_filter({LABEL: None, **labels})}
        if name is not None:
            filters["name"] = f"^/{name}$"
        with _translated("listing containers"), self._client() as client:
            listed = client.api.containers(all=True, filters=filters)
        found = (self.inspect(str(entry["Id"])) for entry in listed)
        return [state for state in found if state is not None]


def _carries(image: ImageInfo, name: str, value: str | None) -> bool:
    return name in image.labels and value in (None, image.labels[name])


@contextmanager
def _ignoring_absence() -> Iterator[None]:
    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # 409 is "removal is already in progress": another client is removing it.
        if error.status_code != 409:
            raise
