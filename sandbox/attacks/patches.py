"""Attacks that send signals to the guest or patch the guest's code in their own process."""

from __future__ import annotations

import math
import os
import signal
import sys

import safetensors.torch
from harness_attacks import _inside
from harness_attacks._marks import attack

hostile = attack("output_invalid", promise=4)

GUEST = 1


@hostile("ok")
def signals_to_the_guest():
    """Send every signal to the guest."""
    for number in signal.valid_signals():
        try:
            os.kill(GUEST, number)
        except OSError:
            continue


@hostile("killed_signal")
def signals_to_all():
    """Send fatal signals to every process and to the guest's process group."""
    for target in (-1, os.getppid()):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            try:
                os.kill(target, number)
            except OSError:
                continue


@hostile("ok")
def queued_signals():
    """Send the guest 40,000 signals."""
    for _ in range(20_000):
        for number in (signal.SIGCHLD, signal.SIGRTMIN + 1):
            try:
                os.kill(GUEST, number)
            except OSError:
                return


def patched_serialise():
    """Patch the guest's code in this process to send garbage instead of the model's state."""
    sys.modules["harness_guest.child"].serialise = lambda *_arguments: b"not weights at all"


def patched_safetensors():
    """Patch safetensors to write garbage."""
    safetensors.torch.save = lambda *_arguments: b"{}" * 100


def patched_report():
    """Patch the guest's code in this process to report success and send nothing."""
    child = sys.modules["harness_guest.child"]
    child._report = lambda ends, message: _inside.write(ends.report, b'{"weights_bytes": 0, "peak_gpu_mib": null}\n')
    child._write_all = lambda fd, data: None


def patched_checks(model):
    """Disable every check in this process and return a state of NaN."""
    math.isfinite = lambda _number: True
    sys.modules["harness_guest.child"].chosen_model = lambda model, returned: model
    for parameter in model.parameters():
        parameter.data.fill_(float("nan"))


@hostile("output_too_large")
def patched_limit(model):
    """Raise the byte limit in this process's memory, and send ten times the bytes."""
    frame = sys._getframe()
    while frame is not None:
        job = frame.f_locals.get("job")
        if job is not None:
            object.__setattr__(job, "max_weights_bytes", 1 << 40)
            object.__setattr__(job, "limit_s", None)
        frame = frame.f_back
    state = {
        name: value.repeat(*(10, *(1,) * (value.dim() - 1)))
        for name, value in model.state_dict().items()
        if value.dim()
    }
    _inside.send(safetensors.torch.save(state))
