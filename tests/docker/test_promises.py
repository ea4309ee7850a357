"""What the sandbox promises, as seen from inside by a plugin that looks around."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from harness.core.outcomes import Status
from tests.docker.conftest import SMALL, Bench, make_wheel

pytestmark = pytest.mark.docker

LOOK_AROUND = r"""
@hookimpl
def unlearn(model, retain, forget, validation, context):
    import json, os, pathlib, resource, socket, sys
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)

    def refusal(action):
        try:
            action()
        except OSError as error:
            return type(error).__name__
        return "done"

    def size_mib(path):
        found = os.statvfs(path)
        return found.f_blocks * found.f_frsize >> 20

    print(json.dumps({
        "uids": sorted(set(os.getresuid() + os.getresgid())),
        "groups": os.getgroups(),
        "capabilities": sorted({int(status[key], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")}),
        "no_new_privs": status["NoNewPrivs"].strip(),
        "seccomp": status["Seccomp"].strip(),
        "write": {place: refusal(lambda: open(place + "/x", "w")) for place in
                  ("/", "/opt/plugin", "/opt/harness", "/etc", "/var/tmp", "/tmp", "/dev/shm")},
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
        "connect": refusal(lambda: socket.create_connection(("192.0.2.1", 80), timeout=5)),
        "names": sorted(os.environ),
        "nvidia": os.environ.get("NVIDIA_VISIBLE_DEVICES"),
        "path": sys.path,
        "socket": os.path.exists("/var/run/docker.sock") or os.path.exists("/run/docker.sock"),
        "mounts": sorted(line.split()[4] for line in open("/proc/self/mountinfo") if line.split(" - ")[1].split()[0]
                         not in ("overlay", "proc", "tmpfs", "devpts", "sysfs", "cgroup", "cgroup2", "mqueue")),
        "tmp_mib": size_mib("/tmp"),
        "shm_mib": size_mib("/dev/shm"),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "host": socket.gethostname(),
        "modules": sorted(name for name in sys.modules if name.split(".")[0] == "harness"),
        "splits": [len(retain), len(forget), len(validation)],
    }))
"""


@pytest.fixture(scope="module")
def seen(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the plugin observed."""
    wheel = make_wheel(tmp_path_factory.mktemp("look"), LOOK_AROUND, name="look")
    outcome, _, _ = bench.unlearn(str(wheel))
    assert outcome.status is Status.OK, outcome
    found: dict[str, Any] = json.loads(outcome.log.head)
    return found


def test_it_is_not_root(seen: dict[str, Any]) -> None:
    assert seen["uids"] == [10001]
    assert set(seen["groups"]) <= {10001}


def test_it_has_no_capability_and_can_get_none(seen: dict[str, Any]) -> None:
    assert seen["capabilities"] == [0]
    assert seen["no_new_privs"] == "1"


def test_system_calls_are_filtered(seen: dict[str, Any]) -> None:
    assert seen["seccomp"] == "2"


@pytest.mark.parametrize("place", ["/", "/opt/plugin", "/opt/harness", "/etc", "/var/tmp"])
def test_it_cannot_write_to(seen: dict[str, Any], place: str) -> None:
    assert seen["write"][place] in {"OSError", "PermissionError"}


@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_it_can_write_to(seen: dict[str, Any], place: str) -> None:
    assert seen["write"][place] == "done"


def test_it_has_no_network(seen: dict[str, Any]) -> None:
    assert seen["interfaces"] == ["lo"]
    assert seen["connect"] != "done"


def test_its_environment_holds_named_variables_alone(seen: dict[str, Any]) -> None:
    allowed = {
        *(
            "PATH",
            "HOSTNAME",
            "HOME",
            "USER",
            "LOGNAME",
            "LANG",
            "LC_CTYPE",
            "TZ",
            "TORCH_DEVICE_BACKEND_AUTOLOAD",
            "TMPDIR",
            "XDG_CACHE_HOME",
            "MPLCONFIGDIR",
        ),
        *(
            "TORCHINDUCTOR_CACHE_DIR",
            "TRITON_CACHE_DIR",
            "NVIDIA_VISIBLE_DEVICES",
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
        ),
        *("OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "PYTHONHASHSEED", "PYTHONSAFEPATH", "PYTHONNOUSERSITE"),
        *("PYTHONDONTWRITEBYTECODE", "KMP_DUPLICATE_LIB_OK", "OMP_WAIT_POLICY"),
    }
    assert set(seen["names"]) <= allowed


def test_a_cpu_job_asks_for_no_gpu(seen: dict[str, Any]) -> None:
    assert seen["nvidia"] == "void"


def test_the_plugin_folder_stands_behind_every_other(seen: dict[str, Any]) -> None:
    assert seen["path"][-1] == "/opt/plugin"
    assert any(entry.endswith("site-packages") for entry in seen["path"][:-1])
    assert not {"", "/tmp"} & set(seen["path"])


def test_there_is_no_engine_socket(seen: dict[str, Any]) -> None:
    assert seen["socket"] is False


def test_nothing_is_mounted_from_the_host(seen: dict[str, Any]) -> None:
    engine_files = {"/etc/resolv.conf", "/etc/hostname", "/etc/hosts"}
    assert set(seen["mounts"]) - engine_files == set()


def test_the_limits_are_in_force(seen: dict[str, Any]) -> None:
    assert seen["tmp_mib"] == SMALL.tmpfs_mib
    assert seen["shm_mib"] == SMALL.shm_mib
    assert seen["core"] == [0, 0]


def test_the_host_does_not_show(seen: dict[str, Any]) -> None:
    assert seen["host"] == "sandbox" != os.uname().nodename
    assert seen["modules"] == []


def test_it_sees_three_splits(seen: dict[str, Any]) -> None:
    assert seen["splits"] == [32, 32, 32]
