"""``harness reap``."""

from __future__ import annotations

import click

from harness.cli.cluster import engine_options


@click.command("reap", short_help="Remove leftovers of killed runs.")
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
@engine_options
def reap_command(dry_run: bool, engine: str, address: str | None, insecure_cluster: bool) -> None:
    """Remove leftovers of killed runs.

    These are containers, temporary folders and processes of guests, and incomplete cache entries. Nothing of a running run is
    touched. Every run also does this for its own runner when it starts. With --engine ray, this is done on every node.
    """
    from harness.cli.cluster import check_engine
    from harness.core.text import harmless
    from harness.runs.reaping import reap_all

    reaped = {"": reap_all(dry_run=dry_run)}
    if check_engine(engine, address, insecure_cluster):
        from harness.runs.cluster import reap_nodes

        reaped |= reap_nodes(address, insecure=insecure_cluster, dry_run=dry_run)
    for node, one in reaped.items():
        at = f"{node}: " if node else ""
        for line in one.removed:
            click.echo(f"{at}{'Would remove' if dry_run else 'Removed'}: {harmless(line)}")
        for note in one.notes:
            click.echo(f"{at}Note: {harmless(note)}", err=True)
    if not any(one.removed for one in reaped.values()):
        click.echo("Nothing to remove.")


COMMANDS = (reap_command,)
