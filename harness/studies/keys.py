"""Which options of a run a study sets itself, and which it passes on."""

from __future__ import annotations

from harness.runs.config import options_of_runs

OWN = ("plugin", "task", "output", "seed", "budget_fraction", "options", "settings_tried", "force", "debug")
"""Options of a run that a study sets itself."""
RUN_KEYS = tuple(name for name in options_of_runs() if name not in OWN)
"""All others: they are passed on."""
