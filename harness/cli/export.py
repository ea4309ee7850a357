"""``harness export`` and ``harness exporters``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.catalogue import _print_faults, _print_table

if TYPE_CHECKING:
    from harness.library.result import RunReport


@click.command("export", short_help="Export a finished run, e.g. to an experiment tracker.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--to", "exporters", multiple=True, required=True, help="Name of an exporter; may be repeated.")
def export_command(run: Path, exporters: tuple[str, ...]) -> None:
    """Export the finished run in folder RUN, e.g. to an experiment tracker.

    An exporter is a plugin that runs on the host with your permissions. Exporters should overwrite earlier exports of the same
    run.
    """
    from harness.library.calls import load_report

    export_and_tell(load_report(run), exporters)


@click.command("exporters", short_help="List the exporters.")
def exporters_command() -> None:
    """List the installed exporters and those that cannot be used. Nothing is exported."""
    from harness.errors import HarnessError
    from harness.plugins.discovery import EXPORTERS, find_plugins
    from harness.plugins.exporters import choose_exporters

    faults: dict[str, None] = {}
    plugins = find_plugins(EXPORTERS)
    for name in dict.fromkeys(one.name for one in plugins):
        try:
            choose_exporters([name])
        except HarnessError as error:
            faults[str(error)] = None
    _print_table(
        ("name", "distribution", "version", "entry point"),
        ((one.name, one.distribution, one.version, one.value) for one in plugins),
    )
    _print_faults(faults)


def export_and_tell(report: RunReport, exporters: tuple[str, ...]) -> None:
    """Export a run and print the exporters' messages.

    Raises:
        HarnessError: if an exporter cannot be used or failed.
    """
    from harness.core.text import harmless
    from harness.library.calls import export

    for text in export(report, *exporters):
        click.echo(harmless(text))


COMMANDS = (export_command, exporters_command)
