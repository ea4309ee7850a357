"""The conformance kit: what every unlearner is asked before it is published, as a command and as pytest tests.

A check is one small function of :mod:`harness.conformance.demands` whose docstring is the sentence that it demands.
"""
