"""A thin, typed layer over the docker SDK; the only module that imports it.

Every call is bounded in time. A call that fails because of the engine raises :class:`~harness.errors.SandboxError` or
:class:`~harness.errors.NoSpaceError`. Clients are made per thread and per time-out, for the SDK's are not made to be
shared and take their time-out when they are made.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import docker
import docker.errors
import docker.types
import requests.exceptions

from harness.errors import DockerUnavailableError, ImageBuildError, NoSpaceError, SandboxError
from harness.runners.engine_advice import advice
from harness.runners.engine_types import (
    LABEL,
    ContainerSpec,
    ContainerState,
    EngineInfo,
    GpuRequest,
    ImageInfo,
    Progress,
    silent,
)

CONTROL_TIMEOUT_S = 30.0
CREATE_TIMEOUT_S = 120.0
BUILD_TIMEOUT_S = 3600.0
SCRATCH = "/tmp"  # noqa: S108  (the container's own)
USER = "10001:10001"
ENGINE_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Errors of the SDK and of its connection become ours."""
    try:
        yield
    except ENGINE_ERRORS as error:
        text = getattr(error, "explanation", None) or str(error)
        if "no space left on device" in text.lower():
            raise NoSpaceError(
                f"{what}: the Docker engine's disk is full ({text}). Free some, see `docker system df`"
            ) from None
        raise SandboxError(f"{what}: {text}") from error


