"""``harness leaderboard``."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import click


@click.command("leaderboard", short_help="Build a static site that ranks finished runs.")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "site", required=True, metavar="SITE", type=click.Path(path_type=Path), help="Folder of the site."
)
@click.option(
    "--rank-by",
    "ranked_by",
    metavar="METRIC",
    help="Metric to rank by.  [default: forgetting.memory_left_worst]",
)
@click.option("--utility", metavar="METRIC", help="Metric on the other axis of the plots.  [default: accuracy.test]")
@click.option("--title", metavar="TEXT", help="Page title.  [default: Unlearning leaderboard]")
@click.option(
    "--public/--no-public",
    default=None,
    help="Leave out seeds, example ids, task definitions, paths and output of plugins.  [default: if a task has secret: true]",
)
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key of the commitments of a public site, made if it is missing; keep it secret.  [default: SITE.key]",
)
@click.option(
    "--exclude",
    "excluded",
    metavar="RUN=REASON",
    multiple=True,
    help="Take a run, by id or folder, from the tables; method and reason stay on the page.",
)
@click.option("--strict", is_flag=True, help="If a report cannot be used, write nothing and exit with 50.")
def leaderboard_command(
    folders: tuple[Path, ...],
    site: Path,
    ranked_by: str | None,
    utility: str | None,
    title: str | None,
    public: bool | None,
    key: Path | None,
    excluded: tuple[str, ...],
    strict: bool,
) -> None:
    """Build a static site that ranks all finished runs below the folders.

    DIR is searched recursively for report.json files. Each table contains only comparable runs. Unusable files are skipped,
    reported here and listed on the page; the exit code is still 0.

    An existing site of this command is replaced; any other folder is not overwritten.

    Exits with 46 if SITE exists and is not a leaderboard, with 43 if no report can be read.
    """
    from harness.comparing.trade_off import UTILITY
    from harness.errors import ReportInvalidError
    from harness.leaderboards import check_target, find_reports, rank_all, words, write_site
    from harness.leaderboards.building import TITLE
    from harness.leaderboards.excluding import exclude
    from harness.leaderboards.public import Commitments, has_secrets, published

    check_target(site)
    found = find_reports(folders)
    for one in found.skipped:
        click.echo(f"Skipped: {one.source}: {one.reason}", err=True)
    if strict and found.skipped:
        raise ReportInvalidError(
            f"{len(found.skipped)} reports cannot be used and --strict was given; nothing was written. Remove or repair them."
        )
    kept, gone = exclude(found, excluded)
    is_public = has_secrets(found) if public is None else public
    with contextlib.ExitStack() as stack:
        if is_public:
            place = key or site.with_name(f"{site.resolve().name}.key")
            kept = stack.enter_context(published(kept, Commitments.of_file(place)))
        ranked = rank_all(kept, ranked_by=ranked_by, utility=utility or UTILITY, title=title or TITLE)
        made = replace(ranked, excluded=gone, public=is_public)
        index = write_site(made, kept.entries, site)
    click.echo(f"{index}: {words.counted(made)}{f'; public, with the key {place}' if is_public else ''}")


COMMANDS = (leaderboard_command,)
