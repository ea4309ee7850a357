"""What the pages show to be typed: every command, where the suite carries it out, or why it cannot."""

from __future__ import annotations

import copy
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from harness.cli.root import cli

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = ("", "console", "sh", "bash", "shell")
TYPED = re.compile(r"(?:sudo |[A-Z_]+=\S+ )*(?:harness|python|pip|tox|pytest|mkdocs|ruff|twine|bash|echo|export) ")
SEPARATORS = ("&&", "||", "|", ";")

WALKED = {
    "docs/how-to/bring-your-own-data.md": "tests/functional/test_pages.py",
    "docs/how-to/bring-your-own-network.md": "tests/functional/test_pages.py",
    "docs/how-to/from-kaggle.md": "tests/functional/test_pages.py",
    "docs/how-to/run-a-stream-of-requests.md": "tests/functional/test_pages.py",
    "docs/how-to/run-a-study.md": "tests/functional/test_pages.py",
    "docs/how-to/score-outputs.md": "tests/functional/test_pages.py",
    "docs/how-to/share-reference-models.md": "tests/functional/test_pages.py",
    "docs/how-to/define-a-task.md": "tests/functional/test_pages.py",
    "docs/how-to/keep-many-runs.md": "tests/functional/test_pages.py",
    "docs/how-to/write-an-evaluator.md": "tests/functional/test_pages.py",
    "docs/tutorials/first-run.md": "tests/functional/test_pages.py",
    "docs/how-to/debug-an-unlearner.md": "tests/functional/test_debugging_page.py",
    "docs/how-to/publish-a-leaderboard.md": "tests/functional/test_leaderboard_page.py",
    "docs/how-to/publish-an-unlearner.md": "tests/functional/test_publishing.py",
}
"""Page whose commands are carried out one after another, as they stand -> the test that does it."""

WORK_ON_THE_PROJECT = "is work on the project itself: CI and the other tests do it"
TORCHES = "makes an image for every version of torch, gigabytes: tests/docker/test_matrix.py has smaller ones"
INDEX = "makes environments from a package index, minutes each"
PACKAGE = "needs a package of the reader's; how-to/publish-an-unlearner.md runs one in each of these ways"
CONTAINERS = (
    "runs submissions in a container for each model; tests/docker and tests/unit/leaderboard run these commands"
)
MLFLOW = "needs MLflow and the exporter: tests/functional/test_mlflow_exporter.py runs them where they are"
CLUSTER = "needs several machines: tests/functional/test_ray.py runs these commands on a cluster of two nodes"
NOT_CARRIED_OUT = {
    ("CONTRIBUTING.md", ""): WORK_ON_THE_PROJECT,
    ("docs/contributing.md", ""): WORK_ON_THE_PROJECT,
    ("README.md", "pip install"): WORK_ON_THE_PROJECT,
    ("docs/how-to/hold-a-competition.md", ""): CONTAINERS,
    ("docs/how-to/compare-methods.md", "harness run --plugin mymethod --torch"): TORCHES,
    ("docs/how-to/compare-methods.md", "harness compare runs/torch-"): TORCHES,
    ("docs/reference/torch-versions.md", "harness"): TORCHES,
    ("docs/reference/torch-versions.md", "tox"): INDEX,
    ("docs/reference/unlearners.md", "harness run"): PACKAGE,
    ("docs/how-to/export-to-mlflow.md", ""): MLFLOW,
    ("docs/how-to/use-several-machines.md", ""): CLUSTER,
}
"""(page, how a command begins) -> why the suite does not carry it out. Its options are checked all the same."""


@dataclass(frozen=True)
class Shown:
    """A command in a block of a page.

    Attributes:
        page: its path in the repository.
        command: a line of shell, without comment.
    """

    page: str
    command: str

    @property
    def reason(self) -> str:
        """Why the suite does not carry it out; empty where it does."""
        found = (why for (page, start), why in NOT_CARRIED_OUT.items() if self._is(page, start))
        return next(found, "")

    def _is(self, page: str, start: str) -> bool:
        return self.page == page and self.command.startswith(start)


def pages() -> list[Path]:
    """All pages for readers."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]


def commands() -> list[Shown]:
    """All commands in blocks of all pages, in order."""
    return [Shown(str(page.relative_to(ROOT)), line) for page in pages() for line in commands_of(page.read_text())]


def commands_of(text: str) -> Iterator[str]:
    """Yield the commands in a page's blocks: lines after a prompt; without a prompt, lines that begin with a program."""
    for language, block in BLOCK.findall(text):
        if language in SHELL:
            lines = block.replace("\\\n", " ").splitlines()
            prompted = [line[2:] for line in lines if line.startswith("$ ")]
            typed = prompted or [line for line in lines if TYPED.match(f"{line} ")]
            yield from (re.sub(r"\s+# .*$", "", line) for line in typed)


def invocations(command: str) -> Iterator[list[str]]:
    """Yield the arguments of every call of the program in a shell command."""
    words = shlex.shlex(command, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in words:
        if word in SEPARATORS:
            found.append([])
        else:
            found[-1].append(word)
    for call in found:
        program = [word for word in call if not re.match(r"[A-Z_]+=", word)]
        if program[:1] == ["harness"]:
            yield program[1:]


def read(arguments: list[str]) -> None:
    """Have click read a command without carrying it out; files need not be there.

    Raises:
        click.UsageError: no such command or option, a value that is not allowed, or something is missing.
    """
    try:
        found, rest = command_of(arguments)
        _without_files(found).make_context(found.name, rest)
    except click.exceptions.Exit:
        return  # --help or --version


def command_of(arguments: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that arguments select, and the remaining arguments."""
    found: click.Command = cli
    rest = arguments
    while isinstance(found, click.Group) and rest and not rest[0].startswith("-"):
        inner = found.get_command(click.Context(found), rest[0])
        if inner is None:
            raise click.UsageError(f"no command {rest[0]!r}")
        found, rest = inner, rest[1:]
    return found, rest


def options_of(command: click.Command) -> set[str]:
    """Return the names of a command's options."""
    return {
        name
        for parameter in command.get_params(click.Context(command))
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def all_options(command: click.Command = cli) -> set[str]:
    """Return the names of all options of a command and its subcommands."""
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return options_of(command).union(*(all_options(one) for one in inner))


def _without_files(command: click.Command) -> click.Command:
    """Return the command, with paths that accept any text."""
    made = copy.copy(command)
    made.params = [copy.copy(parameter) for parameter in command.params]
    for parameter in made.params:
        if isinstance(parameter.type, click.Path | click.File):
            parameter.type = click.STRING
    return made
