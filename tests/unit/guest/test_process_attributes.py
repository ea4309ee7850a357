"""What a plugin changes of the guest itself does not reach the next model."""

from __future__ import annotations

import pytest

from harness.core.outcomes import Status
from tests.unit.guest.lab import Lab

GUEST = "guest = int(open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1])\n"
CHANGES = {
    "niceness": "os.setpriority(os.PRIO_PROCESS, guest, os.getpriority(os.PRIO_PROCESS, 0) + 1)",
    "RLIMIT_NOFILE": "import resource; resource.prlimit(guest, resource.RLIMIT_NOFILE, (64, 64))",
    "scheduling class": "os.sched_setscheduler(guest, os.SCHED_BATCH, os.sched_param(0))",
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_guest_that_was_tampered_with_serves_no_other_model(lab: Lab, what: str) -> None:
    first, _ = lab.body(GUEST + CHANGES[what])
    n_guests = len(lab.handles)
    second, _ = lab.body("print(os.getpriority(os.PRIO_PROCESS, 0))")

    assert (first.status, second.status, second.attempts) == (Status.OK, Status.OK, 1)
    assert what in first.evidence.notes[0]
    assert len(lab.handles) == n_guests + 1


def test_a_plugin_holds_no_descriptor_but_its_own(lab: Lab) -> None:
    """Standard streams, and the ends of two pipes to the guest; the socket and what came over it are closed by then."""
    outcome, _ = lab.body(
        "print(len([fd for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')]))"
    )

    assert outcome.log.head.strip() == str(3 + 2)


def test_a_plugin_is_the_first_to_go_when_memory_is_short(lab: Lab) -> None:
    outcome, _ = lab.body("print(open('/proc/self/oom_score_adj').read())")

    assert outcome.log.head.strip() == "500"
