"""``harness study`` and ``harness tune``, and the continuation of a study by ``harness resume``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import config_options
from harness.studies.keys import RUN_KEYS

if TYPE_CHECKING:
    from harness.studies.definition import Study
    from harness.studies.running import Part


@click.command("study", short_help="Run methods, options, tasks, seeds and budgets; compare all.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--plugin", "plugins", multiple=True, help="Without FILE: a method; may be repeated.")
@click.option(
    "--set", "pairs", multiple=True, metavar="KEY=VALUE,...", help="Without FILE: values of an option to try."
)
@click.option("--task", "tasks", multiple=True, help="Without FILE: a task; may be repeated.")
@click.option("--seeds", type=int, default=1, show_default=True, help="Without FILE: number of seeds.")
@click.option("--budget-fraction", "budgets", help="Without FILE: shares of retraining, with commas.")
@config_options(*RUN_KEYS)
@click.option(
    "--output", "-o", "folder", type=click.Path(path_type=Path), help="Folder of the study.  [default: runs/study-NAME]"
)
@click.option("--dry-run", is_flag=True, help="Check everything and show the plan; train and run nothing.")
@click.option("--cell", type=int, metavar="K", help="Make the run of this number only, from 1.")
@click.option("--shard", metavar="I/N", help="Make every N-th run from the I-th only.")
@click.option("--retry-failed", is_flag=True, help="Make runs again that could not be made.")
def study_command(
    file: Path | None,
    plugins: tuple[str, ...],
    pairs: tuple[str, ...],
    tasks: tuple[str, ...],
    seeds: int,
    budgets: str | None,
    folder: Path | None,
    dry_run: bool,
    cell: int | None,
    shard: str | None,
    retry_failed: bool,
    **options: Any,
) -> None:
    """Run every combination of methods, options, tasks, seeds and budgets of FILE, and compare them.

    Each combination is a run in the folder of the study, which also gets study.csv and study.html. The plan is shown first.
    The same command continues a study that was stopped; several processes, also on several machines, may work on one folder.

    Where a method has several settings, the best is chosen by one half of the models and judged by the other half.

    Options of runs are those of `harness run`; with FILE they are in its section `run`. A run that cannot be made, e.g. because
    the plugin does not load, is a result; the study goes on.
    """
    from harness.errors import UsageError
    from harness.studies.definition import load_study
    from harness.studies.given import study_of_options
    from harness.studies.running import Part

    given = _given(options)
    if file is not None:
        if plugins or pairs or tasks or budgets or given or seeds != 1:
            raise UsageError("With FILE, methods, tasks and options are in the file; pass only where and what to run.")
        study = load_study(file)
    else:
        study = study_of_options(plugins, pairs, tasks, seeds, budgets, given)
    part = Part(cell, *_shard(shard), retry=retry_failed)
    folder = folder or Path("runs") / f"study-{study.name}"
    work(study, folder, part, dry_run=dry_run)


def work(study: Study, folder: Path, part: Part | None = None, *, dry_run: bool = False) -> None:
    """Show the plan of a study, make its runs, and write and print its results."""
    from harness.core.printing import console
    from harness.core.progress_bars import RichProgress
    from harness.studies.page import write_page
    from harness.studies.planning import plan_study
    from harness.studies.results import study_results
    from harness.studies.running import Part, begin, given_back, run_study
    from harness.studies.tables import render_results, write_csv

    part = part or Part()
    cells = part.of(study)
    made = not dry_run and begin(study, folder)
    with given_back(folder, made=made), RichProgress() as progress:
        plan = plan_study(study, folder, progress, cells)
    if plan.groups or dry_run:
        _show_plan(study, plan.rows(), nothing=dry_run)
    if dry_run:
        return
    with RichProgress() as progress:
        elsewhere = run_study(study, folder, progress, part)
        results = study_results(study, folder, progress)
        write_csv(results)
        write_page(results)
    console().print(render_results(results))
    if elsewhere:
        click.echo(f"Other processes are working on {elsewhere} runs; run the command again when they have ended.")


def resume_study(folder: Path, refused: Sequence[tuple[str, bool]]) -> bool:
    """Continue the study in a folder; return False if it has none.

    Args:
        folder: of the study.
        refused: options that are for single runs, and whether each was given.
    """
    from harness.errors import UsageError
    from harness.studies.running import is_study, opened

    if not is_study(folder):
        return False
    for flag, given in refused:
        if given:
            raise UsageError(f"{flag} needs a single run; pass it with the folder of one run, {folder}/cells/*.")
    work(opened(folder), folder)
    return True


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that the user gave."""
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    return {name: value for name, value in options.items() if context.get_parameter_source(name) is not default}


def _shard(text: str | None) -> tuple[int, int]:
    from harness.errors import UsageError

    if text is None:
        return 1, 1
    first, sign, last = text.partition("/")
    if not sign or not first.isdecimal() or not last.isdecimal():
        raise UsageError(f"--shard takes I/N, e.g. 2/10, not {text!r}.")
    return int(first), int(last)


def _show_plan(study: Study, rows: Any, *, nothing: bool) -> None:
    from rich.table import Table

    from harness.core.printing import console
    from harness.report.words import plain

    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    for name, text in rows:
        table.add_row(name, plain(text))
    title = f"Study {plain(study.name)}{'; nothing was trained or run' if nothing else ''}."
    console().print(title, markup=False, highlight=False)
    console().print(table)
    click.echo("Times are those of earlier runs on this machine.")


@click.command("tune", short_help="Search a method's options, then run it with the best.")
@click.argument("plugin")
@click.option(
    "--search",
    multiple=True,
    metavar="KEY=RANGE",
    help="Range of an option: LOW..HIGH, LOW..HIGH:log or A,B; may be repeated.",
)
@click.option("--trials", type=int, default=20, show_default=True, help="Number of settings to try, in all.")
@click.option(
    "--output", "-o", "folder", type=click.Path(path_type=Path), help="Folder.  [default: runs/tune-NAME-TASK]"
)
@config_options("task", "options", "seed", "budget_fraction", *RUN_KEYS)
def tune_command(
    plugin: str, search: tuple[str, ...], trials: int, folder: Path | None, pairs: tuple[str, ...], **options: Any
) -> None:
    """Search the options of the method PLUGIN with Optuna, and run it with the best.

    Every trial is a run on a tuning task: the examples to forget are drawn from those that the final run keeps, all models
    are trained from another seed, and utility is measured on the validation set. The final run is on the task itself; its report
    has the chosen options and the number of settings that were tried.

    The same command continues a search that was stopped, and one that has ended if --trials is larger.
    """
    from harness.cli.runs import show_report
    from harness.core.progress_bars import RichProgress
    from harness.errors import UsageError
    from harness.library.result import RunReport
    from harness.runs.config import RunConfig, parse_options
    from harness.runs.store import plain_name
    from harness.studies.tuning import tune

    if isinstance(options["budget_fraction"], tuple):
        raise UsageError("A search takes one --budget-fraction.")
    config = RunConfig(plugin=plugin, options=parse_options(pairs), **options)
    folder = folder or Path("runs") / f"tune-{plain_name(plugin)}-{plain_name(config.task)}"
    with RichProgress() as progress:
        tuned = tune(config, search, trials, folder, progress)
    chosen = ", ".join(f"{name}={value}" for name, value in tuned.options.items())
    click.echo(f"Best of {tuned.trials} settings: {chosen}")
    show_report(RunReport.of(tuned.result.report, tuned.result.folder), ())


COMMANDS = (study_command, tune_command)
