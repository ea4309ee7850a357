"""``harness leaderboard``."""

from __future__ import annotations

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
    from harness.errors import ReportInvalidError
    from harness.leaderboards import check_target, find_reports, words
    from harness.leaderboards.making import default_key, make_leaderboard
    from harness.leaderboards.site import INDEX

    check_target(site)
    key = key or default_key(site)  # now: afterwards, the working directory may be a site that was replaced
    found = find_reports(folders)
    for one in found.skipped:
        click.echo(f"Skipped: {one.source}: {one.reason}", err=True)
    if strict and found.skipped:
        raise ReportInvalidError(
            f"{len(found.skipped)} reports cannot be used and --strict was given; nothing was written. Remove or repair them."
        )
    made = make_leaderboard(
        found,
        site,
        ranked_by=ranked_by,
        utility=utility,
        title=title,
        public=public,
        key=key,
        excluded=excluded,
    )
    secret = f"; public, with the key {key}" if made.public else ""
    click.echo(f"{site / INDEX}: {words.counted(made)}{secret}")


COMMANDS = (leaderboard_command,)
