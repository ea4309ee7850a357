"""Parts of the Docker runner that need no engine."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from harness.errors import GpuUnavailableError, SandboxError, UsageError
from harness.runners.engine.advice import advice
from harness.runners.engine.cgroups import Cgroup
from harness.runners.engine.client import Engine
from harness.runners.engine.frames import HEADER, STDERR_KEPT_BYTES, Demultiplexer
from harness.runners.engine.gpus import gpu_request, parse_gpus
from harness.runners.engine.handle import DockerHandle
from harness.runners.engine.lockdown import create_arguments
from harness.runners.engine.types import ContainerSpec, EngineInfo, GpuRequest
from harness.runners.wheels.target import PythonTarget

UUID = "GPU-01234567-89ab-cdef-0123-456789abcdef"


def _frames(*pieces: tuple[int, bytes]) -> bytes:
    return b"".join(HEADER.pack(stream, len(data)) + data for stream, data in pieces)


@pytest.mark.parametrize("step", [1, 2, 7, 8, 9, 1000])
def test_streams_are_told_apart_however_the_bytes_arrive(step: int) -> None:
    raw = _frames((1, b"hello "), (2, b"oops"), (1, b""), (1, b"world" * 50))
    frames = Demultiplexer()
    out = b"".join(frames.feed(raw[at : at + step]) for at in range(0, len(raw), step))
    assert out == b"hello " + b"world" * 50
    assert bytes(frames.stderr) == b"oops"


def test_only_the_end_of_the_error_stream_is_kept() -> None:
    frames = Demultiplexer()
    for number in range(300):
        frames.feed(_frames((2, bytes([number % 256]) * 1000)))
    assert len(frames.stderr) == STDERR_KEPT_BYTES
    assert frames.stderr[-1] == 299 % 256


def test_what_is_not_the_engines_framing_is_refused() -> None:
    with pytest.raises(ValueError, match="stream 7"):
        Demultiplexer().feed(_frames((7, b"x")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("none", (0, ())), ("0", (0, ())), ("all", (-1, ())), ("2", (2, ())), (f"{UUID},{UUID}", (2, (UUID, UUID)))],
)
def test_every_form_of_gpus_is_understood(text: str, expected: tuple[int, tuple[str, ...]]) -> None:
    assert parse_gpus(text) == expected


@pytest.mark.parametrize("text", ["some", "-1", "GPU-xyz", "0,1", "all,none"])
def test_other_forms_of_gpus_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="nvidia-smi -L"):
        parse_gpus(text)


def _info(**values: tuple[str, ...]) -> EngineInfo:
    return EngineInfo("28.0", "1.48", "2", **values)  # type: ignore[arg-type]


def test_the_nvidia_driver_is_asked_where_the_engine_has_its_runtime() -> None:
    info = _info(runtimes=("nvidia", "runc"))
    assert gpu_request("2", info) == GpuRequest("nvidia", count=2)
    assert gpu_request(UUID, info) == GpuRequest("nvidia", ids=(UUID,))


def test_device_specifications_are_taken_where_the_engine_lists_them() -> None:
    info = _info(cdi_devices=("nvidia.com/gpu=0", "nvidia.com/gpu=all"), runtimes=("nvidia",))
    assert gpu_request("all", info) == GpuRequest("cdi", ids=("nvidia.com/gpu=all",))
    assert gpu_request("2", info) == GpuRequest("cdi", ids=("nvidia.com/gpu=0", "nvidia.com/gpu=1"))


def test_device_specifications_are_taken_where_their_file_is(tmp_path: Path) -> None:
    (tmp_path / "nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    request = gpu_request("1", _info(cdi_dirs=(str(tmp_path),)))
    assert request is not None
    assert request.path == "cdi"


def test_no_gpu_is_asked_for_by_default() -> None:
    assert gpu_request("none", _info()) is None


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_a_gpu_that_cannot_be_handed_out_is_refused_with_advice() -> None:
    with pytest.raises(GpuUnavailableError, match="Container Toolkit"):
        gpu_request("all", _info())


def test_every_container_is_locked_down_whatever_is_asked_for() -> None:
    arguments = create_arguments(ContainerSpec("image", "name", memory_mib=64))
    assert arguments["network_mode"] == "none"
    assert arguments["read_only"] is True
    assert arguments["cap_drop"] == ["ALL"]
    assert arguments["security_opt"] == ["no-new-privileges:true"]
    assert arguments["user"] == "10001:10001"
    assert arguments["mem_limit"] == arguments["memswap_limit"] == "64m"
    assert arguments["use_config_proxy"] is False
    assert not {"privileged", "cap_add", "devices", "pid_mode", "volumes_from"} & set(arguments)


def _cgroup(tmp_path: Path, lines: str, files: dict[str, str]) -> Cgroup | None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text(lines)
    for name, text in files.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Cgroup.of(7, "abc", tmp_path / "sys", tmp_path / "proc")


def test_limits_and_kills_are_read_from_the_unified_hierarchy(tmp_path: Path) -> None:
    files = {
        "memory.events": "oom 3\noom_kill 2\n",
        "memory.max": "67108864\n",
        "pids.max": "50\n",
        "cpu.max": "150000 100000\n",
        "cpu.stat": "usage_usec 1250000\nuser_usec 1000000\nsystem_usec 250000\n",
    }
    group = _cgroup(tmp_path, "0::/docker/abc\n", {f"docker/abc/{name}": text for name, text in files.items()})
    assert group is not None
    assert (group.oom_kills(), group.memory_mib(), group.pids(), group.cpus()) == (2, 64, 50, 1.5)
    assert group.cpu_s() == 1.25


def test_limits_and_kills_are_read_from_the_old_hierarchies(tmp_path: Path) -> None:
    files = {
        "memory/docker/abc/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "memory/docker/abc/memory.limit_in_bytes": "67108864\n",
        "pids/docker/abc/pids.max": "max\n",
        "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
        "cpu/docker/abc/cpu.cfs_quota_us": "-1\n",
        "cpu/docker/abc/cpu.cfs_period_us": "100000\n",
        "cpuacct/docker/abc/cpuacct.usage": "2500000000\n",
    }
    lines = "4:memory:/docker/abc\n3:pids:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"
    group = _cgroup(tmp_path, lines, files)
    assert group is not None
    assert (group.oom_kills(), group.memory_mib(), group.pids(), group.cpus()) == (1, 64, None, None)
    assert group.cpu_s() == 2.5


def test_processor_seconds_are_unknown_where_the_kernel_does_not_count_them(tmp_path: Path) -> None:
    group = _cgroup(tmp_path, "0::/docker/abc\n", {"docker/abc/memory.max": "max\n"})

    assert group is not None
    assert group.cpu_s() is None


def test_a_process_of_another_container_is_not_taken_for_ours(tmp_path: Path) -> None:
    assert _cgroup(tmp_path, "0::/docker/def\n", {"docker/def/memory.events": "oom_kill 2\n"}) is None


def test_a_refused_socket_is_explained_by_the_users_rights() -> None:
    assert "usermod -aG docker" in advice(PermissionError(13, "Permission denied"), None)


def test_a_named_engine_that_does_not_answer_is_named() -> None:
    message = advice(ConnectionRefusedError("refused"), "tcp://10.0.0.1:2375")
    assert "DOCKER_HOST=tcp://10.0.0.1:2375" in message
    assert "--runner process" in message


def test_wheels_for_older_systems_are_accepted_and_for_newer_ones_not() -> None:
    platforms = PythonTarget((3, 12, 1), "aarch64", (2, 28)).platforms
    assert platforms[0] == "manylinux_2_28_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"} <= set(platforms)
    assert not [tag for tag in platforms if "2_16" in tag or "2_29" in tag or "2010" in tag]


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"implementation": "pypy"}, "pypy"), ({"version": [3, 9, 2]}, "3.9"), ({"glibc": ""}, "glibc")],
)
def test_a_python_that_torch_is_not_built_for_is_refused(change: dict[str, object], reason: str) -> None:
    probe: dict[str, object] = {
        "version": [3, 11, 2],
        "implementation": "cpython",
        "machine": "x86_64",
        "glibc": "2.36",
    }
    assert PythonTarget.from_probe(probe) == PythonTarget((3, 11, 2), "x86_64", (2, 36))
    with pytest.raises(ValueError, match=reason):
        PythonTarget.from_probe({**probe, **change})


def _client(folder: Path, name: str) -> Path:
    client = folder / name
    client.write_text("#!/bin/sh\n")
    client.chmod(0o755)
    return client


def test_a_shell_is_opened_by_the_client_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("TERM", "vt100")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        handle = DockerHandle(Engine("http://nowhere", "1.41"), "abc", ours, None)
        with pytest.raises(SandboxError, match="docker-ce-cli"):
            handle.beside(("-V",), interactive=True)
        podman = _client(tmp_path, "podman")
        typed = handle.beside(("-V",), interactive=True).command
        docker = _client(tmp_path, "docker")
        given = handle.beside(("-V",), interactive=False).command

    assert (typed[0], given[0]) == (str(podman), str(docker))
    assert "-it" in typed
    assert "TERM=vt100" in typed
    assert list(given[1:]) == ["exec", "abc", "/opt/harness/bin/python", "-s", "-V"]
