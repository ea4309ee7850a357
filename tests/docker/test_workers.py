"""Several containers at once: the same numbers, cores of their own, and none left behind."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.hardware import usable_cores
from harness.core.outcomes import Status
from harness.runners.base import GuestSetup
from harness.runners.cores import CoreSet
from harness.runners.engine.client import Engine
from harness.runners.engine.reaper import RUN
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest
from reference_models.networks.architectures import build_model
from tests.docker.conftest import RUN_ID, SPEC, Bench, hello_to
from tests.program import Program, make_wheel, numbers_of, until

pytestmark = pytest.mark.docker
OWN, OTHER = usable_cores()[0], usable_cores()[-1]
two_cores = pytest.mark.skipif(OWN == OTHER, reason="needs two cores")
WARMING = f"{RUN_ID}-warming"

SAYING = """
import os, time
@hookimpl
def unlearn(model):
    print(sorted(os.sched_getaffinity(0)))
"""
ENDLESS = 'import pluggy, time\n@pluggy.HookimplMarker("harness")\ndef unlearn(model):\n    while True:\n        time.sleep(1)\n'


def _containers(engine: Engine, run: Path | str) -> list[str]:
    """Of one run, for others may be going on."""
    run_id = run if isinstance(run, str) else json.loads((run / "run.json").read_text())["run_id"]
    return [state.id for state in engine.containers({RUN: run_id})]


@two_cores
def test_containers_warm_up_on_the_spare_core_and_are_measured_on_their_own(
    bench: Bench, engine: Engine, plugin: object, tmp_path: Path
) -> None:
    runner, bundle = bench.runner(plugin(SAYING))  # type: ignore[operator]
    original = {name: tensor.numpy() for name, tensor in build_model(SPEC, 0).state_dict().items()}
    hello = hello_to(runner, bundle)
    core_set, left, cpusets = CoreSet((OWN,), (OTHER,), ahead=1), [3], []
    setup: GuestSetup = replace(bench.setup(), run_id=WARMING, cores=core_set.waiting)
    session = Session(
        lambda: runner.start(setup), hello, data=bench.data_file, manifest=Manifest.of(original), isolation="model",
        core_set=core_set, due=lambda: left[0],
    )  # fmt: skip
    with session:
        for index in range(3):
            left[0] -= 1
            outcome, _ = session.unlearn(index, 1, original, 60.0)
            assert (outcome.status, outcome.log.head.strip()) == (Status.OK, f"[{OWN}]"), outcome
            assert outcome.evidence.notes == ()  # being moved is no change that a plugin made
            cpusets += [state.host_config["CpusetCpus"] for state in engine.containers({RUN: WARMING})]
        spans = session.spans

    assert cpusets == [str(OTHER)] * 2  # after the first and the second model one waits for the next
    assert sorted(span.kind for span in spans) == ["measured"] * 3 + ["warming"] * 3
    assert not any(one.disturbs(other) for one in spans for other in spans)
    assert _containers(engine, WARMING) == []


@pytest.mark.slow
@two_cores
def test_the_numbers_depend_neither_on_the_workers_nor_on_the_isolation(
    program: Program, engine: Engine, task: Path, tmp_path: Path
) -> None:
    common = ("--plugin", "noise", "--task", task, "--runner", "docker", "--time-limit", "250", "--memory", "2048")
    for name, options in {"one": (), "two": ("--workers", "2"), "each": ("--isolation", "model")}.items():
        ended = program(
            "run", *common, "--cpus", "1", *options, "--evaluator", "lira", "--evaluator", "accuracy",
            "--output", tmp_path / name,
        )  # fmt: skip
        assert ended.code == 0, ended.err

    assert numbers_of(tmp_path / "one") == numbers_of(tmp_path / "two") == numbers_of(tmp_path / "each")
    assert [_containers(engine, tmp_path / name) for name in ("one", "two", "each")] == [[], [], []]


@two_cores
@pytest.mark.parametrize(
    "options",
    [
        ("--workers", "2", "--cpus", "1"),
        ("--isolation", "model", "--cpus", "1"),
        pytest.param(("--isolation", "model"), marks=pytest.mark.slow),
    ],
    ids=["two workers", "warming beside", "warming between"],
)
def test_a_stopped_run_leaves_no_container_that_waited_for_a_model(
    program: Program, engine: Engine, task: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    process = program.fork(
        "run", "--plugin", make_wheel(tmp_path, ENDLESS), "--task", task, "--runner", "docker", "--time-limit", "250",
        "--memory", "2048", *options, "--output", tmp_path / "r",
    )  # fmt: skip
    begun = tmp_path / "r" / "models" / "0000" / "attempts.json"
    until(process, lambda: begun.exists() and len(_containers(engine, tmp_path / "r")) >= 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 130, err
    assert f"harness resume {tmp_path / 'r'}" in err
    assert _containers(engine, tmp_path / "r") == []
