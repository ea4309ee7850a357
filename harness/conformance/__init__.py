"""Conformance checks of unlearners, as a command and as pytest tests.

A check is a small function of :mod:`harness.conformance.demands`; its docstring is the requirement.
"""
