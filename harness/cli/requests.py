"""``harness run`` and ``resume`` for a task that is a stream of requests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.runs.streams import StreamResult


def stream_task(name: str) -> bool:
    """Return True if a task is a stream; a task that cannot be found or read is reported later, by the run."""
    from harness.errors import HarnessError
    from harness.plugins.discovery import find_task

    try:
        return find_task(name).deletions > 0
    except HarnessError:
        return False


def run_requests(options: dict[str, Any], exporters: tuple[str, ...]) -> None:
    """Run a plugin on a stream and print the summary."""
    from harness.cli.matrix import refuse_export
    from harness.core.progress_bars import RichProgress
    from harness.runs.config import RunConfig
    from harness.runs.streams import run_stream

    refuse_export(exporters)
    config = RunConfig(**options)
    with RichProgress() as progress:
        result = run_stream(config, progress)
    _show(result)


def resume_requests(
    folder: Path,
    exporters: tuple[str, ...],
    workers: int | None = None,
    failed_as: str | None = None,
    *,
    keep_going: bool = False,
) -> bool:
    """Resume a stream; return False if ``folder`` contains none."""
    from harness.cli.matrix import refuse_export
    from harness.core.progress_bars import RichProgress
    from harness.errors import UsageError
    from harness.runs.streams import is_stream, resume_stream

    if not is_stream(folder):
        return False
    refuse_export(exporters)
    for flag, given in (("--failed-as", failed_as is not None), ("--keep-going", keep_going)):
        if given:
            raise UsageError(
                f"{flag} cannot change within a stream, where requests begin with what earlier ones returned. "
                "Run the stream again with it."
            )
    with RichProgress() as progress:
        result = resume_stream(folder, progress, workers)
    _show(result)
    return True


def _show(result: StreamResult) -> None:
    from harness.cli.runs import NO_MODEL_FINISHED
    from harness.core.printing import console
    from harness.report.stream_page import render_stream

    console().print(render_stream(result.report, result.folder))
    if result.report.status == "failed":
        raise SystemExit(NO_MODEL_FINISHED)
