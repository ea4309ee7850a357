"""``harness shell`` in a container: as locked as a run, and gone however it ends."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from harness.runners.base import Limits
from harness.runners.engine.client import Engine
from harness.runners.engine.reaper import HOST_PID, RUN, orphaned
from harness.runners.engine.types import ContainerState
from harness.runners.images.listing import GuestImage
from tests.docker.conftest import RUN_ID, Bench
from tests.program import TASK, Ended, Program
from tests.terminals import OnTerminal

# What a process finds out about its walls: printed by a plugin in a run, and by the same code in a shell.
LOOK = """
import json, os, pathlib, resource, socket
RIGHTS = ("CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Seccomp_filters")
def answer(attempt):
    try:
        return str(attempt())
    except Exception as error:
        return type(error).__name__ + str(getattr(error, "errno", ""))
def look():
    status = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
    cgroups = ("memory/memory.limit_in_bytes", "pids/pids.max", "cpu/cpu.cfs_quota_us", "memory.max", "pids.max", "cpu.max")
    return {
        "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()],
        "status": {name: status.get(name, "").split() for name in RIGHTS},
        "mounts": sorted([m[1], m[2], *sorted(o for o in m[3].split(",") if "dir=" not in o)] for m in mounts
                         if not m[1].startswith("/opt/shell/")),
        "variables": {name: value for name, value in os.environ.items() if name not in ("HOSTNAME", "TERM", "LINES", "COLUMNS")},
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")},
        "cgroups": {name: answer(pathlib.Path("/sys/fs/cgroup", name).read_text) for name in cgroups},
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "tries": {
            "internet": answer(lambda: socket.create_connection(("192.0.2.1", 80), 1)),
            "root": answer(lambda: pathlib.Path("/intruder").touch()),
            "plugin": answer(lambda: pathlib.Path("/opt/plugin/intruder").touch()),
            "guest": answer(lambda: os.kill(1, 9)),
            "memory of the guest": answer(lambda: open("/proc/1/mem", "rb")),
            "limits of the guest": answer(lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))),
            "raw socket": answer(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
            "user": answer(lambda: os.setuid(0)),
        },
    }
"""
PLUGIN = f"""
import pluggy
{LOOK}
@pluggy.HookimplMarker("harness")
def unlearn(model):
    print("LOOK", json.dumps(look(), sort_keys=True))
"""


@pytest.fixture
def here(tmp_path: Path) -> Program:
    """Return the program, with a task in its folder."""
    (tmp_path / "tiny.yaml").write_text(TASK)
    return Program({**os.environ, "COLUMNS": "100"}, tmp_path)


@pytest.fixture(autouse=True)
def no_shell_left(engine: Engine, guest: GuestImage) -> Iterator[None]:
    before = {state.name for state in _shells(engine)}
    yield
    left = [state.name for state in _shells(engine) if orphaned(state.labels)]  # others may be open elsewhere
    assert set(left) - before == set()


def _shells(engine: Engine) -> list[ContainerState]:
    return [state for state in engine.containers({RUN: None}) if state.labels[RUN].startswith("shell-")]


def _shell(program: Program, code: str, *more: str | Path, plugin: str = "noise") -> Ended:
    arguments = ("--task", program.folder / "tiny.yaml", "--runner", "docker", "--untrained", *more)
    return program("shell", plugin, *arguments, "-c", code)


def _open(program: Program, *more: str) -> OnTerminal:
    arguments = ("shell", "noise", "--task", program.folder / "tiny.yaml", "--runner", "docker", "--untrained", *more)
    return OnTerminal(*arguments, environment=program.environment, folder=program.folder)


def test_a_shell_sees_the_walls_that_a_run_sees(here: Program, plugin: Callable[..., str], engine: Engine) -> None:
    spec = plugin(PLUGIN)
    limits = ("--memory", "2048", "--cpus", "1")
    run = ("run", "--runner", "docker", "--plugin", spec, "--task", here.folder / "tiny.yaml", "--models", "1")
    ran = here(*run, *limits, "--time-limit", "60", "--evaluator", "accuracy", "--output", here.folder / "r")
    assert ran.code == 0, ran.err
    logged = here("logs", here.folder / "r", "--model", "0").out
    in_run = json.loads(logged[logged.index("LOOK") + 5 :].splitlines()[0])

    ended = _shell(here, f"{LOOK}\nprint(json.dumps(look(), sort_keys=True))", *limits, plugin=spec)

    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == in_run
    assert in_run["ids"] == [10001, 10001, 10001, [10001]]
    assert in_run["interfaces"] == ["lo"]
    assert in_run["tries"] == {
        "internet": "OSError101",
        "root": "OSError30",
        "plugin": "OSError30",
        "guest": "None",  # no error, and no effect: nobody inside can kill the first process
        "memory of the guest": "PermissionError13",
        "limits of the guest": "PermissionError1",
        "raw socket": "OSError97",
        "user": "PermissionError1",
    }


def test_its_container_is_made_as_a_runs_is(here: Program, engine: Engine, bench: Bench) -> None:
    runner, _ = bench.runner("noise", Limits(memory_mib=2048, cpus=1.0))
    handle = runner.start(bench.setup())
    (in_run,) = engine.containers({RUN: RUN_ID})
    handle.close()
    with _open(here, "--memory", "2048", "--cpus", "1") as terminal:
        terminal.until(">>> ")
        (in_shell,) = (state for state in _shells(engine) if state.labels[HOST_PID] == str(terminal.pid))
        terminal.type("exit()\n")
        assert terminal.end() == 0

    assert _without_files(in_shell.host_config) == _without_files(in_run.host_config)
    assert not in_run.host_config.get("Mounts")
    assert in_run.host_config["NetworkMode"] == "none"
    assert set(in_shell.labels) == set(in_run.labels)


def _without_files(config: Mapping[str, object]) -> dict[str, object]:
    """Return a container's configuration without the read-only files of a shell."""
    mounts = config.get("Mounts") or []
    assert isinstance(mounts, list)
    assert all(mount["ReadOnly"] for mount in mounts)
    return {**config, "Mounts": [mount for mount in mounts if not mount["Target"].startswith("/opt/shell/")]}


