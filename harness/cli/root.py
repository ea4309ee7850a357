"""The command group, and how errors become messages and exit codes."""

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
    export,
    images,
    leaderboard,
    logs,
    new,
    reap,
    references,
    runs,
    shell,
    system,
)
from harness.cli.faults import fault_message
from harness.cli.streams import OutputError, make_tolerant
from harness.errors import HarnessError, InterruptedRunError, OutputUnwritableError
from harness.text import harmless
from harness_guest.texts import shortened

MESSAGE_CHARS = 8_000
NOT_HANDLED = 70  # an exception that no code handles: EX_SOFTWARE of sysexits(3)


class HarnessGroup(click.Group):
    """A group whose commands end with a message and a code of their own when they raise a HarnessError."""

    def invoke(self, context: click.Context) -> object:
        """Run the chosen command; turn a HarnessError into its message and exit code."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except HarnessError as error:
            click.echo(f"Error: {shortened(harmless(str(error)), MESSAGE_CHARS)}", err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Stopped. What was finished is kept; give the same command again to go on.", err=True)
            context.exit(InterruptedRunError.exit_code)
        except OutputError as error:
            click.echo(f"Error: what was to be printed cannot be written: {error}", err=True)
            context.exit(OutputUnwritableError.exit_code)
        except Exception as error:
            click.echo(f"Error: {fault_message(error)}", err=True)
            context.exit(NOT_HANDLED)
        return result


@click.group(cls=HarnessGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Decide whether a machine-unlearning method works.

    Runs an unlearning plugin in a sandbox under a time limit on models trained with the data to forget, and compares what
    comes back with models that never saw it.

    \b
    harness run --plugin finetune      a first result, nothing to download
    harness plugins                    which methods are installed
    harness doctor                     what this machine can do
    """


for command in (
    *runs.COMMANDS,
    *logs.COMMANDS,
    *reap.COMMANDS,
    *catalogue.COMMANDS,
    *images.COMMANDS,
    *references.COMMANDS,
    *check.COMMANDS,
    *shell.COMMANDS,
    *compare.COMMANDS,
    *leaderboard.COMMANDS,
    *export.COMMANDS,
    *new.COMMANDS,
    *system.COMMANDS,
):
    cli.add_command(command)


def _stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  (the signature of a signal handler)
    raise KeyboardInterrupt


def main() -> None:
    """Entry point of the console script."""
    # Threads that spin while they wait take the cores from those that work, many times over on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    make_tolerant()
    # Both would read the entry points of all that is installed, and die of one damaged package of a stranger.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
    signal.signal(signal.SIGTERM, _stop)  # ends as Ctrl-C does, with everything cleaned up
    cli.main(prog_name="harness")
