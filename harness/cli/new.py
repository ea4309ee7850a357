"""``harness new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.newplugin.rendering import Licence

LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause")


@click.command("new", short_help="Begin the package of a new unlearner.")
@click.argument("name")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Where the package's folder NAME is made.",
)
@click.option(
    "--license", "licence", type=click.Choice(LICENCES), default="MIT", show_default=True, help="Its licence."
)
@click.option("--author", help="NAME or 'NAME <ADDRESS>', for licence and metadata.")
def new_command(name: str, parent: Path, licence: Licence, author: str | None) -> None:
    """Begin the package of a new unlearner, with a method that works, its tests and what publishing needs.

    NAME is what `--plugin` will take: small letters and digits, with dashes or underscores between them.
    """
    from datetime import date

    from harness.newplugin.naming import names_of
    from harness.newplugin.rendering import NewPlugin, author_of, render
    from harness.newplugin.writing import write_package

    names = names_of(name)
    plugin = NewPlugin(names, licence, None if author is None else author_of(author), date.today().year)
    folder = parent / name
    write_package(folder, render(plugin))
    click.echo(f"""\
Made {folder}: the package {names.distribution} with the unlearner {names.plugin}.

What to do next:
  cd {folder}
  pip install -e '.[test]'
  python -m pytest                           # what is demanded of every unlearner
  harness run --plugin . --runner process    # whether it forgets

The method is in src/{names.module}/__init__.py, and README.md says the rest.""")


COMMANDS = (new_command,)