def test_a_prompt_in_a_container(here: Program) -> None:
    with _open(here) as terminal:
        for part in ("Runner docker", "no network", "retain (144)"):
            terminal.until(part)
        terminal.answer(">>> ", "import os; print(os.getuid(), os.isatty(0), os.ttyname(1))")
        terminal.until("10001 True /dev/pts/0")
        terminal.answer(">>> ", "import time; print('go' + 'ing'); time.sleep(1000)")
        terminal.until("going")
        terminal.type("\x03")
        terminal.until("KeyboardInterrupt")
        terminal.answer(">>> ", "exit(5)")

        assert terminal.end() == 5


def test_the_systems_shell_in_a_container_is_behind_the_same_filter(here: Program) -> None:
    code = "grep -E '^(Seccomp|NoNewPrivs|CapEff)' /proc/self/status; id -u; touch /x 2>&1; exit 6"
    ended = _shell(here, code, "--sh")
    python = _shell(here, "print(open('/proc/self/status').read())")

    assert ended.code == 6
    assert "Read-only file system" in ended.out
    filters = [line for line in python.out.splitlines() if line.startswith(("Seccomp", "NoNewPrivs", "CapEff"))]
    assert sorted(ended.out.splitlines()[: len(filters)]) == sorted(filters)
    assert "Seccomp:\t2" in filters


def test_want_of_memory_is_said(here: Program) -> None:
    code = "import subprocess, sys\nx = bytearray(2 << 30)"
    ended = _shell(here, code, "--memory", "512")

    assert ended.code == 128 + signal.SIGKILL
    assert "memory limit of 512 MiB was hit" in ended.err


def test_a_stopped_shell_leaves_no_container(here: Program) -> None:
    with _open(here) as terminal:
        terminal.until(">>> ")
        os.kill(terminal.pid, signal.SIGTERM)

        assert terminal.end() == 130


def test_a_closed_terminal_leaves_no_container(here: Program) -> None:
    with _open(here) as terminal:
        terminal.until(">>> ")
        terminal.close()
        terminal.end()


def test_what_a_killed_shell_leaves_is_reaped(here: Program, engine: Engine) -> None:
    with _open(here) as terminal:
        terminal.until(">>> ")
        os.kill(terminal.pid, signal.SIGKILL)
        assert terminal.end() == -signal.SIGKILL
    left = [state.name for state in _shells(engine) if state.labels[HOST_PID] == str(terminal.pid)]

    reaped = here("reap")

    assert reaped.code == 0
    assert all(name in reaped.out for name in left)
