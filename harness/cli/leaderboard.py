"""``harness leaderboard``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("leaderboard", short_help="A static site that ranks finished runs.")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "site", required=True, metavar="SITE", type=click.Path(path_type=Path), help="The site's folder."
)
@click.option(
    "--rank-by",
    "ranked_by",
    metavar="METRIC",
    help="Metric whose way to perfect ranks.  [default: forgetting.memory_left_worst]",
)
@click.option("--utility", metavar="METRIC", help="Other axis of the pictures.  [default: accuracy.test]")
@click.option("--title", metavar="TEXT", help="Of the page.  [default: Unlearning leaderboard]")
@click.option("--strict", is_flag=True, help="Write nothing and exit with 50 where a report must be left out.")
def leaderboard_command(
    folders: tuple[Path, ...], site: Path, ranked_by: str | None, utility: str | None, title: str | None, strict: bool
) -> None:
    """Make a static site that ranks all finished runs below the folders.

    DIR is a folder in which report.json files lie at any depth. Only runs whose numbers mean the same thing stand in one
    table. What is damaged or no report is left out, listed on the page and said here, and the command ends with 0.

    A site that an earlier call wrote is replaced as a whole; anything else in its place is refused.

    Exits with 46 where something else stands in the site's place, with 43 where no report can be read.
    """
    from harness.comparing.trade_off import UTILITY
    from harness.errors import ReportInvalidError
    from harness.leaderboard import check_target, find_reports, rank_all, words, write_site
    from harness.leaderboard.building import TITLE

    check_target(site)
    found = find_reports(folders)
    for one in found.skipped:
        click.echo(f"Left out: {one.source}: {one.reason}", err=True)
    if strict and found.skipped:
        raise ReportInvalidError(
            f"{len(found.skipped)} reports had to be left out, and --strict was given. Nothing was written."
        )
    made = rank_all(found, ranked_by=ranked_by, utility=utility or UTILITY, title=title or TITLE)
    index = write_site(made, found.entries, site)
    click.echo(f"{index}: {words.counted(made)}")


COMMANDS = (leaderboard_command,)
