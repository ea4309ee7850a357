"""Known bugs of earlier evaluator versions, and the reports they affect."""

from __future__ import annotations

from harness.report.document import Report

BUNDLED = "unlearning-harness"

LAST_FAULTY = {
    "accuracy": 1,
    "before_after": 4,
    "divergence": 2,
    "forgetting_quality": 1,
    "interclass_confusion": 1,
    "klom": 1,
    "ks": 2,
    "lira": 1,
    "membership": 1,
    "variance": 1,
}
"""Last version of each bundled evaluator that read uninitialised memory on large splits."""

READ = {
    "before_after": {"forget", "test"},
    "forgetting_quality": {"forget"},
    "interclass_confusion": {"forget", "test"},
    "lira": {"forget"},
    "membership": {"forget", "test"},
}
"""Splits read by those versions, if not all."""

LARGEST, LARGEST_OF_DIVERGENCE = 100_000, 50_000
"""Largest number of logits (examples times classes) of a split for which those versions were correct."""


def faulty(report: Report) -> tuple[str, ...]:
    """Return the names of the evaluators with wrong numbers in this report."""
    return tuple(
        one.name
        for one in report.evaluators
        if one.distribution == BUNDLED
        and one.version.isdecimal()
        and int(one.version) <= LAST_FAULTY.get(one.name, 0)
        and _logits(report, one.name) > (LARGEST_OF_DIVERGENCE if one.name == "divergence" else LARGEST)
    )


def fault(report: Report) -> str:
    """Return which numbers of a report are wrong and what to do; empty if none is known to be wrong."""
    names = faulty(report)
    if not names:
        return ""
    return (
        f"Numbers of {', '.join(names)} are wrong: these versions read uninitialised memory on splits of more than "
        f"{LARGEST:,} logits. Evaluate the run again with `harness evaluate RUN`."
    )


def _logits(report: Report, evaluator: str) -> int:
    """Return the number of logits per model on the largest split that the evaluator reads."""
    sizes = report.task.split_sizes
    read = READ.get(evaluator, set(sizes))
    return max((size for split, size in sizes.items() if split in read), default=0) * len(report.task.class_names)
