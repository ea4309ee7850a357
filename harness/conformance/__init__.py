"""Conformance checks of unlearners, as a command and as pytest tests.

A check is a small function of :mod:`harness.conformance.check_functions`; its docstring is the requirement.
"""
