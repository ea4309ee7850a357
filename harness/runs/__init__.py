"""One run in order: configuration, preparation, the time limit, unlearning, scoring, the report.

``pipeline`` is the way through a run. ``budget`` sets the time limit that the runners enforce; ``runner_choice`` chooses
the runner; ``store`` keeps the run folder.
"""
