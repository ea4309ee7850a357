"""Exports finished runs of the unlearning harness to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from harness import RunReport

__all__ = ["harness_run_finished"]

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def harness_run_finished(report: RunReport, run_dir: Path) -> str:
    """Put the run where MLflow's own settings say, and say where that is."""
    from harness_mlflow.tracking import put

    return put(report, run_dir)
