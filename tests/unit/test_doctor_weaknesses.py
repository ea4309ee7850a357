from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.doctor.docker import installed_toolkit
from harness.doctor.weaknesses import RUNC_FLAWS, TOOLKIT_FLAWS, version_in, weaknesses
from harness.runners.engine.answers import engine_info
from harness.runners.engine.types import EngineInfo

GOOD = EngineInfo(
    version="28.5.1",
    api="1.51",
    cgroup_version="2",
    runtimes=("runc",),
    security_options=("apparmor", "seccomp", "rootless"),
    components={"Engine": "28.5.1", "containerd": "v1.7.28", "runc": "1.3.3"},
    default_runtime="runc",
    seccomp_profile="builtin",
)
ROOT = ("apparmor", "seccomp")
PODMAN = {
    "Podman Engine": "4.3.1",
    "OCI Runtime (runc)": "runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1\nspec: 1.0.2-dev",
}


def told(**change: object) -> dict[str, tuple[str, str]]:
    """Name -> status and detail of what is told of a good engine with these changes."""
    return {check.name: (check.status, check.detail) for check in weaknesses(replace(GOOD, **change))}  # type: ignore[arg-type]


def test_a_good_engine_has_strengths_alone() -> None:
    assert {status for status, _ in told().values()} == {"ok"}


@pytest.mark.parametrize(
    ("change", "name", "status", "words"),
    [
        ({"cgroup_version": "1", "security_options": ROOT}, "Docker cgroups", "warn", "swap"),
        ({"cgroup_version": "1"}, "Docker limits", "fail", "not enforced"),
        ({"missing_limits": ("swap",)}, "Docker limits", "warn", "cannot limit swap"),
        ({"missing_limits": ("memory", "processes")}, "Docker limits", "fail", "memory, processes"),
        ({"security_options": ROOT}, "Docker rights", "warn", "as root"),
        ({"security_options": (*ROOT, "userns")}, "Docker rights", "ok", "remapped"),
        ({"security_options": ("apparmor",)}, "Docker seccomp", "warn", "every system call"),
        ({"seccomp_profile": "unconfined"}, "Docker seccomp", "warn", "every system call"),
        ({"version": "24.0.9"}, "Docker seccomp", "warn", "io_uring"),
        ({"version": "20.10.24+dfsg1"}, "Docker seccomp", "warn", "io_uring"),
        ({"components": PODMAN, "version": "4.3.1"}, "Docker seccomp", "warn", "user namespaces"),
        ({"security_options": ("seccomp", "rootless")}, "Docker confinement", "warn", "AppArmor"),
        ({"components": PODMAN}, "runc", "warn", "CVE-2024-21626"),
        ({"nvidia_toolkit": "cli-version: 1.16.1\nlib-version: 1.16.1"}, "NVIDIA toolkit", "warn", "CVE-2024-0132"),
        ({"nvidia_toolkit": "NVIDIA Container Toolkit CLI version 1.17.8"}, "NVIDIA toolkit", "ok", "1.17.8"),
        ({"default_runtime": "runsc"}, "Docker runtime", "ok", "gVisor"),
        ({"runtimes": ("io.containerd.kata.v2", "runc")}, "Docker runtime", "ok", "virtual machine"),
    ],
)
def test_what_is_told(change: dict[str, object], name: str, status: str, words: str) -> None:
    found = told(**change)[name]

    assert found[0] == status
    assert words in found[1]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"security_options": ("selinux", "seccomp", "rootless")}, "Docker confinement"),
        ({"version": "25.0.0"}, "Docker seccomp"),
        ({"version": "24.0.9", "seccomp_profile": "/etc/docker/strict.json"}, "Docker seccomp"),
        ({"version": "", "components": {}}, "runc"),
        ({"nvidia_toolkit": ""}, "NVIDIA toolkit"),
        ({"components": PODMAN, "runtimes": ("kata", "runc", "runsc")}, "Docker runtime"),
    ],
)
def test_what_is_not_told(change: dict[str, object], name: str) -> None:
    assert name not in told(**change)


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("1.0-rc6", ["CVE-2019-5736", "CVE-2024-21626", "CVE-2025-31133"]),
        ("1.0.0~rc93+ds1", ["CVE-2024-21626", "CVE-2025-31133"]),
        ("1.1.11", ["CVE-2024-21626", "CVE-2025-31133"]),
        ("1.1.12", ["CVE-2025-31133"]),
        ("1.2.7", ["CVE-2025-31133"]),
        ("1.2.8", []),
        ("1.3.2", ["CVE-2025-31133"]),
        ("1.3.3-0ubuntu1~24.04.2", []),
        ("1.4.0-rc.2", ["CVE-2025-31133"]),
        ("1.4.0-rc.3", []),
        ("v1.5.0-rc.1", []),
    ],
)
def test_a_runc_is_judged_by_the_fix_of_its_own_release_line(version: str, known: list[str]) -> None:
    number = version_in(version)
    assert number is not None

    assert [flaw.name.split(",")[0] for flaw in RUNC_FLAWS if flaw.affects(number)] == known


