"""A static site that ranks comparable runs by their reports.

``find_reports(folders)`` reads all reports, ``rank_all(...)`` builds a :class:`Leaderboard`, ``write_site(...)`` writes the site.
"""

from harness.leaderboards.board import Board, Leaderboard, Row
from harness.leaderboards.building import rank_all
from harness.leaderboards.finding import Entry, Found, Skipped, find_reports
from harness.leaderboards.site import check_target, write_site

__all__ = [
    "Board",
    "Entry",
    "Found",
    "Leaderboard",
    "Row",
    "Skipped",
    "check_target",
    "find_reports",
    "rank_all",
    "write_site",
]
