"""``harness logs``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("logs", short_help="Show what the models of a run printed.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--model", type=click.IntRange(min=0), help="Only this model, with its error and what to do about it.")
def logs_command(run: Path, model: int | None) -> None:
    """Show what the models of the run in folder RUN printed, and how each of them ended.

    The run may still be going on. Control characters are shown as visible escapes; what a plugin wrote stands behind a bar.
    """
    from harness.logs import model_log, run_log

    for line in run_log(run) if model is None else model_log(run, model):
        click.echo(line)


COMMANDS = (logs_command,)
