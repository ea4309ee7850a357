"""``harness logs``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("logs", short_help="Show the output of a run's models.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", type=click.IntRange(min=0), help="Only this model, with its traceback and advice.")
def logs_command(run: Path, model: int | None) -> None:
    """Show the output of the models of the run in folder RUN, and the errors of those that failed.

    The run may be in progress. Control characters are shown as escapes; the plugin's own output is marked by a bar.
    """
    from harness.runs.logs import model_log, run_log

    for line in run_log(run) if model is None else model_log(run, model):
        click.echo(line)


COMMANDS = (logs_command,)
