"""Helpers that every package may use: the cache, files, text, hardware, locks and progress.

Nothing here knows a task, a plugin or a run. Imports of the harness: :mod:`harness.errors` and :mod:`harness.evaluation`.
"""
