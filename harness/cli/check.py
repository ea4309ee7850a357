"""``harness check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from harness.cli.options import config_options
from harness.cli.system import DOCTOR_FOUND_FAULTS

if TYPE_CHECKING:
    from harness.choices import Adapter
    from harness.conformance.check import Finding

STYLES = {"ok": "green", "skipped": "yellow", "fail": "bold red"}


@click.command("check", short_help="Check that an unlearner meets the conformance rules.")
@click.argument("plugin")
@config_options("adapter", "runner")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="An option of the plugin; may be repeated.")
def check_command(plugin: str, adapter: Adapter, runner: str, pairs: tuple[str, ...]) -> None:
    """Check that PLUGIN meets the conformance rules, in seconds on tiny networks.

    PLUGIN is a name, the path of a .py file, notebook, wheel or source directory, or name==version.

    Exits with 4 if a check fails; skipped checks do not count.
    """
    from harness.conformance.check_functions import CHECKS
    from harness.conformance.running import Examination, opened
    from harness.core.progress_bars import RichProgress
    from harness.runs.config import parse_options

    with (
        RichProgress() as progress,
        opened(plugin, runner, parse_options(pairs), progress, adapter) as bench,
        progress.step(f"checking {bench.facts.name}", len(CHECKS)) as step,
    ):
        findings = Examination(bench).findings(step)
    _print(findings)
    if any(finding.status == "fail" for finding in findings):
        raise SystemExit(DOCTOR_FOUND_FAULTS)


def _print(findings: Sequence[Finding]) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    from harness.core.printing import console
    from harness.core.text import harmless

    table = Table.grid(
        "", Column(overflow="fold"), padding=(0, 1)
    )  # fold instead of truncating: a long path keeps its end
    for finding in findings:
        detail = f": {harmless(finding.detail)}" if finding.detail else ""
        table.add_row(Text(finding.status, STYLES[finding.status]), Text.assemble((finding.check.name, "bold"), detail))
        if finding.status == "fail":
            table.add_row("", Text(f"required: {finding.check.demand}"))
            table.add_row("", Text(f"-> {finding.advice}"))
    target = console()
    target.print(table)
    counts: Counter[str] = Counter(finding.status for finding in findings)
    target.print(", ".join(f"{counts[status]} {status}" for status in STYLES), highlight=False)


COMMANDS = (check_command,)
