"""Comparison of runs: significant differences, and which runs must not be compared.

``compare(load_reports(paths))`` compares methods, ``drift(...)`` one method under several versions of torch. Both return a
:class:`Comparison`, which :func:`print_comparison` shows and :mod:`harness.comparing.exporting` writes.
"""

from harness.comparing.building import by_task, compare, drift, is_drift
from harness.comparing.comparison import Cell, Comparison, Difference, Method, Row
from harness.comparing.loading import LoadedReport, load_reports
from harness.comparing.table import print_comparison

__all__ = [
    "Cell",
    "Comparison",
    "Difference",
    "LoadedReport",
    "Method",
    "Row",
    "by_task",
    "compare",
    "drift",
    "is_drift",
    "load_reports",
    "print_comparison",
]
