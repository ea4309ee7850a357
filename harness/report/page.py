"""The report as one self-contained HTML page: no network, no script, all text of plugins escaped."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from harness.files import atomic_write_text
from harness.report import words
from harness.report.figures import figures
from harness.report.model import Report
from harness.text import harmless

PAGE_NAME = "report.html"
POPULATION_WORDS = {"unlearned": "this plugin", "control": "perfect (control)", "noop": "nothing done (no-op)"}


def write_page(report: Report, run_dir: Path) -> Path:
    """Write ``report.html`` into ``run_dir``, whole or not at all, and return its path.

    Raises:
        NoSpaceError: the disk is full; an older page stays as it was.
        OutputUnwritableError: ``run_dir`` is not there or may not be written.
    """
    path = run_dir / PAGE_NAME
    atomic_write_text(path, render_page(report))
    return path


def render_page(report: Report) -> str:
    """The page's HTML."""
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            headlines=words.headlines(report),
            failures=words.failures(report.models),
            figures=figures(report),
            populations=POPULATION_WORDS,
            arrays={one.name: one.arrays for one in report.evaluators},
            wanted=words.WANTED,
            status_words=words.STATUS_WORDS,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number,
        interval=words.interval,
        duration=words.duration,
        plain=words.plain,
        way=words.way,
        harmless=harmless,
        pretty=_pretty,
        origin=words.origin,
    )
    environment.globals["label"] = words.label
    return environment


def _pretty(value: Any) -> str:
    """JSON values for people, indented; jinja2's own filter would mark the text as safe."""
    return harmless(json.dumps(value, indent=2, ensure_ascii=False))
