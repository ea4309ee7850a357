"""``harness reap``."""

from __future__ import annotations

import click


@click.command("reap", short_help="Remove what runs that were killed have left behind.")
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
def reap_command(dry_run: bool) -> None:
    """Remove what runs that were killed have left behind.

    That is: containers, temporary folders and processes of guests, half-built cache entries. Whatever belongs to a run that is
    still going on is left alone. Every run does the same for its own runner when it begins.
    """
    from harness.reaping import reap_all
    from harness.text import harmless

    reaped = reap_all(dry_run=dry_run)
    for line in reaped.removed:
        click.echo(f"{'Would remove' if dry_run else 'Removed'}: {harmless(line)}")
    for note in reaped.notes:
        click.echo(f"Note: {harmless(note)}", err=True)
    if not reaped.removed:
        click.echo("Nothing was left behind.")


COMMANDS = (reap_command,)
