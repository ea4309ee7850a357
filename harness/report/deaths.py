"""The page's failures: failed models grouped by cause, with their evidence and output."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.outcomes import LogCapture, ModelOutcome
from harness.report.budget_words import amount
from harness.report.document import Report
from harness.report.words import FailureGroup, duration, failures, plain

SHOWN = 3  # of each group; models that fail in the same way have the same evidence


@dataclass(frozen=True)
class FailedModel:
    """Evidence of one failed model; everything but log and traceback is already sanitised."""

    index: int
    seen: tuple[str, ...]
    traceback: str
    log: LogCapture


@dataclass(frozen=True)
class FailureCause:
    """One cause of failure, and the first models that failed of it."""

    group: FailureGroup
    models: tuple[FailedModel, ...]


def failure_causes(report: Report) -> list[FailureCause]:
    """Return all causes of failure, the most frequent first."""
    by_index = {model.index: model for model in report.models}
    return [
        FailureCause(group, tuple(_failed_model(by_index[index]) for index in group.indices[:SHOWN]))
        for group in failures(report.models)
    ]


def printed(report: Report) -> list[ModelOutcome]:
    """Return the finished models that printed something."""
    return [model for model in report.models if model.status.finished and model.log.head]


def _failed_model(model: ModelOutcome) -> FailedModel:
    evidence = model.evidence
    facts = {
        "ended after": None if evidence.elapsed_s is None else duration(evidence.elapsed_s),
        "limit": None if evidence.limit_s is None else amount(evidence.limit_s, model.clock),
        "used of it": None if model.clock == "wall" or model.charged is None else amount(model.charged, model.clock),
        "exit status": evidence.exit_code,
        "signal": evidence.signal,
        "killed for memory by the kernel": "yes" if evidence.oom_killed else None,
        "processes and threads refused": evidence.refused_forks,
        "bytes of weights received": evidence.bytes_received,
        "last message from the sandbox": evidence.last_frame,
        "exception": evidence.error_type,
        "peak memory": None if model.peak_rss_mib is None else f"{model.peak_rss_mib:.0f} MiB",
        "started": f"{model.attempts} times" if model.attempts > 1 else None,
    }
    described = [plain(f"{name}: {value}") for name, value in facts.items() if value is not None]
    described += [plain(text) for text in (*evidence.notes, *model.earlier_attempts)]
    return FailedModel(model.index, tuple(described or ["no further evidence"]), evidence.traceback or "", model.log)
