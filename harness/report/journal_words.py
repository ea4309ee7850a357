"""Wording of what the training journal cost on disk and what it gained."""

from __future__ import annotations

from harness.report.document import Report
from harness.report.records import JournalRecord
from harness.report.words import number

UNITS = ("bytes", "kB", "MB", "GB", "TB")
STEP = 1000


def size(n_bytes: float) -> str:
    """Format bytes in powers of 1000, e.g. "7.3 MB"."""
    unit = 0
    while n_bytes >= STEP and unit + 1 < len(UNITS):
        n_bytes, unit = n_bytes / STEP, unit + 1
    return f"{n_bytes:.0f} {UNITS[unit]}" if unit == 0 or n_bytes >= 100 else f"{n_bytes:.1f} {UNITS[unit]}"


def journal_sentences(report: Report) -> str:
    """Return the journal's content, its size on disk and what it gained; empty for a task without a journal."""
    record = report.journal
    if record is None:
        return ""
    paid = (
        f"{size(record.bytes_total)} on disk for {record.originals} originals, {size(record.bytes_per_original)} each"
    )
    return f"Record of training: {paid} ({_holds(record)}).{_bought(report, record)}"


def _holds(record: JournalRecord) -> str:
    if record.kind == "checkpoints":
        return f"{record.slices} checkpoints of {record.shards} shards"
    steps, touched = record.steps or 0, record.touched_steps or 0.0
    share = f"{touched:.0f} of {steps} batches held an example to forget"
    return f"updates of {record.stored_steps or 0:.0f} batches; {share}"


def _bought(report: Report, record: JournalRecord) -> str:
    """Return the privacy gained, by the attack's AUC, and the disk space per 0.01 of it."""
    auc = report.metric("lira", "auc")
    if auc is None or auc.value is None or auc.noop is None:
        return ""
    gained = abs(auc.noop - 0.5) - abs(auc.value - 0.5)
    text = f" With it the attack's AUC went from {number(auc.noop)} to {number(auc.value)}"
    text += "" if auc.control is None else f" (perfect: {number(auc.control)})"
    if gained < 0.005:
        return f"{text}: no gain."
    return f"{text}, {size(record.bytes_per_original / (100 * gained))} an original for each 0.01."
