"""The reference of the command line, from what click knows of the commands."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import click

HEAD = """\
# The command line

`harness --help` and `harness COMMAND --help` say the same. Exit codes: [exit codes](exit-codes.md).
"""
WIDTH = 120
UNTOLD = frozenset({"--help", "--version"})


def page(group: click.Group | None = None) -> str:
    """Return the page of ``group``; default: the program's commands."""
    from harness.cli.root import cli

    commands = (group or cli).commands
    sections = [section for name in sorted(commands) for section in _sections(2, f"harness {name}", commands[name])]
    return "\n".join([HEAD, *sections])


def _sections(level: int, name: str, command: click.Command) -> Iterator[str]:
    """Yield a command's section, then those of its subcommands."""
    rows = "".join(f"| `{option}` | {meaning} |\n" for option, meaning in _rows(command))
    table = f"| option | meaning |\n| --- | --- |\n{rows}" if rows else ""
    yield "\n".join(filter(None, [f"{'#' * level} {name}\n", *_paragraphs(command.help or ""), table]))
    if isinstance(command, click.Group):
        for inner in sorted(command.commands):
            yield from _sections(level + 1, f"{name} {inner}", command.commands[inner])


def _paragraphs(text: str) -> Iterator[str]:
    """Return prose; a paragraph that click does not rewrap (after a backspace) becomes a code block."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        first, *lines = [line.strip() for line in paragraph.strip().splitlines()]
        if first == "\b":
            yield "\n".join(["```text", *lines, "```\n"])
        else:
            yield textwrap.fill(" ".join([first, *lines]), WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def _rows(command: click.Command) -> Iterator[tuple[str, str]]:
    """(name, meaning) of arguments and options."""
    context = click.Context(command)
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            yield parameter.make_metavar(context).replace("[", "").replace("]", ""), "(argument)"
        elif isinstance(parameter, click.Option) and not UNTOLD.intersection(parameter.opts):
            record = parameter.get_help_record(context)
            if record is not None:
                names = [next(name for name in found if name.startswith("--")) for found in _spellings(parameter)]
                yield "` / `".join(names), " ".join(record[1].split()).replace("|", "\\|")


def _spellings(option: click.Option) -> list[list[str]]:
    """Return the names that turn an option on, then those that turn it off, if there are any."""
    return [names for names in (option.opts, option.secondary_opts) if names]
