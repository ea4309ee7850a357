"""Writing and reading of a stream's summary: ``summary.json``, checked against its schema, ``summary.html``, and the terminal."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.core.files import atomic_write_text
from harness.core.reading import foreign
from harness.errors import ReportInvalidError, RunNotFoundError
from harness.report import stream_words
from harness.report.page import render
from harness.report.schema import STREAM_SCHEMA_PATH
from harness.report.stream_document import SUMMARY, StreamReport
from harness.report.svg.stream_plots import stream_figures
from harness.report.words import plain

PAGE = "summary.html"


def write_summary(report: StreamReport, folder: Path) -> None:
    """Write the page and then ``summary.json``, atomically.

    Raises:
        ReportInvalidError: the summary violates the shipped schema; nothing was written.
        NoSpaceError, OutputUnwritableError: the folder cannot be written.
    """
    document = json.loads(json.dumps(report.model_dump(mode="json"), allow_nan=False))
    if (fault := best_match(_validator().iter_errors(document))) is not None:
        raise ReportInvalidError(f"The summary violates its schema at {fault.json_path}: {fault.message[:500]}")
    atomic_write_text(folder / PAGE, summary_page(report))
    atomic_write_text(folder / SUMMARY, json.dumps(document, indent=2) + "\n")


def read_summary(folder: Path) -> StreamReport:
    """Return the summary in a stream's folder.

    Raises:
        RunNotFoundError: there is none.
        ReportInvalidError: it is damaged, or of another version.
    """
    file = folder / SUMMARY
    if not file.is_file():
        raise RunNotFoundError(f"There is no {SUMMARY} in {folder}. Finish the stream with: harness resume {folder}")
    advice = f"Remove it; `harness resume {folder}` writes it anew, from the requests that were answered."
    with foreign(f"{file} is not the summary of a stream", ReportInvalidError, advice):
        return StreamReport.model_validate_json(file.read_bytes(), strict=True)


def summary_page(report: StreamReport) -> str:
    """Return the page's HTML; all text of plugins is escaped."""
    return render(
        "stream.html.j2",
        report=report,
        how=stream_words.HOW,
        headings=stream_words.HEADINGS,
        rows=stream_words.rows(report),
        scale=stream_words.scale,
        value=stream_words.value,
        plots=stream_figures(report),
    )


def render_stream(report: StreamReport, folder: Path) -> RenderableType:
    """Return the terminal's summary, a block for each request, for 80 columns."""
    title = Text.assemble(
        (plain(report.plugin.name), "bold"), " on ", (plain(report.task), "bold"), f" ({report.status})"
    )
    parts: list[RenderableType] = [title, Text(plain(report.sentence))]
    parts += [Text(plain(text), "yellow") for text in report.warnings]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("After request")
    for one in report.requests:
        table.add_column(str(one.number), justify="right", overflow="fold")
    for heading, *cells in zip(stream_words.HEADINGS[1:], *(row[1:] for row in stream_words.rows(report)), strict=True):
        table.add_row(heading.replace("\n", " "), *map(plain, cells))
    return Group(*parts, Text(), table, Text(), Text(f"Page: {folder / PAGE}", no_wrap=True, overflow="ignore"))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(STREAM_SCHEMA_PATH.read_text(encoding="utf-8")))
