"""``harness doctor``, ``harness check-runner`` and ``harness schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harness.cli.cluster import engine_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.doctor.checks import Check
    from harness.runners.provider import RunnerProvider

DOCTOR_FOUND_FAULTS = 4


runner_option = click.option(
    "--runner", default="docker", show_default=True, help="The runner to check: docker, podman or another's name."
)


@click.command("doctor", short_help="Check this machine's prerequisites.")
@runner_option
@click.option("--attack", is_flag=True, help="Also run hostile plugins in the sandbox; takes minutes.")
@engine_options
def doctor_command(runner: str, attack: bool, engine: str, address: str | None, insecure_cluster: bool) -> None:
    """Check this machine's prerequisites and print advice for each problem.

    With --attack, also run plugins that try to break the sandbox, each in its own containers with tight limits, and report
    which of the sandbox's promises hold on this engine.

    With --engine ray, also check every node of the cluster: versions, kind, cores, priority, and what to do.

    Exits with 4 if a check fails or an attack succeeds; warnings do not count.
    """
    from harness.cli.cluster import check_engine
    from harness.core.printing import console
    from harness.doctor.diagnosis import diagnose, print_checks
    from harness.runners.registry import load_runner

    target, provider = console(), load_runner(runner)
    if attack:
        _refuse_attack(provider)
    checks = diagnose(provider=provider)
    print_checks(checks, target)
    if check_engine(engine, address, insecure_cluster):
        from harness.doctor.nodes import node_checks

        nodes = node_checks(address, insecure=insecure_cluster)
        print_checks(nodes, target)
        checks += nodes
    if attack:
        found = _attacked(provider)
        print_checks(found, target)
        checks += found
    _exit(checks)


@click.command("check-runner", short_help="Check that a runner keeps its contract.")
@click.argument("name")
@click.option("--no-attack", is_flag=True, help="Leave out the hostile plugins, which take minutes.")
def check_runner_command(name: str, no_attack: bool) -> None:
    """Check that the runner NAME keeps its contract: methods, streams, kills, limits, facts, and that nothing is left behind.

    A runner that says that it isolates is then attacked, as by `harness doctor --attack`.

    Exits with 4 if a check fails or an attack succeeds.
    """
    from harness.core.printing import console
    from harness.core.progress_bars import RichProgress
    from harness.doctor.diagnosis import print_checks
    from harness.doctor.runner_contract import contract_checks
    from harness.runners.registry import load_runner

    target, provider = console(), load_runner(name)
    with RichProgress() as progress:
        checks = contract_checks(provider, progress)
    print_checks(checks, target)
    if provider.isolates and not no_attack and not any(check.status == "fail" for check in checks):
        found = _attacked(provider)
        print_checks(found, target)
        checks += found
    _exit(checks)


def _refuse_attack(provider: RunnerProvider) -> None:
    from harness.errors import UsageError

    if not provider.isolates:
        raise UsageError(f"--attack needs a sandbox, but the runner {provider.name!r} does not isolate plugins.")


def _exit(checks: Iterable[Check]) -> None:
    if any(check.status == "fail" for check in checks):
        raise SystemExit(DOCTOR_FOUND_FAULTS)


def _attacked(provider: RunnerProvider) -> list[Check]:
    from harness.core.progress_bars import RichProgress
    from harness.doctor.attack_report import attack_checks

    with RichProgress() as progress:
        return attack_checks(provider, progress)


@click.command("schema", short_help="Print the report's JSON Schema.")
@click.option("--stream", is_flag=True, help="That of the summary.json of a stream of requests.")
def schema_command(stream: bool) -> None:
    """Print the JSON Schema of report.json."""
    from harness.report.schema import STREAM_SCHEMA_PATH, shipped_schema_text

    click.echo(STREAM_SCHEMA_PATH.read_text(encoding="utf-8") if stream else shipped_schema_text(), nl=False)


COMMANDS = (doctor_command, check_runner_command, schema_command)
