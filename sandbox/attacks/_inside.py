"""Access to the guest's code in the plugin's own process: find its pipes and write to them."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

KEPT: list[int] = []
"""Descriptors of the files from the guest: data, weights, journal."""


def keep_files() -> None:
    """Patch the guest's code in this process, at import, so that the descriptors of received files stay open."""
    child = sys.modules["harness_guest.child"]
    load = child._load

    def keep(prepared: Any, job: Any, model: Any, files: Any, meter: Any) -> Any:
        KEPT[:] = map(os.dup, files.all)
        return load(prepared, job, model, files, meter)

    child._load = keep


def ends() -> Any:
    """Return the process's ends of its pipes to the guest, found in the callers' frames."""
    frame = sys._getframe()
    while frame is not None:
        if "ends" in frame.f_locals and hasattr(frame.f_locals["ends"], "weights"):
            return frame.f_locals["ends"]
        frame = frame.f_back
    raise RuntimeError("no caller's frame contains the guest's pipes")


def largest() -> int:
    """Return the maximum number of bytes of weights that the guest accepts."""
    return int(job().max_weights_bytes)


def job() -> Any:
    """Return the guest's job for this model, found in the callers' frames."""
    frame = sys._getframe()
    while frame is not None:
        if hasattr(frame.f_locals.get("job"), "max_weights_bytes"):
            return frame.f_locals["job"]
        frame = frame.f_back
    raise RuntimeError("no caller's frame contains the guest's job")


def write(fd: int, data: bytes) -> None:
    """Write all of ``data``."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def say(raw: bytes) -> NoReturn:
    """Send ``raw`` to the guest as the last message, and exit with status 0."""
    write(ends().report, raw + b"\n")
    os._exit(0)


def send(weights: bytes, **claims: object) -> NoReturn:
    """Send the bytes to the guest as weights with a valid announcement, and exit with status 0."""
    write(ends().weights, weights)
    say(json.dumps({"weights_bytes": len(weights), "peak_gpu_mib": None, **claims}).encode())
