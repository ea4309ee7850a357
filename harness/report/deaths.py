"""Evidence of a failed model, and models that printed something, for the page."""

from __future__ import annotations

from harness.core.outcomes import ModelOutcome
from harness.report.budget_words import amount
from harness.report.document import Report
from harness.report.words import duration, plain


def printed(report: Report) -> list[ModelOutcome]:
    """Return the finished models that printed something."""
    return [model for model in report.models if model.status.finished and model.log.head]


def evidence_lines(model: ModelOutcome) -> list[str]:
    """Return what was seen of a failed model's end, sanitised; traceback and output are not included."""
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
    return [*described, *(plain(text) for text in (*evidence.notes, *model.earlier_attempts))] or [
        "no further evidence"
    ]
