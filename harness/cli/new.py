"""``harness new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.newplugin.rendering import Licence

LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause")


@click.command("new", short_help="Create the package of a new unlearner.")
@click.argument("name")
@click.option(
    "--dir",
    "parent",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Parent folder of the package's folder NAME.",
)
@click.option(
    "--license",
    "licence",
    type=click.Choice(LICENCES),
    default="MIT",
    show_default=True,
    help="Licence of the package.",
)
@click.option("--author", help="NAME or 'NAME <EMAIL>', for licence and metadata.")
def new_command(name: str, parent: Path, licence: Licence, author: str | None) -> None:
    """Create the package of a new unlearner, with a working method, tests and files for publishing.

    NAME is the name for `--plugin`: lowercase letters and digits, separated by dashes or underscores.
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
Created {folder}: the package {names.distribution} with the unlearner {names.plugin}.

Next steps:
  cd {folder}
  pip install -e '.[test]'
  python -m pytest                           # conformance tests
  harness run --plugin . --runner process    # does it forget?

The method is in src/{names.module}/__init__.py; README.md explains the rest.""")


COMMANDS = (new_command,)
