"""``harness plugins``, ``tasks`` and ``evaluators``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click


def _print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    from harness.core.printing import console
    from harness.core.text import harmless

    first, *others = columns  # never wrapped: users copy it into the next command
    names = (Column(first, no_wrap=True), *(Column(name, overflow="fold") for name in others))
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(harmless(cell)) for cell in row))
    console().print(table)


def _print_faults(faults: Iterable[str]) -> None:
    from harness.core.text import harmless

    for fault in faults:
        click.echo(f"\nBroken: {harmless(fault)}", err=True)


def _print_damaged() -> None:
    from harness.plugins.discovery import damaged_distributions

    _print_faults(damaged_distributions())


@click.command("plugins", short_help="List the installed unlearners, or show one.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document; needs NAME.")
def plugins_command(name: str | None, as_json: bool) -> None:
    """List the installed unlearners. With NAME, show one: its package, description, and options with defaults.

    NAME is a plugin's name, or the path of a .py file, notebook or wheel. Only metadata and source text are read; no plugin is
    imported.
    """
    if name is not None:
        _print_one_plugin(name, as_json)
        return
    _needs_name(as_json)
    from harness.plugins.discovery import UNLEARNERS, ambiguous, duplicates, find_plugins

    plugins = find_plugins(UNLEARNERS)
    doubled = duplicates(plugins)
    _print_table(
        ("name", "distribution", "version", "entry point"),
        ((one.name, one.distribution, one.version, one.value) for one in plugins),
    )
    _print_faults(ambiguous(name, group) for name, group in doubled.items())
    _print_damaged()


def _print_one_plugin(name: str, as_json: bool) -> None:
    from harness.cli.plugin_page import plugin_json, print_plugin
    from harness.core.printing import console
    from harness.runners.bundles.describing import describe

    found = describe(name)
    if as_json:
        click.echo(plugin_json(found), nl=False)
    else:
        print_plugin(found, name, console())


@click.command("tasks", short_help="List the tasks, or show one.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document; needs NAME.")
def tasks_command(name: str | None, as_json: bool) -> None:
    """List the tasks and those that cannot be used. With NAME, show one of them; nothing is trained.

    NAME is a task's name or the path of a YAML file. Shown are its data with an example of each class, its network, what
    retraining costs as far as it was measured on this machine, and which reference models are cached.
    """
    if name is not None:
        _print_one_task(name, as_json)
        return
    _needs_name(as_json)
    from harness.plugins.discovery import load_tasks

    loaded, broken = load_tasks()
    others = {entry.task.name: f" ({entry.found.provider})" for entry in loaded if not entry.found.bundled}
    _print_table(
        ("name", "description"),
        ((task.name, f"{task.description}{others.get(task.name, '')}") for task in (entry.task for entry in loaded)),
    )
    _print_faults(plugin.reason for plugin in broken)
    _print_damaged()


def _print_one_task(name: str, as_json: bool) -> None:
    from harness.cli.task_page import print_task, task_json
    from harness.core.printing import console
    from harness.plugins.discovery import find_task
    from harness.runs.task_summary import summarise

    summary = summarise(find_task(name))
    if as_json:
        click.echo(task_json(summary), nl=False)
    else:
        print_task(summary, console())


def _needs_name(as_json: bool) -> None:
    from harness.errors import UsageError

    if as_json:
        raise UsageError("--json needs a NAME; without it, only a table is printed.")


@click.command("evaluators", short_help="List the evaluators.")
def evaluators_command() -> None:
    """List the evaluators and those that cannot be used."""
    from harness.plugins.discovery import load_evaluators

    loaded, broken = load_evaluators()
    _print_table(
        ("name", "version", "distribution", "measures"),
        ((e.info.name, e.info.version, e.found.provider, e.info.summary) for e in loaded),
    )
    _print_faults(plugin.reason for plugin in broken)
    _print_damaged()


COMMANDS = (plugins_command, tasks_command, evaluators_command)
