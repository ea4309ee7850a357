"""``harness ls`` and ``harness note``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harness.runs.listing import RunEntry

STATES = ("finished", "failed", "running", "interrupted", "damaged")
OUTCOME_CHARS, DATE_CHARS = 21, 16
TONE_STYLES = {"good": "green", "fair": "cyan", "open": "yellow", "bad": "red", "running": "bold cyan"}


@click.command("ls", short_help="List the runs in a folder.")
@click.argument("folder", metavar="DIR", default="runs", type=click.Path(path_type=Path))
@click.option("--tag", "tags", multiple=True, help="Only runs with this tag; may be repeated.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in this state; may be repeated."
)
@click.option("--plugin", help="Only runs of this plugin.")
@click.option("--task", help="Only runs on this task.")
@click.option("--names", is_flag=True, help="Print the folders alone, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def ls_command(
    folder: Path,
    tags: tuple[str, ...],
    states: tuple[str, ...],
    plugin: str | None,
    task: str | None,
    names: bool,
    as_json: bool,
) -> None:
    """List the runs in DIR and below it, the newest last: verdict or state, method, task, options, tags and note.

    DIR is "runs" by default. A run is finished, failed (no model was returned), running (a process works on it), interrupted
    (`harness resume` continues it) or damaged (the reason is shown). Times are UTC.
    """
    from harness.errors import UsageError
    from harness.runs.listing import chosen, entries_json, list_runs

    if names and as_json:
        raise UsageError("Pass only one of --names and --json.")
    found = list_runs(folder)
    shown = chosen(found, tags, states, plugin, task)
    if as_json:
        click.echo(entries_json(shown), nl=False)
    elif names:
        for one in shown:
            click.echo(str(one.folder))
    else:
        _print(shown, len(found), folder)


def _print(shown: Sequence[RunEntry], found: int, folder: Path) -> None:
    """Print a line for each run, a second one with its details, and a last line with the number of runs in each state."""
    from rich.padding import Padding
    from rich.text import Text

    from harness.core.printing import console
    from harness.core.text import harmless
    from harness.runs import run_words

    target = console()
    names = [harmless(str(one.folder)) for one in shown]
    most = target.width - OUTCOME_CHARS - DATE_CHARS - 4
    width = max([3, *(len(name) for name in names if len(name) <= most)])
    common = run_words.common([one.settings for one in shown if one.settings])
    if shown:
        target.print(Text(f"{'run':<{width}}  {'verdict or state':<{OUTCOME_CHARS}}  begun (UTC)", "bold"))
    for name, one in zip(names, shown, strict=True):
        word, tone = run_words.outcome(one)
        begun = one.created[:DATE_CHARS].replace("T", " ")
        start = f"{name:<{width}}" if len(name) <= width else f"{name}\n{'':<{width}}"  # a path is never cut
        target.print(
            Text.assemble(start, "  ", (f"{word:<{OUTCOME_CHARS}}", TONE_STYLES[tone]), f"  {begun}".rstrip()),
            soft_wrap=True,
        )
        whole = one.state == "damaged"
        details = Text(_details(one, common), "dim", no_wrap=not whole, overflow="fold" if whole else "ellipsis")
        target.print(Padding(details, (0, 0, 0, 2), expand=False))
    counts = Counter[str](one.state for one in shown)
    listed = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
    of = f" of {found}" if len(shown) < found else ""
    end = f"{len(shown)}{of} {'run' if found == 1 else 'runs'} in {harmless(str(folder))}"
    target.print(Text(f"{end}: {listed}." if listed else f"{end}."), soft_wrap=True)


def _details(one: RunEntry, common: Mapping[str, object]) -> str:
    """Return method, task, tags, options, failures and note of a run on one line."""
    from harness.report.words import plain
    from harness.runs import run_words

    parts = [
        " on ".join(part for part in (one.plugin, one.task) if part),
        one.request,
        *(f"#{tag}" for tag in one.tags),
        *run_words.options(one),
        run_words.failures(one),
        one.reason if one.state == "damaged" else "",
        one.note,
        *run_words.settings(one, common),
    ]
    return ", ".join(plain(part) for part in parts if part)


@click.command("note", short_help="Tag runs, and write a note on them.")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("--tag", "tags", multiple=True, help="Add this tag; may be repeated.")
@click.option("--untag", "removed", multiple=True, metavar="TAG", help="Remove this tag; may be repeated.")
@click.option("-m", "--message", "note", metavar="TEXT", help="Replace the note; an empty text removes it.")
def note_command(runs: tuple[Path, ...], tags: tuple[str, ...], removed: tuple[str, ...], note: str | None) -> None:
    """Tag runs and write a note on them, or, without options, print what they have. `harness ls --tag TAG` finds them again.

    RUN is the folder of a run in any state. The report is not changed: tags and note are written to marks.json beside it.
    """
    from harness.core.text import harmless
    from harness.runs.listing import marks_of
    from harness.runs.marks import write_marks

    before = [(run, marks_of(run)) for run in runs]
    after = [(run, marks.changed(tags, removed, note)) for run, marks in before]  # check all before writing the first
    for (run, old), (_, new) in zip(before, after, strict=True):
        if new != old:
            write_marks(run, new)
        listed = " ".join(f"#{tag}" for tag in new.tags)
        click.echo(
            harmless(": ".join([str(run), "  ".join(part for part in (listed, new.note) if part) or "no tag, no note"]))
        )


COMMANDS = (ls_command, note_command)
