"""Installed plugins: loading the trusted kinds (evaluators, tasks, exporters), calling exporters.

Unlearners are found here and never imported: they run in the sandbox.
"""
