"""A report as a small HTML table for notebooks: no script, no request, no leaking style; all plugin text escaped."""

from __future__ import annotations

from harness.report import summary
from harness.report.page import render
from harness.report.words import VERDICT_TONE, VERDICT_WORDS, WANTED, failures, gist, headlines

from .result import RunReport

HEADINGS = ("Metric", "This plugin", "Interval", "Perfect (control)", "Nothing done (no-op)", "Wanted")
# Used for borders only: no text colour is readable on both a light and a dark notebook theme.
TONE_COLOUR = {"good": "#1a8754", "fair": "#0b7285", "open": "#b26a00", "bad": "#d1384b"}
CELL = "padding:.15em .7em;font-size:13px;vertical-align:top"
MOST_WARNINGS = 20


def report_html(report: RunReport) -> str:
    """Return the table: verdict, headline metrics with control and no-op, outcomes of the models.

    It says what the terminal's summary says, in the same order.

    It is one ``div`` with its own styles. All plugin text is escaped, and control characters are made visible.
    """
    return render(
        "notebook.html.j2",
        report=report,
        verdict=VERDICT_WORDS[report.verdict.level],
        colour=TONE_COLOUR[VERDICT_TONE[report.verdict.level]],
        headlines=headlines(report),
        failures=failures(report.models),
        headings=HEADINGS,
        cell=CELL,
        wanted=WANTED,
        gist=gist,
        most_warnings=MOST_WARNINGS,
        summary=summary,
    )
