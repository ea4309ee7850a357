"""An exporter of finished runs to MLflow."""

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
    """Log the run to the store configured for MLflow, and return where it is."""
    from harness_mlflow.tracking import put

    return put(report, run_dir)
