"""``harness plugins NAME``: a plugin on the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from harness.runners.bundles.describing import PluginSummary

MAX_LINES = 60


def print_plugin(found: PluginSummary, text: str, console: Console) -> None:
    """Print a plugin: package, source, description and declared options, and how to run it.

    Args:
        found: the plugin.
        text: how the user named it.
        console: where to print.
    """
    from rich.text import Text

    from harness.core.text import harmless
    from harness.report.words import plain

    provider = f"{found.distribution} {found.version}".strip()
    console.print(Text.assemble((plain(found.name), "bold"), f", {plain(provider)}" if provider else ""))
    about = f"{provider.partition(' ')[0]}: {found.about}" if found.about else ""
    facts = (
        ("package", about),
        ("entry point" if provider else "function", found.value),
        ("source", found.source),
        *found.links,
    )
    for name, value in facts:
        if value:
            console.print(Text.assemble((f"{plain(name)}: ", "dim"), plain(value)), soft_wrap=True)
    console.print()
    lines = list(_lines(harmless(found.docstring))) or ["It has no description."]
    more = [f"… {len(lines) - MAX_LINES} more lines in {found.source}"] if len(lines) > MAX_LINES else []
    for line in (*lines[:MAX_LINES], *more):
        console.print(Text(line))
    console.print()
    _print_options(found, text, console)


def _lines(text: str) -> Iterator[str]:
    """Yield a docstring's lines, with the lines of plain paragraphs joined, so that the terminal wraps them."""
    for number, paragraph in enumerate(text.split("\n\n")):
        lines = paragraph.splitlines()
        if number:
            yield ""
        if any(line[:1] in " \t-*" for line in lines[1:]) or paragraph[:1].isspace():
            yield from lines
        elif lines:
            yield " ".join(line.strip() for line in lines)


def _print_options(found: PluginSummary, text: str, console: Console) -> None:
    from rich.table import Column, Table
    from rich.text import Text

    from harness.report.words import plain

    if found.options is None:
        console.print("It declares no options; what --set gives is passed on, and checked by the plugin itself.")
        return
    if not found.options:
        console.print("It has no options.")
        return
    columns = [Column(name, overflow="fold") for name in ("option", "default", "allowed")]
    helps = any(option.help for option in found.options.values())
    table = Table(*columns, *([Column("meaning", overflow="fold")] if helps else []), box=None, pad_edge=False)
    for name, option in found.options.items():
        default = option.default if isinstance(option.default, str) else json.dumps(option.default)
        cells = (name, default, option.wanted, *([option.help] if helps else []))
        table.add_row(*(Text(plain(cell)) for cell in cells))
    console.print(table)
    first = next(iter(found.options))
    console.print(Text(f"\nharness run --plugin {plain(text)} --set {plain(first)}=VALUE"), soft_wrap=True)


def plugin_json(found: PluginSummary) -> str:
    """Return a plugin as JSON text; ``options`` is null if it declares none."""
    options = None if found.options is None else {name: asdict(one) for name, one in found.options.items()}
    document = {**vars(found), "options": options, "links": dict(found.links)}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
