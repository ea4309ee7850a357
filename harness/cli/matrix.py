"""``harness run`` with several versions of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.runs.pipeline import RunResult


def run_versions(torch: str, options: dict[str, Any]) -> None:
    """Run under each torch version and print the drift; ``options`` are a run's options without ``torch``."""
    from harness.core.progress_bars import RichProgress
    from harness.runs.config import RunConfig
    from harness.runs.torch_matrix import run_matrix, torch_versions

    versions, config = torch_versions(torch), RunConfig(**options)
    with RichProgress() as progress:
        results = run_matrix(config, versions, progress)
    _show(results)


def refuse_export(exporters: Sequence[str]) -> None:
    """Raise UsageError if exporters are given: they accept a single run.

    Raises:
        UsageError: if any exporter is given.
    """
    from harness.errors import UsageError

    if exporters:
        raise UsageError("--export needs a single run; export each run with `harness export` afterwards.")


def resume_versions(
    folder: Path,
    exporters: Sequence[str],
    workers: int | None = None,
    failed_as: str | None = None,
    *,
    keep_going: bool = False,
) -> bool:
    """Resume a run with several torch versions; return False if ``folder`` contains a single run."""
    from harness.core.progress_bars import RichProgress
    from harness.errors import UsageError
    from harness.runs.torch_matrix import is_matrix, resume_matrix

    if not is_matrix(folder):
        return False
    refuse_export(exporters)
    if failed_as is not None:
        raise UsageError("--failed-as needs a single run; pass it to `harness evaluate` for each folder in this one.")
    if keep_going:
        raise UsageError("--keep-going needs a single run; pass it to `harness resume` for a folder in this one.")
    with RichProgress() as progress:
        results = resume_matrix(folder, progress, workers)
    _show(results)
    return True


def _show(results: Sequence[RunResult]) -> None:
    """Print the results, and the drift from the oldest torch version, of versions under which a model finished."""
    import click

    from harness.cli.runs import NO_MODEL_FINISHED
    from harness.comparing import drift, load_reports, print_comparison
    from harness.core.text import harmless

    for one in results:
        finished = sum(model.status.finished for model in one.report.models)
        verdict = harmless(one.report.verdict.sentence)
        click.echo(
            f"torch {one.report.runner.torch}: {finished} of {len(one.report.models)} models. {verdict}\n  {one.folder}"
        )
    whole = [one.folder for one in results if one.report.status != "failed"]
    if len(whole) > 1:
        print_comparison(drift(load_reports(whole)))
    if len(whole) < len(results):
        raise SystemExit(NO_MODEL_FINISHED)
