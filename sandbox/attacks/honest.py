"""Targets that do not attack: a no-op, and a report of the visible limits."""

from __future__ import annotations

import json
import os

from harness_attacks import _tools


def nothing():
    """Leave the model unchanged."""


def limits():
    """Print the limits seen from inside the container as a line of JSON; null for none."""
    seen = {
        "memory_mib": _tools.memory_limit_mib(),
        "pids": _tools.pids_limit(),
        "tmpfs_mib": _tools.folder_mib("/tmp"),
        "shm_mib": _tools.folder_mib("/dev/shm"),
    }
    os.write(1, json.dumps(seen).encode() + b"\n")
