"""Whether a container is anybody's goes by its process, not by the wall clock."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.runners.engine.owners import Owner
from harness.runners.engine.reaper import DEADLINE, HOST_BOOT, HOST_PID, HOST_PIDNS, HOST_START, orphaned, owner_labels

PAST, FUTURE = "1", "99999999999"


def test_this_process_lives_and_a_dead_one_does_not() -> None:
    told = [sys.executable, "-c", "from harness.runners.engine.owners import Owner; print(Owner.current())"]
    dead = eval(subprocess.run(told, capture_output=True, text=True, check=True).stdout, {"Owner": Owner})  # noqa: S307

    assert Owner.current().lives() is True
    assert dead.lives() is False


def test_a_process_that_began_at_another_time_is_another() -> None:
    assert replace(Owner.current(), start="1").lives() is False


@pytest.mark.parametrize("field", ["boot", "pid_namespace"])
def test_a_process_of_another_boot_or_namespace_cannot_be_seen(field: str) -> None:
    assert replace(Owner.current(), **{field: "another"}).lives() is None


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({DEADLINE: PAST}, False),
        ({DEADLINE: "not a number"}, False),
        ({DEADLINE: FUTURE, HOST_START: "1"}, True),
        ({DEADLINE: FUTURE, HOST_PID: "no number"}, True),
        ({DEADLINE: FUTURE, HOST_BOOT: "another"}, False),
        ({DEADLINE: PAST, HOST_BOOT: "another"}, True),
        ({DEADLINE: PAST, HOST_PIDNS: "pid:[1]"}, True),
        ({DEADLINE: "", HOST_BOOT: ""}, True),
    ],
)
def test_the_deadline_decides_only_where_the_process_cannot_be_seen(labels: Mapping[str, str], wanted: bool) -> None:
    assert orphaned({**owner_labels("run", 600), **labels}) is wanted
