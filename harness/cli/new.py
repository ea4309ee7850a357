"""``harness new``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import config_options
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.choices import Adapter
    from harness.newplugin.rendering import Licence
    from harness.runners.bundles.script import Script

LICENCES = ("MIT", "Apache-2.0", "BSD-3-Clause")


@click.command("new", short_help="Create the package of a new unlearner.")
@click.argument("name", required=False)
@click.option(
    "--from",
    "source",
    metavar="FILE[:FUNCTION]",
    help="Make the package of a .py file or notebook, as of `harness run --plugin FILE`.",
)
@config_options("adapter", adapter="How to call the function of FILE; `auto` chooses by its signature.")
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
def new_command(
    name: str | None, source: str | None, adapter: Adapter, parent: Path, licence: Licence, author: str | None
) -> None:
    """Create the package of a new unlearner, with a working method, tests and files for publishing.

    NAME is the name for `--plugin`: lowercase letters and digits, separated by dashes or underscores. With --from it may be
    left out; the file's name is the default.
    """
    from datetime import date

    from harness.newplugin.naming import names_of
    from harness.newplugin.rendering import NewPlugin, author_of, render
    from harness.newplugin.writing import write_package

    script = None if source is None else _script(source, adapter)
    name = name or (script.name if script is not None else None)
    if name is None:
        raise UsageError("Give the package a NAME, or a file with --from.")
    names = names_of(name)
    plugin = NewPlugin(names, licence, None if author is None else author_of(author), date.today().year, script)
    folder = parent / name
    write_package(folder, render(plugin))
    for note in () if script is None else script.notes:
        click.echo(f"Note: {note}", err=True)
    code = "__init__" if script is None else script.module
    click.echo(f"""\
Created {folder}: the package {names.distribution} with the unlearner {names.plugin}.

Next steps:
  cd {folder}
  pip install -e '.[test]'
  python -m pytest                           # conformance tests
  harness run --plugin . --runner process    # does it forget?

The method is in src/{names.module}/{code}.py; README.md explains the rest.""")


def _script(source: str, adapter: Adapter) -> Script:
    from harness.plugins.spec import PluginSpec
    from harness.runners.bundles.script import read_script

    spec = PluginSpec.parse(source)
    if spec.kind != "script":
        raise UsageError(f"--from takes a .py file or a notebook (.ipynb), not {source!r}.")
    return read_script(spec, adapter)


COMMANDS = (new_command,)
