"""``harness run``, ``harness resume`` and ``harness evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# A run that ends without one finished model writes its report and ends with this code.
NO_MODEL_FINISHED = 3


@click.command("run", short_help="Run an unlearning plugin on a task and report.")
@click.option("--plugin", required=True, help="Name, path of a wheel or source directory, or name==version.")
@click.option("--task", default="faces", show_default=True, help="Name of a task, or path of a YAML file.")
@click.option(
    "--runner",
    type=click.Choice(["auto", "docker", "process"]),
    default="auto",
    show_default=True,
    help="Where the plugin runs; `process` gives no isolation.",
)
@click.option("--output", type=click.Path(), help="Run folder.  [default: runs/TIME-PLUGIN-TASK]")
@click.option("--models", type=int, help="Models per population.  [default: the task's]")
@click.option("--repeats", type=int, default=1, show_default=True, help="Unlearn each original so many times.")
@click.option(
    "--design",
    type=click.Choice(["per-original", "one-original"]),
    default="per-original",
    show_default=True,
    help="As many originals as models, or one original again and again.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the unlearning runs.")
@click.option("--time-limit", "time_limit_s", type=float, help="Limit per model, seconds.  [default: measured]")
@click.option("--budget-fraction", type=float, help="Limit as a fraction of retraining time.  [default: the task's]")
@click.option("--evaluator", "evaluators", multiple=True, help="Use only this evaluator; may be repeated.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="An option of the plugin; may be repeated.")
@click.option(
    "--isolation",
    type=click.Choice(["run", "model"]),
    default="run",
    show_default=True,
    help="One sandbox for all models, or one for each.",
)
@click.option("--gpus", default="auto", show_default=True, help="none, all, a number, or UUIDs with commas.")
@click.option("--runtime", help="OCI runtime of the containers, e.g. runsc.  [default: the engine's]")
@click.option("--torch", help="torch version inside the sandbox image.  [default: the host's]")
@click.option("--base", help="Base image of the sandbox.")
@click.option("--cpus", type=int, help="Cores of the sandbox.  [default: all]")
@click.option("--memory", "memory_mib", type=int, default=8192, show_default=True, help="Memory of the sandbox, MiB.")
@click.option("--keep-weights", is_flag=True, help="Keep every unlearned model's weights in the run folder.")
def run_command(pairs: tuple[str, ...], **options: Any) -> None:
    """Run an unlearning plugin on a task and report.

    Trains the reference models (once; they are cached), measures how long retraining takes, runs the plugin on every original
    model within a fraction of that time, and writes report.json and report.html into the run folder.

    Exits with 3 when the plugin returned no model at all; the report then says why.
    """
    from harness.cli.progress import RichProgress
    from harness.config import RunConfig, parse_options
    from harness.pipeline import run

    config = RunConfig(options=parse_options(pairs), **options)
    with RichProgress() as progress:
        result = run(config, progress)
    _show(result)


@click.command("resume", short_help="Go on with an interrupted run.")
@click.argument("folder", type=click.Path(path_type=Path))
def resume_command(folder: Path) -> None:
    """Go on with the interrupted run in FOLDER; finished models are not done again."""
    from harness.cli.progress import RichProgress
    from harness.pipeline import resume

    with RichProgress() as progress:
        result = resume(folder, progress)
    _show(result)


@click.command("evaluate", short_help="Judge a finished run again, without running it again.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--evaluator", "evaluators", multiple=True, help="Only this evaluator; may be repeated.  [default: all]")
def evaluate_command(folder: Path, evaluators: tuple[str, ...]) -> None:
    """Judge the finished run in FOLDER again, e.g. with a newly installed evaluator; nothing is unlearned again.

    The report and its page are written anew. Records of evaluators that were not asked for stay as they are.
    """
    from harness.cli.progress import RichProgress
    from harness.rejudging import rejudge

    with RichProgress() as progress:
        result = rejudge(folder, evaluators, progress)
    _show(result)


def _show(result: Any) -> None:
    from rich.console import Console

    from harness.report.summary import print_summary

    print_summary(result.report, result.folder, Console())
    if result.report.status == "failed":
        raise SystemExit(NO_MODEL_FINISHED)


COMMANDS = (run_command, resume_command, evaluate_command)
