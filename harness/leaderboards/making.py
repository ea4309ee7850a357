"""A leaderboard from its reports to its site, for the command line and the library."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.comparing.trade_off import UTILITY
from harness.errors import UsageError
from harness.leaderboards.board import Leaderboard
from harness.leaderboards.building import TITLE, rank_all
from harness.leaderboards.excluding import exclude
from harness.leaderboards.finding import Found
from harness.leaderboards.public import Commitments, has_secrets, published
from harness.leaderboards.site import write_site


def make_leaderboard(
    found: Found,
    site: Path | None,
    *,
    ranked_by: str | None = None,
    utility: str | None = None,
    title: str | None = None,
    public: bool | None = None,
    key: Path | None = None,
    excluded: Sequence[str] = (),
) -> Leaderboard:
    """Rank reports, and write the site.

    Args:
        found: the reports.
        site: its folder; None to write nothing.
        ranked_by, utility, title: see :func:`harness.leaderboards.building.rank_all`; None for the default.
        public: leave out what a public site must not have; None: if a task has ``secret: true``.
        key: file with the key of the commitments of a public site; None for :func:`default_key`.
        excluded: runs to take from the tables, each as "RUN=REASON".

    Raises:
        HarnessError: see the functions that are called.
    """
    kept, gone = exclude(found, excluded)
    is_public = site is not None and (has_secrets(found) if public is None else public)
    with contextlib.ExitStack() as stack:
        if site is not None and is_public:
            kept = stack.enter_context(published(kept, Commitments.of_file(_key_file(site, key))))
        ranked = rank_all(kept, ranked_by=ranked_by, utility=utility or UTILITY, title=title or TITLE)
        made = replace(ranked, excluded=gone, public=is_public)
        if site is not None:
            write_site(made, kept.entries, site)
    return made


def default_key(site: Path) -> Path:
    """Return the file of the key that belongs to a site, beside its folder."""
    place = site.resolve()
    return place.with_name(f"{place.name}.key")


def _key_file(site: Path, key: Path | None) -> Path:
    """Return the file of the key; raise UsageError if it would be published with the site."""
    if key is not None and key.resolve().is_relative_to(site.resolve()):
        raise UsageError(
            f"The key {key} would be published, since it lies in the site {site}. Name a file outside of it."
        )
    return key or default_key(site)
