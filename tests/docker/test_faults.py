"""Containers and engines that die under a run, and what is left of runs that died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.root import cli
from harness.runners.engine.client import Engine
from harness.runners.engine.reaper import HOST_PID, HOST_START, RUN, owner_labels
from harness.runners.engine.types import ContainerSpec, ContainerState, silent
from harness.runners.images.base import resolve_base
from harness.runners.images.listing import GuestImage, list_images
from tests.docker.private_engine import PrivateEngine, possible
from tests.program import TASK, Program, make_wheel, numbers_of, report_of, until

pytestmark = pytest.mark.docker
MODELS = 3
SLOW = """
import time
import pluggy, torch
@pluggy.HookimplMarker("harness")
def unlearn(model):
    time.sleep(1.5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
"""


@pytest.fixture
def order(tmp_path: Path) -> tuple[str | Path, ...]:
    """Return the arguments of ``harness run`` except ``--output``."""
    (tmp_path / "tiny.yaml").write_text(TASK)
    return (
        *("run", "--runner", "docker", "--models", str(MODELS), "--time-limit", "60", "--cpus", "1"),
        *("--plugin", make_wheel(tmp_path, SLOW), "--task", tmp_path / "tiny.yaml", "--evaluator", "lira"),
    )


@contextmanager
def _in_second_model(program: Program, order: tuple[str | Path, ...], run: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a run, and yield once its second model has begun."""
    with program.start(*order, "--output", run) as process:
        try:
            until(process, (run / "models" / "0001" / "attempts.json").exists)
            yield process
        finally:
            process.kill()


def _containers(engine: Engine, run: Path) -> list[ContainerState]:
    """Those of one run."""
    return engine.containers({RUN: json.loads((run / "run.json").read_text())["run_id"]})


def _kill_init(engine: Engine, container: ContainerState) -> None:
    assert container.pid
    os.kill(container.pid, signal.SIGKILL)


def _docker_kill(engine: Engine, container: ContainerState) -> None:
    engine.kill(container.id)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [_docker_kill, _kill_init])
def test_a_guest_killed_from_outside_is_replaced_and_its_model_done_again(
    program: Program,
    engine: Engine,
    order: tuple[str | Path, ...],
    tmp_path: Path,
    kill: Callable[[Engine, ContainerState], None],
) -> None:
    if kill is _kill_init and os.geteuid() != 0:
        pytest.skip("a container's process can only be killed by root")
    undisturbed = program(*order, "--output", tmp_path / "u")
    assert undisturbed.code == 0, undisturbed.err
    with _in_second_model(program, order, tmp_path / "r") as process:
        (container,) = _containers(engine, tmp_path / "r")
        kill(engine, container)
        _, complaints = process.communicate(timeout=250)

    assert process.returncode == 0, complaints
    models = report_of(tmp_path / "r")["models"]
    assert [(model["status"], model["attempts"]) for model in models] == [("ok", 1), ("ok", 2), ("ok", 1)]
    assert models[1]["earlier_attempts"][0].startswith("infra_error ")
    assert numbers_of(tmp_path / "r") == numbers_of(tmp_path / "u")
    assert _containers(engine, tmp_path / "r") == []


@pytest.fixture
def mortal(engine: Engine, guest: GuestImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    """Start a private engine with our images."""
    mortal = PrivateEngine(tmp_path_factory.mktemp("engine"))
    try:
        mortal.start()
        base, _ = resolve_base(engine, None, silent)
        mortal.load([base, guest.tag, *(image.tag for image in list_images(engine) if image.kind == "torch")])
        yield mortal
    finally:
        mortal.end()


@pytest.mark.slow
@pytest.mark.skipif(not possible(), reason="needs root and dockerd")
def test_an_engine_killed_in_mid_run_ends_the_run_which_goes_on_when_the_engine_is_back(
    program: Program, mortal: PrivateEngine, order: tuple[str | Path, ...], tmp_path: Path
) -> None:
    inside = replace(program, environment={**program.environment, "DOCKER_HOST": mortal.host})
    undisturbed = inside(*order, "--output", tmp_path / "u")
    assert undisturbed.code == 0, undisturbed.err

    run = tmp_path / "r"
    with _in_second_model(inside, order, run) as process:
        mortal.kill()
        _, complaints = process.communicate(timeout=250)
    assert process.returncode == 32, complaints
    assert f"harness resume {run}" in complaints

    mortal.start()
    resumed = inside("resume", run)
    assert resumed.code == 0, resumed.err
    assert numbers_of(run) == numbers_of(tmp_path / "u")
    assert [model["attempts"] for model in report_of(run)["models"]] == [1, 2, 1]
    assert mortal.docker("ps", "--all", "--quiet") == ""


def test_the_containers_of_dead_runs_are_removed_and_those_of_living_ones_are_not(
    engine: Engine, guest: GuestImage
) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    alive = owner_labels("alive", 600)
    labels = {"alive": alive, "dead": {**alive, RUN: "dead", HOST_PID: str(dead.pid), HOST_START: "1"}}
    names = {run: f"harness-test-{run}-{os.getpid()}" for run in labels}
    for run in labels:
        engine.create(ContainerSpec(image=guest.id, name=names[run], labels=labels[run], environment={}))

    try:
        would = CliRunner().invoke(cli, ["reap", "--dry-run"])
        there = {state.name for state in engine.containers({RUN: None})}
        does = CliRunner().invoke(cli, ["reap"])
        left = {state.name for state in engine.containers({RUN: None})}
    finally:
        for name in names.values():
            engine.remove(name)

    assert f"Would remove: container {names['dead']}\n" in would.output
    assert f"Removed: container {names['dead']}\n" in does.output
    assert names["alive"] not in would.output + does.output
    assert (names["dead"] in there, names["dead"] in left, names["alive"] in left) == (True, False, True)
