"""The runner ``podman``: real guests through Podman's Docker-compatible API, of a service of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.progress import SilentProgress
from harness.doctor.attack_report import run_attacks
from harness.doctor.attacks.catalogue import ATTACKS
from harness.doctor.attacks.environment import prepared
from harness.doctor.runner_contract import contract_checks
from harness.runners.base import GuestSetup
from harness.runners.engine.client import Engine
from harness.runners.images.base import LOCAL_BASE
from harness.runners.registry import load_runner

pytestmark = [pytest.mark.docker, pytest.mark.slow]

CGROUP_2 = Path("/sys/fs/cgroup/cgroup.controllers")
START_S = 30
CONFIGURATION = '[engine]\nruntime = "runc"\n[containers]\n'
"""runc, because crun refuses machines that mount both versions of control groups."""


@pytest.fixture(scope="module")
def podman(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a service of Podman with the base image."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in ("podman", "runc")):
        pytest.skip("needs root, podman and runc: apt-get install --no-install-recommends podman runc")
    if engine.image(LOCAL_BASE) is None:
        pytest.skip(f"the Docker engine has no {LOCAL_BASE}")
    folder = tmp_path_factory.mktemp("podman")
    (folder / "containers.conf").write_text(CONFIGURATION)
    host, environment = f"unix://{folder}/sock", {**os.environ, "CONTAINERS_CONF": str(folder / "containers.conf")}
    with subprocess.Popen(["podman", "system", "service", "--time=0", host], env=environment) as service:
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CONTAINER_HOST", host)
                _until_it_answers(folder / "sock", service)
                if Engine.connect(host=host).image(LOCAL_BASE) is None:
                    _copy_base(host)
                yield host
        finally:
            service.terminate()


def _until_it_answers(sock: Path, service: subprocess.Popen[bytes]) -> None:
    command = ["podman", "--url", f"unix://{sock}", "version"]
    for _ in range(START_S):
        assert service.poll() is None
        if subprocess.run(command, capture_output=True, check=False, timeout=START_S).returncode == 0:
            return
    pytest.fail("Podman's service does not answer")


def _copy_base(host: str) -> None:
    with subprocess.Popen(["docker", "save", LOCAL_BASE], stdout=subprocess.PIPE) as saving:
        subprocess.run(["podman", "--url", host, "load"], stdin=saving.stdout, check=True, capture_output=True)


def test_podman_keeps_the_contract_of_runners(podman: str) -> None:
    checks = contract_checks(load_runner("podman"), SilentProgress())

    assert [(check.name, check.detail) for check in checks if check.status != "ok"] == [], podman


def test_podman_withstands_every_attack(podman: str) -> None:
    findings = run_attacks(load_runner("podman"), ATTACKS, SilentProgress())

    assert {finding.attack.name: (finding.faults, finding.skipped) for finding in findings if not finding.held} == {}, (
        podman
    )


@pytest.mark.skipif(not CGROUP_2.exists(), reason="this machine has no control groups of version 2")
@pytest.mark.parametrize("name", ["docker", "podman"])
def test_counters_and_limits_are_those_of_control_groups_of_version_2(name: str, podman: str) -> None:
    with prepared(load_runner(name), (), SilentProgress()) as environment:
        guest = environment.ready.start(GuestSetup(environment.run_id))
        try:
            assert environment.ready.facts.engine["cgroup"] == "2"
            assert (guest.oom_kills(), guest.refused_forks(), guest.processes()) == (0, 0, 1)
        finally:
            guest.close()
