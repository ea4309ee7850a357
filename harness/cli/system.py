"""``harness doctor`` and ``harness schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.cluster import engine_options

if TYPE_CHECKING:
    from harness.doctor.checks import Check

DOCTOR_FOUND_FAULTS = 4


@click.command("doctor", short_help="Check this machine's prerequisites.")
@click.option("--attack", is_flag=True, help="Also run hostile plugins in the sandbox; takes minutes.")
@engine_options
def doctor_command(attack: bool, engine: str, address: str | None, insecure_cluster: bool) -> None:
    """Check this machine's prerequisites and print advice for each problem.

    With --attack, also run plugins that try to break the sandbox, each in its own containers with tight limits, and report
    which of the sandbox's promises hold on this engine.

    With --engine ray, also check every node of the cluster: versions, kind, cores, priority, and what to do.

    Exits with 4 if a check fails or an attack succeeds; warnings do not count.
    """
    from harness.cli.cluster import check_engine
    from harness.core.printing import console
    from harness.doctor.diagnosis import diagnose, print_checks

    target = console()
    checks = diagnose()
    print_checks(checks, target)
    if check_engine(engine, address, insecure_cluster):
        from harness.doctor.nodes import node_checks

        nodes = node_checks(address, insecure=insecure_cluster)
        print_checks(nodes, target)
        checks += nodes
    if attack:
        found = _attacked()
        print_checks(found, target)
        checks += found
    if any(check.status == "fail" for check in checks):
        raise SystemExit(DOCTOR_FOUND_FAULTS)


def _attacked() -> list[Check]:
    from harness.core.progress_bars import RichProgress
    from harness.doctor.attack_report import attack_checks

    with RichProgress() as progress:
        return attack_checks(progress)


@click.command("schema", short_help="Print the report's JSON Schema.")
@click.option("--stream", is_flag=True, help="That of the summary.json of a stream of requests.")
def schema_command(stream: bool) -> None:
    """Print the JSON Schema of report.json."""
    from harness.report.schema import STREAM_SCHEMA_PATH, shipped_schema_text

    click.echo(STREAM_SCHEMA_PATH.read_text(encoding="utf-8") if stream else shipped_schema_text(), nl=False)


COMMANDS = (doctor_command, schema_command)
