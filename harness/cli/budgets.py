"""``harness run`` and ``resume`` with several budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.runs.pipeline import RunResult


def run_curve(options: dict[str, Any], shares: Sequence[float], exporters: tuple[str, ...]) -> None:
    """Run a plugin under each budget, and print and write the curve; ``options`` are a run's, without the budget."""
    from harness.cli.matrix import refuse_export
    from harness.core.progress_bars import RichProgress
    from harness.runs.budgets import run_budgets
    from harness.runs.config import RunConfig

    refuse_export(exporters)
    config = RunConfig(**options)
    with RichProgress() as progress:
        results = run_budgets(config, shares, progress)
    _show(results)


def resume_curve(
    folder: Path,
    exporters: tuple[str, ...],
    workers: int | None = None,
    failed_as: str | None = None,
    *,
    keep_going: bool = False,
) -> bool:
    """Resume a run of several budgets; return False if ``folder`` contains none."""
    from harness.cli.matrix import refuse_export
    from harness.core.progress_bars import RichProgress
    from harness.errors import UsageError
    from harness.runs.budgets import has_budgets, resume_budgets

    if not has_budgets(folder):
        return False
    refuse_export(exporters)
    for flag, given in (("--failed-as", failed_as is not None), ("--keep-going", keep_going)):
        if given:
            raise UsageError(f"{flag} needs a single run; pass it with the folder of one budget, {folder}/budget-*.")
    with RichProgress() as progress:
        results = resume_budgets(folder, progress, workers)
    _show(results)
    return True


def _show(results: Sequence[RunResult]) -> None:
    from harness.cli.runs import NO_MODEL_FINISHED
    from harness.comparing.budget_curve import budget_curve, render_curve, write_curve
    from harness.core.printing import console

    folder = results[0].folder.parent
    curve = budget_curve([(one.folder.name, one.report) for one in results])
    write_curve(curve, folder)
    console().print(render_curve(curve, folder))
    if any(one.report.status == "failed" for one in results):
        raise SystemExit(NO_MODEL_FINISHED)
