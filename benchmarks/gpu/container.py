"""Can a container on this machine compute on the card? The reason if not, in one line."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import harness
from benchmarks.gpu.proof import Given
from harness.errors import HarnessError

SCRIPT = Path(__file__).with_name("container.sh")
LONGEST_S = 240


def tried(given: Given) -> dict[str, Any]:
    """Bring an engine up by ``container.sh``, run ``noop`` in it, and return how far that came."""
    if given.sizes.device == "cpu":
        checked = subprocess.run(["bash", "-n", str(SCRIPT)], capture_output=True, text=True)
        return {"works": False, "reason": checked.stderr.strip() or "not tried in a dry run; the script is sound"}
    ended = subprocess.run(
        ["bash", str(SCRIPT), str(given.folder / "engine")],
        capture_output=True, text=True, errors="replace", timeout=min(LONGEST_S, max(1.0, given.left_s)), check=False,
    )  # fmt: skip
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    if ended.returncode:
        return {"works": False, "reason": (lines or ended.stderr.splitlines() or ["no output"])[-1][:300]}
    try:
        report = harness.run(
            "noop", "faces", runner="podman", gpus="all", models=2, output=given.folder / "runs" / "container",
            force=True, no_wait=True, progress=None,
        )  # fmt: skip
    except HarnessError as error:
        return {"works": False, "reason": str(error).splitlines()[0][:300]}
    done = report.finished_models == len(report.models)
    return {"works": done, "reason": "" if done else str(report.models[0].status), "gpu": report.runner.gpu}
