"""The glossary of metrics, and its pictures, from ``harness/report/glossary.py``."""

from __future__ import annotations

from importlib import resources

from harness.report.glossary import ENTRIES, Entry
from harness.report.svg.glossary_pictures import picture_of

FOLDER = "reference/metrics"
HEAD = """# Metrics in pictures

What each metric of the pages measures. The pictures show made-up numbers; [evaluators](evaluators.md) has the formulas and their
sources. Every number is read beside two others: the *control*, the value of more retrained models, is what perfect unlearning
scores, and the *no-op*, the value of the untouched originals, is what doing nothing scores.

Reports, comparisons and leaderboards have the same entries at their end, under "What the metrics measure", so that they can be
read without network.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *map(_section, ENTRIES)])


def picture(anchor: str) -> str:
    """Return an entry's picture as an SVG file that follows the reader's light or dark scheme."""
    svg = picture_of(anchor).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" width="480" ', 1)
    style = (resources.files("harness.report") / "plots.css").read_text(encoding="utf-8")
    style = style.replace("svg { width: 100%; height: auto; }\n", "")  # of pictures within a page
    opened, rest = svg.split(">", 1)
    return f'{opened}><style>{style}</style><rect width="100%" height="100%" style="fill: var(--page)"/>{rest}\n'


def _description(entry: Entry) -> str:
    """Return what the picture shows, in words."""
    return picture_of(entry.anchor).partition("</desc>")[0].rpartition(">")[2]


def _section(entry: Entry) -> str:
    names = [f"`{name}` ({words})" for name, words in entry.names.items()]
    names += [f"{'others' if names else 'all metrics'} of `{entry.family}`"] if entry.family else []
    return (
        f"## {entry.title}\n\n{entry.text}\n\nMetrics: {', '.join(names)}.\n\n"
        f"![{entry.title}: {_description(entry)}](metrics/{entry.anchor}.svg)\n"
    )
