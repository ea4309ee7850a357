"""Where the time went, in words for the terminal summary and the page."""

from __future__ import annotations

from harness.report.model import Report
from harness.report.times import SpreadRecord
from harness.report.words import duration

PHASES = {
    "prepare": "preparing",
    "references": "reference models",
    "budget": "measuring retraining",
    "unlearn": "unlearning",
    "evaluate": "scoring",
}
SHORTEST_S = 0.005  # a phase that rounds to nothing is not named


def phase_sentence(report: Report) -> str:
    """How long each phase of the run took; empty where that is not known."""
    shown = [
        f"{PHASES.get(name, name.replace('_', ' '))} {duration(seconds)}"
        for name, seconds in report.phases.items()
        if seconds >= SHORTEST_S
    ]
    return f"Where the time went: {', '.join(shown)}." if shown else ""


def model_sentence(report: Report) -> str:
    """What of the models' time was the method's and what the program's; empty where that is not known."""
    times = report.times
    if times is None or times.charged is None or times.charged_share is None:
        return ""
    imports = (
        "" if times.imports is None else f"; importing the plugin took {duration(times.imports.p50_s)}, not charged"
    )
    each = "" if times.workers == 1 else f" on {times.workers} workers"
    return (
        f"Of the models' time{each}, {100 * times.charged_share:.0f} % was charged to the method (median "
        f"{_spread(times.charged)}{imports}); the program's own was {duration(times.uncharged_s / times.charged.models)} a model."
    )


def _spread(spread: SpreadRecord) -> str:
    return f"{duration(spread.p50_s)}, 90 % within {duration(spread.p90_s)}, longest {duration(spread.max_s)}"
