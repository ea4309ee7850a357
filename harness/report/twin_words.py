"""Wording of forget examples with a twin in the retain set, for terminal and page."""

from __future__ import annotations

from harness.report.document import Report


def twin_sentence(report: Report) -> str:
    """Return a warning if forget examples have a twin in the retain set, which re-teaches them; empty if there are none."""
    for one in report.task.twins or ():
        if (one.split, one.twin_in) == ("forget", "retain") and one.equal + one.near:
            size = report.task.split_sizes.get("forget", 0)
            return (
                f"{one.equal + one.near} of {size} examples to forget have a twin in the retain set: no method can forget them, "
                "and every number on the forget set includes them."
            )
    return ""
