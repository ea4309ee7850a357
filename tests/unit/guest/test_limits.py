"""The clock, and what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.outcomes import Status
from harness.runners.process_handle import MARK_VARIABLE
from tests.unit.guest.lab import TAIL_BYTES, Lab

LIMIT_S = 0.5


def survivors(mark: str) -> list[int]:
    """Return the processes with ``mark`` in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(600)",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    pass",
        "os.setsid() if os.getpid() != os.getsid(0) else None\nos.closerange(3, 200)\ntime.sleep(600)",
    ],
    ids=["sleeps", "ignores SIGTERM", "closes its pipes"],
)
def test_a_model_over_the_limit_is_timed_out_in_the_warm_guest(lab: Lab, body: str) -> None:
    outcome, state = lab.body(body, limit_s=LIMIT_S)

    assert outcome.status is Status.TIMEOUT
    assert state is None
    assert outcome.charged_s is not None
    assert outcome.charged_s >= LIMIT_S


def test_a_flood_of_output_neither_delays_the_deadline_nor_grows_the_log(lab: Lab) -> None:
    outcome, _ = lab.body("while True:\n    os.write(1, b'flood\\n' * 1000)", limit_s=LIMIT_S)

    assert outcome.status is Status.TIMEOUT
    assert outcome.log.head.startswith("flood\n")
    assert len(outcome.log.tail) <= TAIL_BYTES


def test_a_guest_that_is_stopped_is_killed_by_the_host(lab: Lab) -> None:
    """The deadline does not need the guest's cooperation."""
    outcome, _ = lab.body("os.kill(os.getppid(), signal.SIGSTOP)\nmodel = None\ntime.sleep(600)", limit_s=LIMIT_S)
    following, _ = lab.body("pass")

    assert outcome.status is Status.TIMEOUT
    assert following.status is Status.OK


def test_processes_left_behind_are_killed_and_counted(lab: Lab, tmp_path: Path) -> None:
    """Children, orphans in sessions of their own and writers to the model's pipes alike; the model itself is fine."""
    outcome, state = lab.body(
        "for detach in (False, True):\n"
        "    if os.fork() == 0:\n"
        "        if detach and os.fork():\n            os._exit(0)\n"
        "        if detach:\n            os.setsid()\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"        open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w').close()\n"
        "        time.sleep(600)\n"
        f"while len(os.listdir({str(tmp_path)!r})) < 2:\n    time.sleep(0.01)\n"
    )

    assert outcome.status is Status.OK
    assert state is not None
    assert outcome.evidence.notes == ("2 leftover process(es) of the plugin were killed",)
    assert not any(Path("/proc", pid.name).exists() for pid in tmp_path.iterdir())


def test_nothing_is_left_when_the_session_is_closed(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    with lab.session:
        lab.body("os.fork() or time.sleep(600)")
        folder = lab.handles[0]._folder
    assert survivors(f"{MARK_VARIABLE}={folder}") == []
    assert not folder.exists()


def test_what_outlives_a_killed_guest_is_found_and_killed(lab: Lab, tmp_path: Path) -> None:
    """A guest killed from outside costs one model, its orphans are hunted down, and the next model works."""
    outcome, _ = lab.body(
        "if os.fork() == 0:\n"
        f"    os.setsid()\n    open({str(tmp_path)!r} + '/' + str(os.getpid()), 'w').close()\n    time.sleep(600)\n"
        f"while not os.listdir({str(tmp_path)!r}):\n    time.sleep(0.01)\n"
        "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)"
    )
    following, state = lab.body("pass")

    assert outcome.status is Status.KILLED_SIGNAL
    assert survivors(f"{MARK_VARIABLE}={lab.handles[-2]._folder}") == []
    assert (following.status, following.attempts) == (Status.OK, 1)
    assert state is not None


def test_what_is_left_is_in_the_unit_of_the_clock(lab: Lab) -> None:
    source = (
        "before = context.remaining_s\nlist(retain.loader(batch_size=10))\n_ = forget[0]\n"
        "print(before, context.remaining_s, context.elapsed_s, context.clock)"
    )

    outcome, _ = lab.body(source, limit_s=100.0, clock="steps", deadline_s=60.0)

    assert (outcome.status, outcome.examples, outcome.charged) == (Status.OK, 41, 41.0)
    assert outcome.log.head == "100.0 59.0 41.0 steps\n"


def test_processor_seconds_of_all_processes_are_charged_and_waiting_is_not(lab: Lab) -> None:
    source = (
        "pid = os.fork()\nif not pid:\n    while time.process_time() < 0.2:\n        pass\n    os._exit(0)\n"
        "os.waitpid(pid, 0)\ntime.sleep(0.3)\nprint(context.elapsed_s >= 0.15)"
    )

    outcome, _ = lab.body(source, limit_s=30.0, clock="cpu", deadline_s=60.0)

    assert outcome.status is Status.OK
    assert outcome.log.head == "True\n"
    assert outcome.charged_s is not None
    assert outcome.evidence.elapsed_s is not None
    assert 0.15 <= outcome.charged_s <= outcome.evidence.elapsed_s - 0.25


def test_processor_seconds_of_a_process_left_behind_are_charged(lab: Lab) -> None:
    source = "if not os.fork():\n    while True:\n        pass\nwhile time.process_time() < 5:\n    pass"

    outcome, _ = lab.body(source, limit_s=0.4, clock="cpu", deadline_s=60.0)

    assert outcome.status is Status.TIMEOUT
    assert outcome.charged_s is not None
    assert 0.4 <= outcome.charged_s < 5.0


def test_the_deadline_ends_what_uses_no_processor_time(lab: Lab) -> None:
    outcome, _ = lab.body("time.sleep(600)", limit_s=30.0, clock="cpu", deadline_s=LIMIT_S)

    assert outcome.status is Status.TIMEOUT
    assert outcome.charged_s is not None
    assert outcome.charged_s < LIMIT_S


def test_processor_seconds_and_examples_are_told_whatever_is_limited(lab: Lab) -> None:
    outcome, _ = lab.body("list(retain.loader(batch_size=40))\nwhile time.process_time() < 0.05:\n    pass")

    assert (outcome.clock, outcome.examples) == ("wall", 40)
    assert outcome.cpu_s is not None
    assert outcome.charged_s == outcome.evidence.elapsed_s