@pytest.mark.parametrize(
    ("version", "count"), [("1.16.1", 3), ("1.16.2", 2), ("1.17.3", 2), ("1.17.4", 1), ("1.17.7", 1), ("1.18.0", 0)]
)
def test_a_toolkit_is_judged_by_its_number(version: str, count: int) -> None:
    number = version_in(version)
    assert number is not None

    assert sum(flaw.affects(number) for flaw in TOOLKIT_FLAWS) == count


def test_a_version_is_never_more_than_a_warning_and_points_to_the_distribution() -> None:
    checks = [check for check in weaknesses(replace(GOOD, components={"runc": "1.0-rc6"})) if check.name == "runc"]

    assert [check.status for check in checks] == ["warn"]
    assert "distribution" in checks[0].advice


def test_everything_that_is_not_ok_says_what_to_do() -> None:
    worst = EngineInfo(
        "19.03", "1.40", "1", components={"runc": "1.0-rc6"}, nvidia_toolkit="1.0", missing_limits=("CPU",)
    )
    checks = list(weaknesses(worst))

    assert len(checks) > 5
    assert [check.name for check in checks if check.status != "ok" and not check.advice] == []


def test_the_engines_answers_hold_the_facts() -> None:
    said = {
        "SecurityOptions": ["name=apparmor", "name=seccomp,profile=unconfined", "name=userns"],
        "DefaultRuntime": "runsc",
        "MemoryLimit": True,
        "SwapLimit": False,
    }
    info = engine_info(said, "1.41", {"Components": [{"Name": "runc", "Version": "1.1.5+ds1"}]})

    assert info.security_options == ("apparmor", "seccomp", "userns")
    assert (info.seccomp_profile, info.default_runtime, info.missing_limits) == ("unconfined", "runsc", ("swap",))
    assert info.components == {"runc": "1.1.5+ds1"}
    assert info.remaps_users
    assert not info.podman


def test_an_old_engine_that_says_little_is_read_too() -> None:
    info = engine_info({"SecurityOptions": ["seccomp"]}, "1.24")

    assert (info.security_options, info.components, info.missing_limits) == (("seccomp",), {}, ())


def test_the_toolkits_version_is_asked_of_its_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed_toolkit() == ""

    program = tmp_path / "nvidia-container-cli"
    program.write_text("#!/bin/sh\necho cli-version: 1.17.3\n")
    program.chmod(0o755)

    assert version_in(installed_toolkit()) == version_in("1.17.3")


def test_rootless_podman_is_recognised_by_its_own_key_and_fails_on_control_groups_of_version_1() -> None:
    said = {
        "SecurityOptions": ["name=seccomp,profile=default"],
        "Rootless": True,
        "CgroupVersion": "1",
        "PidsLimit": True,
    }

    info = engine_info(said, "1.41")

    assert info.rootless
    assert [check.status for check in weaknesses(info) if check.name == "Docker limits"] == ["fail"]


def test_crun_fails_where_both_versions_of_control_groups_are_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = replace(GOOD, components=PODMAN, default_runtime="crun", cgroup_version="1", security_options=("seccomp",))
    found = {}
    for hybrid in (tmp_path, tmp_path / "absent"):
        monkeypatch.setattr("harness.doctor.weaknesses.HYBRID", hybrid)
        found[hybrid] = [check.status for check in weaknesses(info) if check.name == "Docker runtime"]

    assert found == {tmp_path: ["fail"], tmp_path / "absent": []}
