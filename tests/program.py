"""The program as its users run it, in a process of its own, on a task of a few seconds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import forks
from tests.wheels import write_wheel

TASK = """\
schema: 1
name: tiny
description: A task of a few seconds
dataset: {kind: faces, persons: 40, pictures: 6}
forget: {by: subject, fraction: 0.2}
splits: {validation: 0.1, test: 0.15, by: subject}
architecture: {name: small-cnn, options: {width: 8}}
recipe: {epochs: 4, batch_size: 40, lr: 0.05, schedule: one-cycle, chunk: 8}
models: 4
budget: {measurements: 1}
"""
LONGEST_S = 300.0
POLL_S = 0.02
NO_DOCKER = "unix:///nonexistent/docker.sock"


@dataclass(frozen=True)
class Ended:
    """A finished command."""

    code: int
    out: str
    err: str


class Forked(forks.Fork):
    """A forked command without input, whose output goes to files."""

    def __init__(self, order: forks.Order) -> None:
        self._printed = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115 -- see communicate()
        with Path(os.devnull).open() as empty:
            super().__init__(order, (empty.fileno(), self._printed[0].fileno(), self._printed[1].fileno()))

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end and return output and errors.

        Raises:
            subprocess.TimeoutExpired: it takes longer.
        """
        self.wait(timeout)
        texts = []
        for file in self._printed:
            file.seek(0)
            texts.append(file.read())
            file.close()
        return texts[0], texts[1]


@dataclass(frozen=True)
class Program:
    """Runs the command line with an environment of its own, without Docker unless a test says otherwise.

    Attributes:
        environment: all of its variables.
        folder: its working directory.
        prefix: a command that runs the program, ``nsenter`` say.
        module: what is run, as ``python -m`` does; by default the command line.
    """

    environment: dict[str, str]
    folder: Path
    prefix: tuple[str, ...] = ()
    module: str = forks.PROGRAM

    def __call__(self, *arguments: str | Path, **environment: str) -> Ended:
        variables = {**self.environment, **environment}
        if self.prefix or not forks.possible(variables):
            return self.afresh(*arguments, **environment)
        process = self.fork(*arguments, **environment)
        try:
            out, err = process.communicate(LONGEST_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode is not None
        return Ended(process.returncode, out, err)

    def fork(self, *arguments: str | Path, **environment: str) -> Forked:
        """Start a command, forked, and do not wait for it; its guests cannot be told by their variables."""
        variables = {**self.environment, **environment}
        return Forked(forks.Order.of(self.module, [*map(str, arguments)], variables, self.folder))

    def afresh(self, *arguments: str | Path, **environment: str) -> Ended:
        """Run in a new interpreter, which imports its libraries itself and draws another hash seed."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=LONGEST_S)
        return Ended(process.returncode, out, err)

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        return subprocess.Popen(
            [*self.prefix, sys.executable, "-m", self.module, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**self.environment, **environment},
            start_new_session=True,
        )


def until(process: subprocess.Popen[str] | Forked, there: Callable[[], bool]) -> None:
    """Wait until something is there, without a busy loop, which would take a core from what is waited for.

    Raises:
        AssertionError: the process ended before that; with what it printed.
    """
    while not there():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
            raise AssertionError(process.communicate())


def make_wheel(folder: Path, source: str) -> Path:
    """Make a wheel with one unlearner, ``stranger``, of the given source."""
    return write_wheel(folder, "stranger-method", {"stranger_method": source}, {"stranger": "stranger_method"})


def report_of(folder: Path) -> dict[str, Any]:
    """Return a run folder's report."""
    content = json.loads((folder / "report.json").read_text())
    assert isinstance(content, dict)
    return content


def numbers_of(folder: Path) -> dict[str, Any]:
    """Every number of the report that a rerun with the same seeds must give again: all but times."""
    report = report_of(folder)
    return {
        f"{evaluator['name']}.{metric['name']}": metric["value"]
        for evaluator in report["evaluators"]
        if evaluator["name"] != "efficiency"
        for metric in evaluator["metrics"]
    }