class Engine:
    """A Docker engine that answers. Make one with :meth:`connect`."""

    def __init__(self, base_url: str, api_version: str) -> None:
        self.base_url = base_url
        self._api_version = api_version
        self._clients = threading.local()

    @classmethod
    def connect(cls, timeout_s: float = CONTROL_TIMEOUT_S) -> Engine:
        """The engine that the environment names: ``DOCKER_HOST``, else the current Docker context, else the local one.

        Raises:
            DockerUnavailableError: none answers or this user may not talk to it; the message says what to do.
        """
        try:
            client = docker.from_env(timeout=timeout_s)
            api_version = str(client.version()["ApiVersion"])
        except ENGINE_ERRORS as error:
            raise DockerUnavailableError(advice(error, os.environ.get("DOCKER_HOST"))) from error
        engine = cls(str(client.api.base_url), min(api_version, str(client.api.api_version), key=_version_key))
        client.close()
        return engine

    def _client(self, timeout_s: float = CONTROL_TIMEOUT_S) -> Any:
        clients = self._clients.__dict__.setdefault("by_timeout", {})
        if timeout_s not in clients:
            clients[timeout_s] = docker.from_env(timeout=timeout_s, version=self._api_version)
        return clients[timeout_s]

    def info(self) -> EngineInfo:
        """Version and properties of the engine."""
        with _translated("asking the Docker engine about itself"):
            info = self._client().info()
        options = (option.split(",")[0].removeprefix("name=") for option in info.get("SecurityOptions") or ())
        return EngineInfo(
            version=str(info.get("ServerVersion", "")),
            api=self._api_version,
            cgroup_version=str(info.get("CgroupVersion", "1")),
            operating_system=str(info.get("OperatingSystem", "")),
            architecture=str(info.get("Architecture", "")),
            storage_driver=str(info.get("Driver", "")),
            root_dir=str(info.get("DockerRootDir", "")),
            runtimes=tuple(sorted(info.get("Runtimes") or ())),
            security_options=tuple(options),
            cdi_dirs=tuple(info.get("CDISpecDirs") or ()),
            cdi_devices=tuple(str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or ()),
            cpus=int(info.get("NCPU") or 1),
            memory_mib=int(info.get("MemTotal") or 0) >> 20,
        )

    # Images

    def image(self, reference: str) -> ImageInfo | None:
        """A local image by tag or id; None where there is none."""
        try:
            with _translated(f"looking up the image {reference}"):
                return _image_info(self._client().images.get(reference))
        except SandboxError as error:
            if isinstance(error.__cause__, docker.errors.NotFound):
                return None
            raise

    def images(self, labels: Mapping[str, str | None]) -> list[ImageInfo]:
        """Local images that carry all ``labels`` (a value of None: whatever its value), newest first."""
        with _translated("listing images"):
            found = self._client().images.list(filters={"label": _label_filter(labels)})
        return sorted((_image_info(image) for image in found), key=lambda image: image.created, reverse=True)

    def pull(self, reference: str, progress: Progress = silent) -> ImageInfo:
        """Fetch an image.

        Raises:
            ImageBuildError: it cannot be had.
        """
        repository, _, tag = reference.rpartition(":")
        try:
            for event in self._client(BUILD_TIMEOUT_S).api.pull(
                repository or tag, tag=tag if repository else "latest", stream=True, decode=True
            ):
                if "error" in event:
                    raise ImageBuildError(f"the image {reference} could not be fetched: {event['error']}")
                progress(" ".join(str(event[key]) for key in ("status", "id", "progress") if event.get(key)))
        except ENGINE_ERRORS as error:
            raise ImageBuildError(f"the image {reference} could not be fetched: {error}") from error
        image = self.image(reference)
        if image is None:
            raise ImageBuildError(f"the engine says it fetched {reference}, but does not have it")
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
        """Build an image without network from a tar stream that holds a ``Dockerfile``.

        Raises:
            ImageBuildError: a step failed; the message has the last lines of its output.
            NoSpaceError: the engine's disk is full.
        """
        output: list[str] = []
        with _translated(f"building the image {tag}"):
            events = self._client(BUILD_TIMEOUT_S).api.build(
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
                _take_build_event(event, output, progress)
        image = self.image(tag)
        if image is None:
            raise ImageBuildError(f"the engine ended the build of {tag} without an image: {_last(output)}")
        return image

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        with _translated(f"removing the image {reference}"), _ignoring_absence():
            self._client(CREATE_TIMEOUT_S).images.remove(reference, force=True)

    # Containers

    def create(self, spec: ContainerSpec) -> str:
        """Create a locked-down container and return its id.

        No network, read-only root, a user without rights, no capabilities, no new privileges, the default seccomp
        filter, no swap, no log kept by the engine, no variable from the user's Docker configuration. The engine may
        create a container and yet answer too late, so one of that name is looked up before the failure is believed.
        """
        with _translated(f"creating the container {spec.name}"):
            try:
                created = self._client(CREATE_TIMEOUT_S).containers.create(spec.image, **_create_arguments(spec))
                return str(created.id)
            except requests.exceptions.RequestException:
                late = self.containers({}, name=spec.name)
                if late:
                    return late[0].id
                raise

    def attach(self, container_id: str) -> socket.socket:
        """One socket, not blocking, for stdin, stdout and stderr, the latter two in the engine's frames.

        To be opened before the container is started, so that nothing is lost.
        """
        if not self.base_url.startswith("http+docker://local") and not self.base_url.startswith("http://"):
            raise SandboxError(f"guests need a Docker engine on this machine (a local socket), not {self.base_url}")
        parameters = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1, "logs": 0}
        with _translated("attaching to the container"):
            stream = self._client().api.attach_socket(container_id, params=parameters)
            # A descriptor of our own does not depend on the life of the SDK's response.
            attached = socket.socket(fileno=os.dup(stream.fileno()))
            stream.close()
            attached.setblocking(False)
        return attached

    def start(self, container_id: str) -> None:
        """Start a created container."""
        with _translated("starting the container"):
            self._client(CREATE_TIMEOUT_S).api.start(container_id)

    def kill(self, container_id: str) -> None:
        """Kill a container's every process; one that is gone or ended is no error."""
        with _translated("killing the container"):
            try:
                self._client().api.kill(container_id)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:
                    raise

    def inspect(self, container_id: str) -> ContainerState | None:
        """What the engine says about a container; None where it has none of that id or name."""
        with _translated("inspecting the container"):
            try:
                return _container_state(self._client().api.inspect_container(container_id))
            except docker.errors.NotFound:
                return None

    def wait(self, container_id: str, timeout_s: float) -> bool:
        """Wait for a container to end; False when it still runs after ``timeout_s`` seconds."""
        try:
            with _translated("waiting for the container"):
                self._client().api.wait(container_id, timeout=timeout_s)
        except SandboxError:
            # The SDK reports its own time-out as a broken connection, so only the engine knows.
            state = self.inspect(container_id)
            return state is None or not state.running
        return True

    def remove(self, container_id: str) -> None:
        """Kill and remove a container with its anonymous volumes; one that is gone is no error."""
        with _translated("removing the container"), _ignoring_absence():
            self._client(CREATE_TIMEOUT_S).api.remove_container(container_id, force=True, v=True)

    def containers(self, labels: Mapping[str, str | None], name: str | None = None) -> list[ContainerState]:
        """All our containers, running or not, that carry ``labels``; of one exact ``name`` when given."""
        filters: dict[str, Any] = {"label": _label_filter({LABEL: None, **labels})}
        if name is not None:
            filters["name"] = f"^/{name}$"
        with _translated("listing containers"):
            listed = self._client().api.containers(all=True, filters=filters)
        found = (self.inspect(str(entry["Id"])) for entry in listed)
        return [state for state in found if state is not None]


