"""Discovery and loading of the reports to compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RunNotFoundError, UsageError
from harness.report.document import Report
from harness.report.writing import REPORT_NAME, load_report
from harness.runs.store import STREAM


@dataclass(frozen=True)
class LoadedReport:
    """A report and its folder.

    Attributes:
        report: the report.
        folder: the run's folder; None for a report that was not read from a file.
    """

    report: Report
    folder: Path | None = None


def load_reports(paths: Sequence[Path]) -> list[LoadedReport]:
    """Read reports in the given order, without duplicates.

    Args:
        paths: run folders, ``report.json`` files, or folders of run folders, which are read in the order of their names.

    Raises:
        RunNotFoundError: there is no report at a path or in a folder directly below it.
        UsageError: a path is a stream of requests.
        ReportInvalidError: a file is not a report of this schema version.
    """
    files = dict.fromkeys(file.resolve() for path in paths for file in _files(path))
    return [LoadedReport(load_report(file), file.parent) for file in files]


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    if (path / STREAM).is_file():
        raise UsageError(
            f"{path} is a stream of requests, which {path / 'summary.html'} shows. Compare what several plugins returned at the "
            f"same request, e.g. {path / 'request-1'}."
        )
    if (path / REPORT_NAME).is_file():
        yield path / REPORT_NAME
        return
    found = sorted(path.glob(f"*/{REPORT_NAME}"))
    if not found:
        raise RunNotFoundError(
            f"There is no report in {path} or in a folder directly below it. Pass folders of finished runs, or a folder that "
            "contains some."
        )
    yield from found
