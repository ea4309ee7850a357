"""``harness shell``, and ``harness run --pdb``: interactive access to a plugin."""

from __future__ import annotations

import signal
import sys
from typing import Any

import click

from harness.cli.options import config_options
from harness.errors import InterruptedRunError

PLUGIN_FAILED = 3  # as of a run without one finished model


@click.command("shell", short_help="Enter the sandbox of a plugin.")
@click.argument("plugin")
@config_options("task", "adapter", "runner", runner="Where the shell runs; `process` gives no isolation.")
@click.option("--command", "-c", help="Run this code non-interactively.")
@click.option("--sh", "program", flag_value="sh", help="Open the system's shell instead of a Python prompt.")
@click.option("--untrained", is_flag=True, help="Use an untrained network instead of an original.")
@config_options(
    *("seed", "time_limit_s", "options", "gpus", "runtime", "torch", "base", "cpus", "memory_mib"),
    seed="Seed of the unlearning.",
    time_limit_s="Value of context.time_limit_s, seconds; not enforced.  [default: none]",
    runtime="OCI runtime of the container, e.g. runsc.  [default: the engine's]",
    torch="torch version inside the sandbox image.  [default: the host's]",
    cpus="Cores of the sandbox.  [default: all]",
    memory_mib="Memory of the sandbox, MiB.",
)
def shell_command(
    command: str | None, program: str | None, untrained: bool, pairs: tuple[str, ...], **options: Any
) -> None:
    """Enter the sandbox in which a run holds PLUGIN: the same image, mounts, user, limits and system-call filter.

    A Python prompt has the first model of the task as `model`, then `retain`, `forget`, `validation`, `context`, and the
    plugin's own function `unlearn`; `run()` calls it as a run does. If the cache has no original, one is trained.

    With --command, or code on standard input, that code is executed, and the command exits with its status. Output in the
    sandbox reaches your terminal. There is no time limit.

    PLUGIN is a name, the path of a .py file, notebook, wheel or source directory, or name==version.
    """
    from harness.core.progress_bars import RichProgress
    from harness.runs.config import RunConfig, parse_options
    from harness.runs.shell import code_from, open_shell

    config = RunConfig(options=parse_options(pairs), **options)
    code = code_from(sys.stdin.isatty(), command)
    signal.signal(signal.SIGHUP, _stop)  # the terminal was closed: remove the sandbox
    try:
        with RichProgress() as progress:
            opened = open_shell(config, progress, fresh=untrained)
        end = opened.enter(program or "python", code)
    except KeyboardInterrupt:
        raise SystemExit(InterruptedRunError.exit_code) from None
    if end.out_of_memory:
        click.echo(f"The memory limit of {config.memory_mib} MiB was hit. Raise it with --memory.", err=True)
    raise SystemExit(end.status)


def debug_command(options: dict[str, Any]) -> None:
    """Execute ``harness run --pdb``."""
    from harness.core.progress_bars import RichProgress
    from harness.runs.config import RunConfig
    from harness.runs.shell import debug

    ended = debug(RunConfig(**options, debug=True), RichProgress())  # not entered, because the plugin uses the terminal
    unscored = "With --pdb there is no time limit, and nothing is scored or written."
    if ended.failed is None:
        click.echo(f"The plugin failed on none of {ended.models} models. {unscored} Run it again without --pdb.")
        return
    click.echo(f"Stopped: the plugin failed on model {ended.failed}. {unscored}", err=True)
    raise SystemExit(PLUGIN_FAILED)


def _stop(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


COMMANDS = (shell_command,)
