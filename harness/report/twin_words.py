"""Wording of forget examples with a twin in the retain set, for terminal and page."""

from __future__ import annotations

from harness.report.document import Report
from harness.report.words import number


def twin_sentence(report: Report) -> str:
    """Return a warning if forget examples have a twin in the retain set, which re-teaches them; empty if there are none."""
    for one in report.task.twins or ():
        if (one.split, one.twin_in) == ("forget", "retain") and one.equal + one.near:
            size = report.task.split_sizes.get("forget", 0)
            return (
                f"{one.equal + one.near} of {size} examples to forget have a twin in the retain set: no method can forget them, "
                f"and every number on the forget set includes them.{_without_them(report)}"
            )
    return ""


def _without_them(report: Report) -> str:
    """Return the main numbers with and without examples that have a twin, as a sentence; empty if they are unknown."""
    pairs = (
        ("memory left", "forgetting", "memory_left", "memory_left_without_twins"),
        ("AUC of the attack", "lira", "auc", "auc_without_twins"),
    )
    found = [
        (name, report.metric(evaluator, one), report.metric(evaluator, other)) for name, evaluator, one, other in pairs
    ]
    told = [
        f"{name} {number(whole.value, whole.unit)} and {number(part.value, part.unit)}"
        for name, whole, part in found
        if whole is not None and part is not None and whole.value is not None and part.value is not None
    ]
    return f" With and without them: {', '.join(told)}." if told else ""
