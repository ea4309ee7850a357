"""``harness run`` with several versions of torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.pipeline import RunResult


def run_versions(torch: str, options: dict[str, Any]) -> None:
    """Run under each version and show how the numbers drift; ``options`` are those of a run, without ``torch``."""
    from harness.cli.progress import RichProgress
    from harness.config import RunConfig
    from harness.matrix import run_matrix, torch_versions

    versions, config = torch_versions(torch), RunConfig(**options)
    with RichProgress() as progress:
        results = run_matrix(config, versions, progress)
    _show(results)


def refuse_export(exporters: Sequence[str]) -> None:
    """Exporters take one run.

    Raises:
        UsageError: some were named.
    """
    from harness.errors import UsageError

    if exporters:
        raise UsageError("--export is for one run with a report; give each run to `harness export` afterwards.")


def resume_versions(
    folder: Path, exporters: Sequence[str], workers: int | None = None, failed_as: str | None = None
) -> bool:
    """Go on with a run of several versions; False where ``folder`` is an ordinary run's."""
    from harness.cli.progress import RichProgress
    from harness.errors import UsageError
    from harness.matrix import is_matrix, resume_matrix

    if not is_matrix(folder):
        return False
    refuse_export(exporters)
    if failed_as is not None:
        raise UsageError("--failed-as is for one run: give it to `harness evaluate` for each folder below this one.")
    with RichProgress() as progress:
        results = resume_matrix(folder, progress, workers)
    _show(results)
    return True


def _show(results: Sequence[RunResult]) -> None:
    """The drift from the oldest version to the others, of those under which the plugin returned a model."""
    import click

    from harness.cli.runs import NO_MODEL_FINISHED
    from harness.comparing import drift, load_reports, print_comparison
    from harness.text import harmless

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
