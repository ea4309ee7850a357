"""Several runs side by side: which differences chance does not explain, and what must not be compared at all.

``compare(load_reports(paths))`` compares methods, ``drift(...)`` one method under several versions of torch; both give a
:class:`Comparison`, which :func:`print_comparison` shows and :mod:`harness.comparing.exporting` writes.
"""

from harness.comparing.building import compare, drift, is_drift
from harness.comparing.comparison import Cell, Comparison, Difference, Method, Row
from harness.comparing.loading import LoadedReport, load_reports
from harness.comparing.table import print_comparison, render_table

__all__ = [
    "Cell",
    "Comparison",
    "Difference",
    "LoadedReport",
    "Method",
    "Row",
    "compare",
    "drift",
    "is_drift",
    "load_reports",
    "print_comparison",
    "render_table",
]
