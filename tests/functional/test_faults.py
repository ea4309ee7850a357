"""Damaged caches, rivals, a sandbox that failed: a run ends with the very numbers of an undisturbed one."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from harness_guest.linux import parents
from tests.functional.ground import Ground
from tests.functional.killing import TRIAL_TASK, leftovers
from tests.program import Program, numbers_of, report_of, until


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x01
    file.write_bytes(content)


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def test_a_model_whose_sandbox_failed_is_done_again_within_the_limit_of_its_run(ground: Ground) -> None:
    run = ground.folder / "failed"
    shutil.copytree(ground.undisturbed, run)
    one = run / "models" / "0001"
    outcome = json.loads((one / "outcome.json").read_text())
    (one / "outcome.json").write_text(json.dumps({**outcome, "status": "infra_error"}))
    (one / "logits.safetensors").unlink()
    begun = json.loads((run / "run.json").read_text())
    begun["limit"]["limit_s"] = 123.0  # another than would be found now
    (run / "run.json").write_text(json.dumps(begun))
    others = {file: file.stat().st_mtime_ns for file in run.glob("models/*/outcome.json") if file.parent != one}

    ended = ground.program("resume", run)

    assert ended.code == 0, ended.err
    report = report_of(run)
    assert numbers_of(run) == ground.numbers
    assert [model["attempts"] for model in report["models"]] == [1, 2, 1, 1]
    assert report["models"][1]["earlier_attempts"][0].startswith("infra_error after ")
    assert report["budget"]["limit_s"] == 123.0
    assert {file: file.stat().st_mtime_ns for file in others} == others


# Says that it has begun, and goes on in its second model until it is killed.
WAITS_ONCE = """
import pathlib, time
import pluggy
CALLS = pathlib.Path({calls!r})
@pluggy.HookimplMarker("harness")
def unlearn(model):
    with CALLS.open("a") as file:
        file.write("x")
    while CALLS.stat().st_size == 2:
        time.sleep(0.01)
"""


@pytest.mark.slow
def test_a_guest_process_killed_in_mid_run_costs_its_model_alone(
    program: Program, wheel: Callable[[str], Path], task: Path, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    calls.touch()
    process = program.start(
        *("run", "--runner", "process", "--cpus", "1", "--time-limit", "250", "--task", task),
        *("--plugin", wheel(WAITS_ONCE.format(calls=str(calls))), "--output", tmp_path / "r"),
    )
    until(process, lambda: calls.stat().st_size >= 2)
    with calls.open("a") as file:
        (guest,) = (pid for pid, parent in parents().items() if parent == process.pid)
        os.kill(guest, signal.SIGKILL)
        file.write("x")
    _, complaints = process.communicate()

    assert process.returncode == 0, complaints
    statuses = [model["status"] for model in report_of(tmp_path / "r")["models"]]
    assert statuses == ["ok", "killed_signal", "ok", "ok"]
    assert leftovers(program, tmp_path / "r") == []


@pytest.mark.slow
@pytest.mark.parametrize("damage", [_flip, _truncate, Path.unlink])
def test_damaged_cache_entries_are_made_anew_with_a_notice(ground: Ground, damage: Callable[[Path], None]) -> None:
    cache = ground.folder / "cache"
    shutil.copytree(ground.program.environment["HARNESS_CACHE_DIR"], cache)
    program = ground.elsewhere("damaged", cache)
    kinds = {"references": "logits.safetensors", "budgets": "retraining.json", "inputs": "data.safetensors"}
    kinds |= {"datasets": "data.safetensors", "bundles": "*.whl", "plugins": "stranger_method.py"}
    damaged = [file for kind, name in kinds.items() for file in (cache / kind).rglob(name)]
    assert {file.relative_to(cache).parts[0] for file in damaged} == set(kinds)
    for file in damaged:
        damage(file)
    ended = program("run", *ground.order, "--output", program.folder / "r")

    assert ended.code == 0, ended.err
    assert numbers_of(program.folder / "r") == ground.numbers
    assert [kind for kind in kinds if f"cache entry {kind}/" not in ended.err] == []
    again = program("run", *ground.order, "--output", program.folder / "again")
    assert "damaged" not in again.err
    shutil.rmtree(cache)
    shutil.rmtree(program.folder)


@pytest.mark.slow
def test_two_runs_that_begin_at_once_on_an_empty_cache_train_every_population_once(
    new_ground: Callable[[str], Ground],
) -> None:
    ground = new_ground(TRIAL_TASK)
    cache = ground.folder / "cache"
    programs = [ground.elsewhere(name, cache) for name in ("left", "right")]
    processes = [one.start("run", *ground.order, "--output", one.folder / "r") for one in programs]
    builds: set[Path] = set()
    while any(process.poll() is None for process in processes):
        builds.update((cache / "references").glob("??/.*-*"))
    complaints = [process.communicate()[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], complaints
    for program in programs:
        assert numbers_of(program.folder / "r") == ground.numbers
        assert leftovers(program, program.folder / "r") == []
    entries = list((cache / "references").glob("??/*/entry.json"))
    assert len(builds) == len(entries) > 3
