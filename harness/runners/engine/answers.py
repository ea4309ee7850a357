"""Parsers for responses of the Docker engine's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import ImageBuildError, NoSpaceError
from harness.runners.engine.types import ContainerState, EngineInfo, ImageInfo, Progress

LIMITS = {"MemoryLimit": "memory", "SwapLimit": "swap", "PidsLimit": "processes", "CpuCfsQuota": "CPU"}
"""Key of ``GET /info`` that is False if the engine cannot enforce a limit -> name of that limit."""


def engine_info(info: Mapping[str, Any], api_version: str, version: Mapping[str, Any] | None = None) -> EngineInfo:
    """Parse the responses to ``GET /info`` and ``GET /version``."""
    options = [_security_option(option) for option in info.get("SecurityOptions") or ()]
    components = (version or {}).get("Components") or ()
    return EngineInfo(
        version=str(info.get("ServerVersion", "")),
        api=api_version,
        cgroup_version=str(info.get("CgroupVersion", "1")),
        operating_system=str(info.get("OperatingSystem", "")),
        architecture=str(info.get("Architecture", "")),
        storage_driver=str(info.get("Driver", "")),
        root_dir=str(info.get("DockerRootDir", "")),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        security_options=(
            *(option["name"] for option in options),
            *(["rootless"] if info.get("Rootless") is True else []),
        ),
        cdi_dirs=tuple(info.get("CDISpecDirs") or ()),
        cdi_devices=tuple(str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or ()),
        cpus=int(info.get("NCPU") or 1),
        memory_mib=int(info.get("MemTotal") or 0) >> 20,
        components={str(part.get("Name", "")): str(part.get("Version", "")) for part in components},
        default_runtime=str(info.get("DefaultRuntime") or ""),
        seccomp_profile=next((option.get("profile", "") for option in options if option["name"] == "seccomp"), ""),
        cpuset=info.get("CPUSet") is not False,
        missing_limits=tuple(name for key, name in LIMITS.items() if info.get(key) is False),
    )


def _security_option(text: str) -> dict[str, str]:
    """Parse "name=seccomp,profile=default"; old engines return only "seccomp"."""
    parts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    return {"name": text.split(",")[0], **parts}


def image_info(attributes: Mapping[str, Any]) -> ImageInfo:
    """Parse the response to an image inspection or listing."""
    return ImageInfo(
        id=str(attributes["Id"]),
        tags=tuple(str(tag) for tag in attributes.get("RepoTags") or () if tag != "<none>:<none>"),
        labels=_labels((attributes.get("Config") or {}).get("Labels") or attributes.get("Labels")),
        size_bytes=int(attributes.get("Size") or 0),
        created=str(attributes.get("Created", "")),
    )


def _labels(found: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (found or {}).items()}


def container_state(data: Mapping[str, Any]) -> ContainerState:
    """Parse the response to a container inspection."""
    state = data.get("State") or {}
    running = bool(state.get("Running"))
    return ContainerState(
        id=str(data["Id"]),
        name=str(data.get("Name", "")).lstrip("/"),
        labels=_labels((data.get("Config") or {}).get("Labels")),
        running=running,
        exit_code=None if running or state.get("Status") == "created" else state.get("ExitCode"),
        oom_killed=bool(state.get("OOMKilled")),
        error=str(state.get("Error", "")),
        pid=int(state.get("Pid") or 0),
        host_config=dict(data.get("HostConfig") or {}),
    )


def last_lines(output: list[str], lines: int = 15) -> str:
    """Return the last lines of a build's output."""
    return "\n".join("".join(output).splitlines()[-lines:])


def take_build_event(event: Mapping[str, Any], output: list[str], progress: Progress) -> None:
    """Append a build event's text to ``output`` and report it to ``progress``.

    Raises:
        ImageBuildError: if the event reports a failed step.
        NoSpaceError: if the engine's disk is full.
    """
    if "error" in event:
        if "no space left on device" in str(event["error"]).lower():
            raise NoSpaceError("the Docker engine's disk is full. Free some space; `docker system df` lists usage")
        raise ImageBuildError(f"a build step failed: {event['error']}\n{last_lines(output)}")
    text = str(event.get("stream", ""))
    output.append(text)
    for line in text.splitlines():
        if line.strip():
            progress(line.strip())
