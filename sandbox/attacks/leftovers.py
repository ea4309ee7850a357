"""Attacks that leave processes running after the model was returned."""

from __future__ import annotations

import os
import signal
import time

import torch
from harness_attacks import _tools
from harness_attacks._marks import attack

hostile = attack("ok", promise=6)

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def daemons():
    """Start daemons by forking twice, and return."""
    for _ in range(8):
        _tools.daemon(_tools.rest, _tools.CHILD_S)


def goes_on(model):
    """Return the model, and continue in a daemon that prints, writes files and changes weights."""
    _tools.daemon(_work, model)


def _work(model):
    end = _tools.now() + _tools.CHILD_S
    while _tools.now() < end:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1.0)
        print("still at work")
        with open(f"/tmp/{time.monotonic_ns()}", "w") as file:
            file.write("still at work")


def _flood():
    end = _tools.now() + _tools.CHILD_S
    while _tools.now() < end:
        os.write(1, b"z" * (1 << 20))


def _deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - {signal.SIGALRM})
    _tools.rest(_tools.CHILD_S)


floods_after_the_end = hostile(lambda: _tools.daemon(_flood), "Return while a daemon floods the output.")
stopped_grandchild = hostile(lambda: _tools.daemon(_tools.stop), "Return, and leave a stopped grandchild.")
deaf_grandchild = hostile(
    lambda: _tools.daemon(_deaf), "Return, and leave a grandchild that blocks and ignores every signal."
)


def adopts():
    """Return, and leave a subreaper, so that its orphaned daemons are not re-parented to the guest."""

    def reaper():
        _tools.libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _tools.libc.prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)
        for _ in range(4):
            _tools.daemon(_tools.rest, _tools.CHILD_S)
        _tools.rest(_tools.CHILD_S)

    _tools.daemon(reaper)


@hostile("killed_signal")
def assassin():
    """Leave a daemon that repeatedly kills every process that it may kill, and wait to be killed."""
    _tools.daemon(_assassinate)
    signal.pause()


def _assassinate():
    end = _tools.now() + _tools.CHILD_S
    while _tools.now() < end:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:  # no process is left
            continue
