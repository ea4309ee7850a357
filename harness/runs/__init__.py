"""One run in order: configuration, preparation, the time limit, unlearning, scoring, the report.

``pipeline`` executes a run. ``budget`` sets the time limit that the runners enforce; ``runner_choice`` chooses the runner;
``store`` reads and writes the run folder.
"""