@contextmanager
def _ignoring_absence() -> Iterator[None]:
    try:
        yield
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # "removal is already in progress": somebody else does our work.
        if error.status_code != 409:
            raise


def _version_key(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _label_filter(labels: Mapping[str, str | None]) -> list[str]:
    return [key if value is None else f"{key}={value}" for key, value in labels.items()]


def _last(output: list[str], lines: int = 15) -> str:
    return "\n".join("".join(output).splitlines()[-lines:])


def _take_build_event(event: Mapping[str, Any], output: list[str], progress: Progress) -> None:
    if "error" in event:
        if "no space left on device" in str(event["error"]).lower():
            raise NoSpaceError("the Docker engine's disk is full. Free some, see `docker system df`")
        raise ImageBuildError(f"a build step failed: {event['error']}\n{_last(output)}")
    text = str(event.get("stream", ""))
    output.append(text)
    for line in text.splitlines():
        if line.strip():
            progress(line.strip())


def _image_info(image: Any) -> ImageInfo:
    attributes = image.attrs
    return ImageInfo(
        id=str(image.id),
        tags=tuple(image.tags),
        labels=dict(image.labels or {}),
        size_bytes=int(attributes.get("Size") or 0),
        created=str(attributes.get("Created", "")),
    )


def _container_state(data: Mapping[str, Any]) -> ContainerState:
    state = data.get("State") or {}
    running = bool(state.get("Running"))
    return ContainerState(
        id=str(data["Id"]),
        name=str(data.get("Name", "")).lstrip("/"),
        labels=dict((data.get("Config") or {}).get("Labels") or {}),
        running=running,
        exit_code=None if running or state.get("Status") == "created" else state.get("ExitCode"),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error", "")),
        pid=int(state.get("Pid") or 0),
        host_config=dict(data.get("HostConfig") or {}),
    )


def _create_arguments(spec: ContainerSpec) -> dict[str, Any]:
    """The SDK's keyword arguments: the lock-down, the same for all, and what this container asks for."""
    memory = None if spec.memory_mib is None else f"{spec.memory_mib}m"
    size = "" if spec.tmpfs_mib is None else f",size={spec.tmpfs_mib}m"
    arguments: dict[str, Any] = {
        "network_mode": "none",
        "user": USER,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "ipc_mode": "private",
        "init": False,
        "log_config": docker.types.LogConfig(type="none"),
        "use_config_proxy": False,
        "stdin_open": True,
        "tty": False,
        "hostname": "sandbox",
        "working_dir": SCRATCH,
        "oom_kill_disable": False,
        "ulimits": [
            docker.types.Ulimit(name="core", soft=0, hard=0),
            docker.types.Ulimit(name="nofile", soft=4096, hard=4096),
        ],
        "name": spec.name,
        "labels": {LABEL: "container", **spec.labels},
        "environment": dict(spec.environment),
        "command": list(spec.command),
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": spec.pids,
        "nano_cpus": None if spec.cpus is None else int(spec.cpus * 1e9),
        "cpuset_cpus": spec.cpuset,
        "tmpfs": {SCRATCH: f"rw,exec,nosuid,nodev,mode=1777{size}"},
        "shm_size": None if spec.shm_mib is None else f"{spec.shm_mib}m",
        "mounts": [_mount(str(source), target) for source, target in spec.read_only_files.items() if not spec.selinux],
        "volumes": [f"{source}:{target}:ro,z" for source, target in spec.read_only_files.items() if spec.selinux],
        "device_requests": None if spec.gpu is None else [_device_request(spec.gpu)],
    }
    if spec.entrypoint is not None:
        arguments["entrypoint"] = list(spec.entrypoint)
    return {key: value for key, value in arguments.items() if value is not None}


def _mount(source: str, target: str) -> Any:
    return docker.types.Mount(target=target, source=source, type="bind", read_only=True)


def _device_request(gpu: GpuRequest) -> Any:
    if gpu.path == "cdi":
        return docker.types.DeviceRequest(driver="cdi", device_ids=list(gpu.ids))
    chosen = {"device_ids": list(gpu.ids)} if gpu.ids else {"count": gpu.count}
    return docker.types.DeviceRequest(capabilities=[["gpu", "compute", "utility"]], **chosen)
