"""``harness compare``."""

from __future__ import annotations

from pathlib import Path

import click

# A comparison of versions of torch that finds a number moved ends with this code where the user asked for it.
DRIFT_FOUND = 5
OUTPUT = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.command("compare", short_help="Hold finished runs against each other.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Only this metric, e.g. lira.auc; may be repeated."
)
@click.option("--all", "everything", is_flag=True, help="All metrics.  [default: the headline metrics]")
@click.option(
    "--forgetting", metavar="METRIC", help="Metric of the page's plots.  [default: forgetting.memory_left_worst]"
)
@click.option("--utility", metavar="METRIC", help="Metric it is plotted against.  [default: accuracy.test]")
@click.option(
    "--drift/--no-drift",
    default=None,
    help="One method under several versions of torch.  [default: where nothing but torch differs]",
)
@click.option("--fail-on-drift", is_flag=True, help="Exit with 5 where a number has moved; means --drift.")
@click.option("-o", "--output", "page", type=OUTPUT, help="Write a page with plots, HTML in one file.")
@click.option("--csv", "csv_file", type=OUTPUT, help="Write the numbers as CSV.")
@click.option("--latex", "latex_file", type=OUTPUT, help="Write a LaTeX table.")
@click.option("--json", "json_file", type=OUTPUT, help="Write all of it as JSON.")
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
    """Hold finished runs against each other: the first one against all others.

    RUN is a run's folder, a report.json, or a folder of runs. Differences are marked only where they exceed their uncertainty.
    Runs whose numbers do not mean the same thing are refused, with the reason.

    A file name of - is standard output; the table is then not printed.

    Exits with 54 when the runs cannot be compared.
    """
    from harness.comparing import compare, is_drift, load_reports, print_comparison
    from harness.comparing import drift as compare_drift
    from harness.comparing.exporting import FORMATS, STDOUT, check_targets, write
    from harness.comparing.trade_off import UTILITY
    from harness.errors import UsageError

    files = (page, csv_file, latex_file, json_file)
    targets = [(kind, path) for kind, path in zip(FORMATS, files, strict=True) if path is not None]
    if fail_on_drift and drift is False:
        raise UsageError("--fail-on-drift and --no-drift contradict each other; give only one of them.")
    reports = load_reports(runs)
    check_targets([path for _, path in targets], reports)
    if drift or fail_on_drift or (drift is None and len(reports) > 1 and is_drift(reports)):
        made = compare_drift(reports, metrics=metrics, everything=everything)
    else:
        made = compare(
            reports,
            metrics=metrics,
            everything=everything,
            forgetting=forgetting,
            utility=utility or UTILITY,
        )
    for kind, path in targets:
        write(made, kind, path)
    if STDOUT not in [path for _, path in targets]:
        print_comparison(made)
    if fail_on_drift and made.marked:
        raise SystemExit(DRIFT_FOUND)


COMMANDS = (compare_command,)
