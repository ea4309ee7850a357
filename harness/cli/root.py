"""The ``harness`` command group, and the conversion of exceptions into messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import click

from harness._version import __version__
from harness.cli import (
    catalogue,
    check,
    compare,
    diff,
    export,
    images,
    leaderboard,
    logs,
    ls,
    new,
    reap,
    references,
    runs,
    sharing,
    shell,
    study,
    system,
    view,
)
from harness.cli.faults import fault_message
from harness.cli.streams import OutputError, make_tolerant
from harness.core.text import harmless
from harness.errors import HarnessError, InterruptedRunError, OutputUnwritableError
from harness_guest.texts import shortened

MESSAGE_CHARS = 8_000
NOT_HANDLED = 70  # unhandled exception: EX_SOFTWARE of sysexits(3)


class HarnessGroup(click.Group):
    """A command group that converts a HarnessError into its message and exit code."""

    def invoke(self, context: click.Context) -> object:
        """Run the chosen command; convert exceptions into messages and exit codes."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except HarnessError as error:
            click.echo(f"Error: {shortened(harmless(str(error)), MESSAGE_CHARS)}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Stopped. Finished work is kept; run the same command again to continue.", err=True)
            context.exit(InterruptedRunError.exit_code)
        except OutputError as error:
            click.echo(f"Error: standard output cannot be written: {error}", err=True)
            context.exit(OutputUnwritableError.exit_code)
        except Exception as error:
            click.echo(f"Error: {fault_message(error)}", err=True)
            context.exit(NOT_HANDLED)
        return result


@click.group(cls=HarnessGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Decide whether a machine-unlearning method works.

    Runs an unlearning plugin in a sandbox, under a time limit, on models trained with the forget set, and compares the
    results with models retrained without it.

    \b
    harness run --plugin finetune      get a first result; downloads nothing
    harness ls                         list your runs and their verdicts
    harness plugins                    list the installed methods
    harness doctor                     check this machine
    """


for command in (
    *runs.COMMANDS,
    *logs.COMMANDS,
    *ls.COMMANDS,
    *view.COMMANDS,
    *reap.COMMANDS,
    *catalogue.COMMANDS,
    *images.COMMANDS,
    *references.COMMANDS,
    *check.COMMANDS,
    *shell.COMMANDS,
    *study.COMMANDS,
    *compare.COMMANDS,
    *diff.COMMANDS,
    *leaderboard.COMMANDS,
    *export.COMMANDS,
    *sharing.COMMANDS,
    *new.COMMANDS,
    *system.COMMANDS,
):
    cli.add_command(command)


def _stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the signature of a signal handler)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the console script."""
    # Idle OpenMP threads that spin take cores from working threads, which is costly on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    make_tolerant()
    # Both would read all installed entry points and fail if any package is damaged.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
    signal.signal(signal.SIGTERM, _stop)  # as Ctrl-C, so that everything is cleaned up
    cli.main(prog_name="harness")
