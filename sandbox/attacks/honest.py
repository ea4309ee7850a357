"""What is no attack: a model left as it is, and a look at the limits in force."""

from __future__ import annotations

import json
import os

from harness_attacks import _tools


def nothing():
    """Leave the model as it is."""


def limits():
    """Print, as one line of JSON, the limits that are seen in force from inside the container; null where none is seen."""
    seen = {
        "memory_mib": _tools.memory_limit_mib(),
        "pids": _tools.pids_limit(),
        "tmpfs_mib": _tools.folder_mib("/tmp"),
        "shm_mib": _tools.folder_mib("/dev/shm"),
    }
    os.write(1, json.dumps(seen).encode() + b"\n")
