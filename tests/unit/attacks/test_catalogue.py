"""The catalogue of attacks is sound, and its wheel is the same wherever it is made; no hostile module is imported here."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import PROMISES, Attack, Guard
from harness.doctor.attacks.catalogue import ATTACKS, read_attacks
from harness.doctor.attacks.environment import HONEST, LIMITS, LIMITS_PROBE
from harness.doctor.attacks.wheel import sources, write_wheel
from harness.runners.wheels.wheel import WheelFile
from tests.hostile.table import PAGE, render

TARGETS = [*(attack.target for attack in ATTACKS), HONEST, LIMITS_PROBE]
GUARDED_STATUSES = {Status.PIDS_LIMIT, Status.OOM, Status.OK_DEGRADED, Status.DISK_FULL}


HOOK_ARGUMENTS = {"model", "retain", "forget", "validation", "context"}


def named(module: str) -> dict[str, set[str]]:
    """Return a hostile module's top-level names -> arguments if it is a function, from its source."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(sources()[f"{module}.py"]).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = {argument.arg for argument in node.args.args}
        elif isinstance(node, ast.Assign):
            found.update((target.id, set()) for target in node.targets if isinstance(target, ast.Name))
    return found


def test_names_are_unique() -> None:
    names = [attack.name for attack in ATTACKS]

    assert sorted(set(names)) == sorted(names)


def test_every_promise_is_attacked() -> None:
    assert {attack.promise for attack in ATTACKS} == set(PROMISES)


@pytest.mark.parametrize("module", sorted({target.partition(":")[0] for target in TARGETS}))
def test_targets_stand_in_their_module_and_take_arguments_of_the_hook(module: str) -> None:
    there = named(module)
    wanted = [target.partition(":")[2] for target in TARGETS if target.startswith(f"{module}:")]

    assert [name for name in wanted if name not in there] == []
    assert [name for name in wanted if there[name] - HOOK_ARGUMENTS] == []


def test_what_attacks_try_fits_into_a_table() -> None:
    texts = [attack.tries for attack in ATTACKS]

    assert [text for text in texts if not text or text != text.strip() or text.endswith(".") or "|" in text] == []


def test_an_attack_is_what_its_mark_says_where_it_differs_from_the_mark_of_its_module() -> None:
    source = b"""
hostile = attack("timeout", promise=3, limit_s=1.0)

def _helper(): pass

def sleeps():
    'Sleep forever.'

@hostile("ok", "killed_signal", guard="pids", limit_s=30.0)
def forks():
    \'\'\'Fork.

    Twice.\'\'\'

mounts = hostile(refused("mount"), "Mount a file system.", "ok", promise=1)
"""
    sleeps = Attack("sleeps", "clock:sleeps", 3, "Sleep forever", (Status.TIMEOUT,), limit_s=1.0)
    forks = Attack("forks", "clock:forks", 3, "Fork", (Status.OK, Status.KILLED_SIGNAL), guard=Guard.PIDS)
    mounts = Attack("mounts", "clock:mounts", 1, "Mount a file system", (Status.OK,), limit_s=1.0)

    assert list(read_attacks("clock", source)) == [sleeps, forks, mounts]


def test_marks_leave_the_hooks_as_they_are() -> None:
    names: dict[str, Any] = {}
    exec(sources()["_marks.py"], names)  # noqa: S102  (the one module that attacks nothing)
    hostile = names["attack"]("ok", promise=1)

    def hook() -> None: ...

    assert hostile("timeout", limit_s=1.0)(hook) is hostile(hook, "Do it.", "timeout") is hook


def test_an_attack_that_uses_up_a_limit_waits_until_the_limit_is_seen() -> None:
    unguarded = [
        attack.name
        for attack in ATTACKS
        if attack.guard is None
        and GUARDED_STATUSES & set(attack.expected)
        and attack.target.startswith(("resources:", "floods:"))
    ]

    assert unguarded == []


def test_every_module_of_attacks_is_shipped_and_read_as_data() -> None:
    assert {target.partition(":")[0] + ".py" for target in TARGETS} <= set(sources())
    assert [name for name in sys.modules if name.startswith("harness_attacks")] == []


def test_the_wheel_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    assert write_wheel(tmp_path / "a", TARGETS).read_bytes() == write_wheel(tmp_path / "b", TARGETS).read_bytes()


def test_the_wheel_is_a_sound_one_with_one_unlearner(tmp_path: Path) -> None:
    wheel = WheelFile.read(write_wheel(tmp_path, TARGETS))

    assert wheel.entry_points == {"attacks": "harness_attacks"}
    assert set(wheel.files()) >= {f"harness_attacks/{name}" for name in sources()}


def test_the_wheel_says_which_seed_means_which_target(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, ["clock:sleeps", HONEST])
    WheelFile.read(wheel).unpack(tmp_path)
    tree = ast.parse((tmp_path / "harness_attacks" / "_targets.py").read_text())
    assignment = tree.body[0]

    assert isinstance(assignment, ast.Assign)
    assert ast.literal_eval(assignment.value) == ("clock:sleeps", HONEST)


def test_the_documented_table_has_every_attack_with_its_statuses() -> None:
    assert render({attack.name: attack.expected for attack in ATTACKS}) == PAGE.read_text()


def test_the_limits_under_attack_are_all_set() -> None:
    assert None not in vars(LIMITS).values()
