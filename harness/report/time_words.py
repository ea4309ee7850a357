"""Wording of where the time went, for terminal summary and page."""

from __future__ import annotations

from harness.report.document import Report
from harness.report.times import SpreadRecord
from harness.report.words import duration

PHASES = {
    "prepare": "preparing",
    "references": "reference models",
    "budget": "measuring retraining",
    "unlearn": "unlearning",
    "evaluate": "scoring",
}
SHORTEST_S = 0.005  # shorter phases are not listed


def phase_sentence(report: Report) -> str:
    """Return the duration of each phase of the run; empty if unknown."""
    shown = [
        f"{PHASES.get(name, name.replace('_', ' '))} {duration(seconds)}"
        for name, seconds in report.phases.items()
        if seconds >= SHORTEST_S
    ]
    return f"Where the time went: {', '.join(shown)}." if shown else ""


def model_sentence(report: Report) -> str:
    """Return how the models' time splits into the method's and the harness's; empty if unknown."""
    times = report.times
    if times is None or times.charged is None or times.charged_share is None:
        return ""
    imports = (
        "" if times.imports is None else f"; importing the plugin took {duration(times.imports.p50_s)}, not charged"
    )
    each = "" if times.workers == 1 else f" on {times.workers} workers"
    return (
        f"Of the models' time{each}, {100 * times.charged_share:.0f} % was charged to the method (median "
        f"{_spread(times.charged)}{imports}); the harness took {duration(times.uncharged_s / times.charged.models)} a model."
    )


def _spread(spread: SpreadRecord) -> str:
    return f"{duration(spread.p50_s)}, 90 % within {duration(spread.p90_s)}, longest {duration(spread.max_s)}"
