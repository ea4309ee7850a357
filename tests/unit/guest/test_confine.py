"""The filter that a model's process puts on itself, tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from harness_guest.confine import MACHINES

pytestmark = pytest.mark.skipif(os.uname().machine not in MACHINES, reason="no filter for this machine")

PROBE = """
import ctypes, errno, json, os, resource, socket, subprocess, threading
from harness_guest.confine import MACHINES, confine
parent = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
numbers = MACHINES[os.uname().machine][1]

def call(name, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(numbers[name], *map(ctypes.c_long, arguments))
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]

def answer(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

def both(action):
    return {"guest": answer(lambda: action(parent)), "self": answer(lambda: action(0))}

def in_thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()

nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
confined, told = threading.Event(), []

def wait_and_reach():
    confined.wait()
    told.append(answer(lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, nofile)))

earlier = threading.Thread(target=wait_and_reach)
earlier.start()
assert confine((1, parent))
confined.set()
earlier.join()
print(json.dumps({
    "earlier thread": told[0],
    "niceness": both(lambda pid: os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0))),
    "limits": both(lambda pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, nofile)),
    "cores": both(lambda pid: os.sched_setaffinity(pid, os.sched_getaffinity(0))),
    "class": both(lambda pid: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))),
    "disk": {"guest": call("ioprio_set", 1, parent, 0), "self": call("ioprio_set", 1, 0, 2 << 13 | 4)},
    "group": answer(lambda: os.setpriority(os.PRIO_PGRP, 0, 0)),
    "user": answer(lambda: os.setpriority(os.PRIO_USER, os.getuid(), 0)),
    "ring": call("io_uring_setup", 1, 0),
    "keys": call("keyctl", 0, -3, 0),
    "user namespace": call("unshare", 0x10000000),
    "vsock": answer(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "crypto": answer(lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)),
    "network": answer(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()),
    "pair": answer(lambda: socket.socketpair()),
    "thread": answer(in_thread),
    "process": answer(lambda: subprocess.run(["true"], check=True)),
    "own limit": answer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, nofile)),
}))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """Return the kernel's results for a process under the filter."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(PROBE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("what", ["niceness", "limits", "cores", "class", "disk"])
def test_the_guest_s_priorities_and_limits_are_out_of_reach_and_its_own_are_not(
    seen: dict[str, Any], what: str
) -> None:
    assert seen[what] == {"guest": "EPERM", "self": "done"}


def test_a_thread_that_was_there_before_the_filter_is_under_it_too(seen: dict[str, Any]) -> None:
    assert seen["earlier thread"] == "EPERM"


@pytest.mark.parametrize("what", ["group", "user"])
def test_nor_is_the_guest_reached_by_its_group_or_user(seen: dict[str, Any], what: str) -> None:
    assert seen[what] == "EPERM"


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("ring", "ENOSYS"),
        ("keys", "ENOSYS"),
        ("user namespace", "EPERM"),
        ("vsock", "EAFNOSUPPORT"),
        ("crypto", "EAFNOSUPPORT"),
    ],
)
def test_what_some_engines_leave_open_is_closed(seen: dict[str, Any], what: str, answer: str) -> None:
    assert seen[what] == answer


@pytest.mark.parametrize("what", ["network", "pair", "thread", "process", "own limit"])
def test_what_a_method_needs_goes_on_working(seen: dict[str, Any], what: str) -> None:
    assert seen[what] == "done"
