"""``harness doctor`` and ``harness schema``."""

from __future__ import annotations

import click

DOCTOR_FOUND_FAULTS = 4


@click.command("doctor", short_help="Check what this machine can do.")
def doctor_command() -> None:
    """Check what this machine can do and say what to do about the rest.

    Exits with 4 when a check fails; warnings alone do not count.
    """
    from rich.console import Console

    from harness.doctor import diagnose, print_checks

    checks = diagnose()
    print_checks(checks, Console())
    if any(check.status == "fail" for check in checks):
        raise SystemExit(DOCTOR_FOUND_FAULTS)


@click.command("schema", short_help="Print the report's JSON Schema.")
def schema_command() -> None:
    """Print the JSON Schema of report.json."""
    from harness.report.schema import shipped_schema_text

    click.echo(shipped_schema_text(), nl=False)


COMMANDS = (doctor_command, schema_command)
