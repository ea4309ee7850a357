"""Examples to forget that the retain set holds as well, in words for the terminal and the page."""

from __future__ import annotations

from harness.report.model import Report


def twin_sentence(report: Report) -> str:
    """Return what no method can do on this data, since the retain set teaches it again; empty if there are no twins."""
    for one in report.task.twins or ():
        if (one.split, one.twin_in) == ("forget", "retain") and one.equal + one.near:
            size = report.task.split_sizes.get("forget", 0)
            return (
                f"{one.equal + one.near} of {size} examples to forget have a twin in the retain set: no method can forget them, "
                "and every number on the forget set counts them."
            )
    return ""
