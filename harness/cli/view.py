"""``harness view``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("view", short_help="Show the runs in a folder on a local page.")
@click.argument("folder", metavar="DIR", default="runs", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Port on 127.0.0.1.  [default: a free one]")
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def view_command(folder: Path, port: int, opens: bool) -> None:
    """Show the runs in DIR and below it on a local page, which refreshes while it is open; Ctrl-C ends it.

    DIR is "runs" by default. The page is served on loopback alone, at the address that is printed. Its random token keeps other
    users of the machine out. Nothing can be changed through the page.
    """
    import webbrowser

    from harness.viewing import ViewServer

    with ViewServer(folder, port) as server:
        click.echo(server.url)
        click.echo("Ctrl-C ends it.", err=True)
        if opens:
            webbrowser.open(server.url)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)


COMMANDS = (view_command,)
