"""Bundled evaluators: pure functions of arrays.

Each metric is a package (or, without parts of its own, a module) that holds one hook implementation. Metrics import
from :mod:`harness_evaluators.common`, never from each other.
"""
