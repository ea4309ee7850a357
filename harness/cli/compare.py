"""``harness compare``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

# Exit code of --fail-on-drift if a metric has changed between torch versions.
DRIFT_FOUND = 5
OUTPUT = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.command("compare", short_help="Compare finished runs.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Only this metric, e.g. lira.auc; may be repeated."
)
@click.option("--all", "everything", is_flag=True, help="All metrics.  [default: the headline metrics]")
@click.option(
    "--forgetting", metavar="METRIC", help="Metric of the page's plots.  [default: forgetting.memory_left_worst]"
)
@click.option("--utility", metavar="METRIC", help="Metric on the other axis of the plots.  [default: accuracy.test]")
@click.option(
    "--drift/--no-drift",
    default=None,
    help="Compare one method under several versions of torch.  [default: if only torch differs]",
)
@click.option("--fail-on-drift", is_flag=True, help="Exit with 5 if a metric has drifted; implies --drift.")
@click.option("-o", "--output", "page", type=OUTPUT, help="Write a self-contained HTML page with plots.")
@click.option("--csv", "csv_file", type=OUTPUT, help="Write the table as CSV.")
@click.option("--latex", "latex_file", type=OUTPUT, help="Write the table as LaTeX.")
@click.option("--json", "json_file", type=OUTPUT, help="Write the whole comparison as JSON.")
def compare_command(
    runs: tuple[Path, ...],
    metrics: tuple[str, ...],
    everything: bool,
    forgetting: str | None,
    utility: str | None,
    drift: bool | None,
    fail_on_drift: bool,
    page: Path | None,
    csv_file: Path | None,
    latex_file: Path | None,
    json_file: Path | None,
) -> None:
    """Compare finished runs; the first is the baseline.

    RUN is a run's folder, a report.json, or a folder of runs. Differences are marked only if they exceed their uncertainty.
    Runs that are not comparable are rejected, with the reason. Runs on several tasks make a table for each task, on the
    page, too; the other files take the runs on one task.

    The file name - is standard output; the table is then not printed.

    Exits with 54 if the runs cannot be compared.
    """
    from harness.comparing import by_task, compare, is_drift, load_reports, print_comparison
    from harness.comparing import drift as compare_drift
    from harness.comparing.exporting import FORMATS, STDOUT, check_targets, write
    from harness.comparing.trade_off import UTILITY
    from harness.errors import UsageError

    files = (page, csv_file, latex_file, json_file)
    targets = [(kind, path) for kind, path in zip(FORMATS, files, strict=True) if path is not None]
    if fail_on_drift and drift is False:
        raise UsageError("--fail-on-drift and --no-drift contradict each other; pass only one of them.")
    reports = load_reports(runs)
    check_targets([path for _, path in targets], reports)
    compared = partial(
        compare, metrics=metrics, everything=everything, forgetting=forgetting, utility=utility or UTILITY
    )
    groups = by_task(reports)
    if drift or fail_on_drift or (drift is None and len(reports) > 1 and is_drift(reports)):
        made = [compare_drift(reports, metrics=metrics, everything=everything)]
    elif (
        len(groups) > 1
        and {kind for kind, _ in targets} <= {"html"}
        and any(len(group) > 1 for group in groups.values())
    ):
        made = [compared(group) for group in groups.values() if len(group) > 1]
        for task, group in groups.items():
            if len(group) == 1:
                click.echo(f"Not compared: the only run on {task}, {group[0].folder}.", err=True)
    else:
        made = [compared(reports)]
    for kind, path in targets:
        write(made, kind, path)
    if STDOUT not in [path for _, path in targets]:
        for one in made:
            print_comparison(one)
    if fail_on_drift and made[0].marked:
        raise SystemExit(DRIFT_FOUND)


COMMANDS = (compare_command,)
