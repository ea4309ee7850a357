"""``harness run``, ``resume``, ``evaluate``, ``score`` and ``outputs``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import config_options

if TYPE_CHECKING:
    from harness.choices import FailedAs
    from harness.library.result import RunReport

# exit code of a run without a finished model, which nevertheless writes its report
NO_MODEL_FINISHED = 3

failed_as_option = click.option(
    "--failed-as",
    type=click.Choice(["missing", "noop"]),
    help="Exclude failed models, or count each as its original.",
)
EVALUATOR_HELP = "Only this evaluator, `default` or `all`; may be repeated.  [default: default]"
export_option = click.option(
    "--export", "exporters", multiple=True, help="Export the finished run with this exporter; may be repeated."
)


@click.command("run", short_help="Run an unlearning plugin on a task and report.")
@config_options()
@click.option("--dry-run", is_flag=True, help="Check everything and show the plan; train and run nothing.")
@export_option
def run_command(pairs: tuple[str, ...], exporters: tuple[str, ...], debug: bool, dry_run: bool, **options: Any) -> None:
    """Run an unlearning plugin on a task and report.

    Trains the reference models (once; they are cached), measures the retraining time, runs the plugin on every original model
    within a fraction of that time, and writes report.json and report.html into the run folder.

    Exits with 3 if the plugin returned no model; the report contains the reason.

    If the task has several requests (deletions), each is a run below the run folder, on the models that the plugin returned at
    the request before; summary.json and summary.html compare them.

    With several budget fractions, each is a run below the run folder, with the same reference models; curve.json and curve.html
    show forgetting and utility against the share of retraining.

    With several versions of torch, the run folder has an ordinary run for each, and the output shows which numbers changed
    significantly. With --pdb, models are unlearned one after another up to the first failure, and nothing is scored.

    With --dry-run, the options, the plugin, the task and its data are checked, and the plan is shown: which models are cached,
    the expected time (from earlier runs on this machine), memory and disk, and whether a verdict is possible. The exit code is
    that of the first fault. Packages that would have to be built or downloaded are not looked into.
    """
    from harness.cli.budgets import run_curve
    from harness.cli.requests import run_requests, stream_task
    from harness.errors import UsageError
    from harness.library.calls import run
    from harness.runs.budgets import check_budgets
    from harness.runs.config import RunConfig, parse_options

    several = "," in (options["torch"] or "")
    if isinstance(options["budget_fraction"], tuple):
        if several:
            raise UsageError("Pass several versions with --torch or several shares with --budget-fraction, not both.")
        given = {**options, "options": parse_options(pairs), "debug": debug}
        shares = given.pop("budget_fraction")
        if dry_run:
            _show_plan(given | {"budget_fraction": check_budgets(RunConfig(**given), shares)[-1]}, budgets=len(shares))
        else:
            run_curve(given, shares, exporters)
        return
    if dry_run:
        _check(exporters)
        _show_plan({**options, "options": parse_options(pairs), "debug": debug})
        return
    if not several and stream_task(options["task"]):
        run_requests({**options, "options": parse_options(pairs), "debug": debug}, exporters)
        return
    if debug or several:
        _run_otherwise({**options, "options": parse_options(pairs)}, exporters, debug)
        return
    _check(exporters)
    show_report(run(options=parse_options(pairs), **options, progress="rich"), exporters)


@click.command("resume", short_help="Continue an interrupted run.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--workers", type=int, help="New number of parallel models, each with as many cores as before.")
@failed_as_option
@click.option("--keep-going", is_flag=True, help="Run all models, although the first three failed alike.")
@export_option
def resume_command(
    folder: Path, workers: int | None, failed_as: FailedAs | None, keep_going: bool, exporters: tuple[str, ...]
) -> None:
    """Continue the interrupted run in FOLDER without repeating models that have ended.

    A run that stopped because its first three models failed alike continues only with --keep-going.
    """
    from harness.cli.budgets import resume_curve
    from harness.cli.matrix import resume_versions
    from harness.cli.requests import resume_requests
    from harness.cli.study import resume_study
    from harness.library.calls import resume

    if resume_versions(folder, exporters, workers, failed_as, keep_going=keep_going):
        return
    if resume_requests(folder, exporters, workers, failed_as, keep_going=keep_going):
        return
    if resume_curve(folder, exporters, workers, failed_as, keep_going=keep_going):
        return
    refused = {"--export": exporters, "--workers": workers, "--failed-as": failed_as, "--keep-going": keep_going}
    if resume_study(folder, [(flag, bool(given)) for flag, given in refused.items()]):
        return
    _check(exporters)
    show_report(resume(folder, workers=workers, failed_as=failed_as, keep_going=keep_going, progress="rich"), exporters)


@click.command("evaluate", short_help="Evaluate a finished or interrupted run again, without unlearning.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--evaluator", "evaluators", multiple=True, help=EVALUATOR_HELP)
@failed_as_option
@export_option
def evaluate_command(
    folder: Path, evaluators: tuple[str, ...], failed_as: FailedAs | None, exporters: tuple[str, ...]
) -> None:
    """Evaluate the run in FOLDER again, e.g. with a newly installed evaluator; nothing is unlearned again.

    Of an interrupted run the finished models are evaluated; the others count as failed. The report and its page are written
    again. Records of evaluators that were not requested stay unchanged.
    """
    from harness.library.calls import evaluate

    _check(exporters)
    show_report(evaluate(folder, evaluators, failed_as=failed_as, progress="rich"), exporters)


@click.command("score", short_help="Evaluate outputs that were computed elsewhere.")
@click.argument("outputs", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="Folder of the report.  [default: runs/TIME-NAME-TASK]"
)
@click.option("--name", help="Name of the method.  [default: the file's name]")
@click.option("--task", help="Name of the task.")
@click.option("--evaluator", "evaluators", multiple=True, help=EVALUATOR_HELP)
@export_option
def score_command(outputs: Path, exporters: tuple[str, ...], **options: Any) -> None:
    """Evaluate OUTPUTS of models that were trained and unlearned elsewhere.

    OUTPUTS is an .npz file, or a folder of .npy files, of these arrays; N models, n examples, C classes:

    \b
    POPULATION.SPLIT.logits         (N, n, C)  original, retrained, control, unlearned; forget, retain, test, validation
    POPULATION.SPLIT.phi            (N, n)     instead: log p - log(1 - p) of the true class
    SPLIT.labels                    (n,)       classes from 0; required beside logits
    SPLIT.ids, .subjects, .true_labels  (n,)   optional
    class_names, unlearned_from, design, seed  optional
    forget.twins.SPLIT, validation.never_trained, altered  optional
    POPULATION.forget.logits.QUERY  (N, n, C)  optional: on changed inputs

    Only unlearned and retrained models on the forget set are required; 32 or more models of each are advised. The report is
    marked as not run here. `harness outputs` writes the outputs of a run in this form.
    """
    from harness.library.calls import score

    _check(exporters)
    show_report(score(outputs, **options, progress="rich"), exporters)


@click.command("outputs", short_help="Write the outputs of a run's models as arrays.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    help="An .npz file, or a new folder of .npy files.",
)
def outputs_command(folder: Path, output: Path) -> None:
    """Write the outputs of all models of the run in FOLDER as arrays that `harness score` reads.

    The reference models come from the cache, or are trained again. Times are left out.
    """
    from harness.library.calls import outputs

    found = outputs(folder, output, progress="rich")
    click.echo(f"{len(found)} arrays: {output}")


def _run_otherwise(options: dict[str, Any], exporters: tuple[str, ...], debug: bool) -> None:
    """Execute ``--pdb`` or several ``--torch`` versions, which produce no report or several."""
    from harness.cli.matrix import refuse_export, run_versions
    from harness.cli.shell import debug_command

    refuse_export(exporters)
    if debug:
        debug_command(options)
    else:
        run_versions(options.pop("torch"), options)


def _show_plan(options: dict[str, Any], budgets: int = 1) -> None:
    """Check a run without starting it, and print its plan; of several versions of torch, that of each.

    Of several budgets, the plan is that of the largest.
    """
    from rich.table import Table

    from harness.core.printing import console
    from harness.core.progress_bars import RichProgress
    from harness.report.words import plain
    from harness.runs.config import RunConfig
    from harness.runs.dry_run import dry_run
    from harness.runs.torch_matrix import torch_versions

    versions = torch_versions(options["torch"]) if "," in (options["torch"] or "") else ()
    config = RunConfig(**{**options, "torch": None if versions else options["torch"]})
    with RichProgress() as progress:
        plan = dry_run(config, progress)
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    if budgets > 1:
        table.add_row("Budgets", f"{budgets}, a run for each; the plan is that of the largest")
    if requests := plan.task.deletions:
        table.add_row("Requests", f"{requests}, one after the other; the plan is that of the first")
    for name, text in plan.rows():
        table.add_row(name, plain(text))
    if versions:
        table.add_row("Versions", f"torch {', '.join(versions)}: unlearning and scoring are repeated for each")
    title = f"{plain(config.plugin)} on {plain(plan.task.name)}; nothing was trained or run."
    console().print(title, markup=False, highlight=False)
    console().print(table)
    click.echo("Times are those of earlier runs on this machine.")


def _check(exporters: Sequence[str]) -> None:
    """Validate exporter names before the run starts."""
    from harness.plugins.exporters import choose_exporters

    choose_exporters(exporters)


def show_report(report: RunReport, exporters: tuple[str, ...]) -> None:
    """Print the summary and export the run; an export error takes precedence over a failed run."""
    from harness.cli.export import export_and_tell
    from harness.core.printing import console
    from harness.report.summary import render_summary

    try:
        console().print(render_summary(report, report.folder))
        sys.stdout.flush()
    except (
        OSError
    ) as error:  # the report is written, so a full disk behind standard output must not change the exit code
        click.echo(f"Note: the summary could not be printed: {error}. See {report.folder}.", err=True)
    if exporters:
        export_and_tell(report, exporters)
    if report.status == "failed":
        raise SystemExit(NO_MODEL_FINISHED)


COMMANDS = (run_command, resume_command, evaluate_command, score_command, outputs_command)
