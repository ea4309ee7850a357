"""``harness references``."""

from __future__ import annotations

import click


@click.group("references", short_help="Build, list and remove reference populations.")
def references_group() -> None:
    """Build, list and remove the cached populations of originals, retrained models and controls."""


@references_group.command("build")
@click.argument("task")
@click.option("--models", type=click.IntRange(1, 10_000), help="Models per population.  [default: the task's]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="cpu or cuda.  [default: cuda if available]")
def build_command(task: str, models: int | None, device: str | None) -> None:
    """Train and cache the populations of TASK."""
    from harness.core.cache import take_rebuilt
    from harness.core.hardware import gpu_names
    from harness.core.progress_bars import RichProgress
    from harness.errors import GpuUnavailableError
    from harness.plugins.discovery import find_task
    from harness.references.populations import References
    from harness.tasks.checking import load_data
    from harness.tasks.twins import find_twins, twin_warnings

    if device == "cuda" and not gpu_names():
        raise GpuUnavailableError("--device cuda was requested, but torch finds no CUDA device. Pass --device cpu.")
    found = find_task(task)
    data = load_data(found)
    references = References(found, data, device=device or ("cuda" if gpu_names() else "cpu"))
    with RichProgress() as progress:
        for text in twin_warnings(find_twins(data), data.sizes()):
            progress.notice(text)
        populations = references.populations(models or found.models, progress)
        for text in take_rebuilt():
            progress.notice(text)
    for role, population in populations.items():
        click.echo(f"{role}: {len(population.seeds)} models")


@references_group.command("list")
def list_command() -> None:
    """List the cached populations."""
    from harness.cli.catalogue import _print_table
    from harness.core.cache import Cache

    rows = [
        (
            str(entry.inputs.get("task", "?")),
            str(entry.inputs.get("role", "?")),
            str(len(entry.inputs.get("seeds", ()))),
            str(entry.inputs.get("device", "?")),
            f"{entry.size_bytes / 2**20:.1f}",
            f"{entry.used:%Y-%m-%d %H:%M}",
            entry.key[:12],
        )
        for entry in Cache("references").entries()
    ]
    _print_table(("task", "role", "models", "device", "MiB", "last used (UTC)", "key"), rows)


@references_group.command("prune")
@click.option("--task", help="Only populations of this task.")
@click.confirmation_option("--yes", prompt="Remove cached populations? They can be trained again.")
def prune_command(task: str | None) -> None:
    """Remove cached populations."""
    from harness.core.cache import Cache
    from harness.references.populations import prune

    entries, size = prune(Cache("references"), task)
    click.echo(f"Removed {entries} entries, {size / 2**20:.1f} MiB.")


COMMANDS = (references_group,)
