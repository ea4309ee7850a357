"""Wording of the limit, of what models used of it, and of failed models, for terminal and page."""

from __future__ import annotations

import statistics

from harness.core.outcomes import Status
from harness.evaluation import Clock
from harness.report.document import BudgetRecord, Report
from harness.report.words import NOTHING, duration

OPTION = {"wall": "{:.2g}", "cpu": "{:.2g}", "steps": "{:.0f}"}
GENEROUS = 5.0
"""Factor on the limit that is suggested if the cost of retraining is unknown."""


def amount(value: float | None, clock: Clock) -> str:
    """Format a value in the clock's unit, e.g. "0.42 s", "0.42 s of CPU time", "1,800 examples"; None as a dash."""
    if value is None:
        return NOTHING
    if clock == "steps":
        return f"{value:,.0f} examples"
    return duration(value) + (" of CPU time" if clock == "cpu" else "")


def limit_words(budget: BudgetRecord) -> str:
    """Return the limit and its origin, e.g. "0.56 s (20 % of retraining)"; "none" if there was no limit."""
    if budget.limit_s is None:
        return "none"
    share = f" ({100 * budget.fraction:g} % of retraining)" if budget.how == "fraction" and budget.fraction else ""
    return amount(budget.limit_s, budget.clock) + share


def origin_of_limit(budget: BudgetRecord) -> str:
    """Return the limit's origin: a share of the shortest measured retraining (older reports: the median), or given explicitly."""
    if budget.how == "explicit" or budget.fraction is None:
        return "as given"
    measured = budget.retrain_median_s if budget.retrain_min_s is None else budget.retrain_min_s
    which = "median" if budget.retrain_min_s is None else "smallest"
    return f"{100 * budget.fraction:g} % of retraining's {amount(measured, budget.clock)}, the {which} measured"


def used_sentence(report: Report) -> str:
    """Return what the models used, and the limit."""
    budget = report.budget
    charged = [model.charged for model in report.models if model.charged is not None]
    used = "nothing"
    if charged:
        least = f"{min(charged):,.0f}" if budget.clock == "steps" else duration(min(charged))
        used = f"{least} to {amount(max(charged), budget.clock)}"
    if budget.limit_s is None:
        return f"Time: {used} a model; no limit." if charged else "Time: not measured."
    return f"Time: {used} a model; the limit was {amount(budget.limit_s, budget.clock)} ({origin_of_limit(budget)})."


def undependable_sentence(report: Report) -> str:
    """Return why the run's times are unreliable, as a sentence; empty if they are reliable or if it is unknown."""
    because = report.budget.undependable_because
    return f"Times are not dependable: {because}." if because else ""


def failed_sentence(report: Report) -> str:
    """Return how many models failed and how they count; empty if none failed."""
    made = report.populations
    if not made.failed_models:
        return ""
    failed = f"{made.failed_models} of {len(report.models)} models failed"
    if made.substituted:
        return f"{failed}; each counts as its original in all numbers (--failed-as noop)."
    return f"{failed} and are left out of all numbers."


def slow_sentence(report: Report) -> str:
    """Return by what factor the method exceeds the limit if most models timed out; else empty.

    A model stopped at the limit gives only a lower bound.
    """
    budget, models = report.budget, report.models
    late = [model for model in models if model.status is Status.TIMEOUT]
    if not budget.limit_s or 2 * len(late) <= len(models):
        return ""
    limit_s = budget.limit_s
    least = max([1.0, *_factors([model.charged for model in late], limit_s)])
    seen = f"{len(late)} of {len(models)} models used the whole limit without finishing"
    parts = [f"Too slow: {seen}, so the method needs more than {least:.1f} times {amount(limit_s, budget.clock)}"]
    parts += _factor_of_finished([model.charged for model in models if model.status.finished], limit_s)
    more = max(budget.retrain_min_s or budget.retrain_median_s or 0.0, GENEROUS * limit_s)
    option = OPTION[budget.clock].format(more)
    return f"{'; '.join(parts)}. To see what it needs, give more with --time-limit {option}."


def _factors(charged: list[float | None], limit_s: float) -> list[float]:
    """Return the median as a multiple of the limit, in a list; empty if no value is known."""
    known = [value for value in charged if value is not None]
    return [statistics.median(known) / limit_s] if known else []


def _factor_of_finished(charged: list[float | None], limit_s: float) -> list[str]:
    found = _factors(charged, limit_s)
    return [f"the {len(charged)} that finished took {found[0]:.2f} times the limit (median)"] if found else []
