"""``harness reap``."""

from __future__ import annotations

import click


@click.command("reap", short_help="Remove leftovers of killed runs.")
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def reap_command(dry_run: bool) -> None:
    """Remove leftovers of killed runs.

    These are containers, temporary folders and processes of guests, and incomplete cache entries. Nothing of a running run is
    touched. Every run also does this for its own runner when it starts.
    """
    from harness.core.text import harmless
    from harness.runs.reaping import reap_all

    reaped = reap_all(dry_run=dry_run)
    for line in reaped.removed:
        click.echo(f"{'Would remove' if dry_run else 'Removed'}: {harmless(line)}")
    for note in reaped.notes:
        click.echo(f"Note: {harmless(note)}", err=True)
    if not reaped.removed:
        click.echo("Nothing to remove.")


COMMANDS = (reap_command,)
