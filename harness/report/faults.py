"""Known faults of earlier evaluators: reports whose numbers must not be relied on."""

from __future__ import annotations

from harness.report.model import Report

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
"""Versions of bundled evaluators up to which results on large splits were taken from memory that was never written."""

READ = {
    "before_after": {"forget", "test"},
    "forgetting_quality": {"forget"},
    "interclass_confusion": {"forget", "test"},
    "lira": {"forget"},
    "membership": {"forget", "test"},
}
"""Splits that those versions read, where these were not all."""

LARGEST, LARGEST_OF_DIVERGENCE = 100_000, 50_000
"""Most logits of one model on one split, examples times classes, for which those versions were right."""


def faulty(report: Report) -> tuple[str, ...]:
    """Return the evaluators whose numbers in this report are wrong, by name."""
    return tuple(
        one.name
        for one in report.evaluators
        if one.distribution == BUNDLED
        and one.version.isdecimal()
        and int(one.version) <= LAST_FAULTY.get(one.name, 0)
        and _logits(report, one.name) > (LARGEST_OF_DIVERGENCE if one.name == "divergence" else LARGEST)
    )


def fault(report: Report) -> str:
    """Say which numbers of a report are wrong and what to do; empty where none is known to be."""
    names = faulty(report)
    if not names:
        return ""
    return (
        f"Numbers of {', '.join(names)} are wrong: these versions read memory that was never written on splits of more than "
        f"{LARGEST:,} logits. Judge the run again with `harness evaluate RUN`."
    )


def _logits(report: Report, evaluator: str) -> int:
    """Return how many logits one model has on the largest split that the evaluator read."""
    sizes = report.task.split_sizes
    read = READ.get(evaluator, set(sizes))
    return max((size for split, size in sizes.items() if split in read), default=0) * len(report.task.class_names)
