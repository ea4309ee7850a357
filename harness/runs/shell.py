"""``harness shell`` and ``harness run --pdb``: the sandbox of a run, attached to the user's terminal."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.core.progress import Progress
from harness.errors import InterruptedRunError, SandboxError, UsageError
from harness.plugins.discovery import find_task
from harness.references.originals import few_originals, untrained
from harness.runners.process import held_folder, let_go
from harness.runners.session.terminal import attend
from harness.runners.session.weights import encode
from harness.runs.config import RunConfig
from harness.runs.prepare import prepare
from harness.runs.runner_choice import choose_runners
from harness.runs.unlearning_setup import UnlearningSetup
from harness_guest.protocol import Job
from harness_guest.shell_order import DATA, JOURNAL, ORDER, ORIGINAL, ShellOrder
from reference_models.networks.recipe import derive_seed

WEEK_S = 7 * 86_400.0


@dataclass(frozen=True)
class ShellEnd:
    """Result of a shell.

    Attributes:
        status: exit status, 128 + signal if a signal killed it.
        out_of_memory: the memory limit was hit while it ran.
    """

    status: int
    out_of_memory: bool


@dataclass(frozen=True)
class Debugged:
    """Result of a run with ``--pdb``.

    Attributes:
        models: number of unlearned models, including the failed one.
        failed: index of the model on which the plugin failed; None if it did not fail.
    """

    models: int
    failed: int | None


def open_shell(config: RunConfig, progress: Progress, *, fresh: bool = False) -> Opened:
    """Prepare the sandbox as a run does, with the same image, mounts and limits.

    Unless the user sets their number, cached originals are used, or one is trained; see
    :func:`~harness.references.originals.few_originals`.

    Args:
        config: plugin, task, runner and limits, as for a run.
        progress: receives progress messages.
        fresh: use an untrained network instead of an original.

    Raises:
        HarnessError: as for a run.
    """
    config = config.with_absolute_paths()
    task = find_task(config.task)
    runners = choose_runners(config, progress)
    found = prepare(config, task, runners, f"shell-{uuid.uuid4().hex[:8]}", progress)
    references = found.references
    originals = untrained(references) if fresh else few_originals(references, config.models, progress)
    how = "from the cache" if originals.from_cache else "newly trained"
    origin = "an untrained network" if fresh else f"original 0, {how}"
    return Opened(UnlearningSetup.of(found, originals), origin)


def debug(config: RunConfig, progress: Progress) -> Debugged:
    """Unlearn originals on the user's terminal, without a limit, and debug the first failure.

    Raises:
        UsageError: there is no terminal.
        InterruptedRunError: Ctrl-C.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "--pdb needs a terminal; it does not work in a pipe or a notebook. Run the same command in a terminal."
        )
    if config.output is not None:
        raise UsageError("--pdb writes no run folder, because nothing is scored; leave --output out.")
    opened = open_shell(config, progress)
    plan = config.plan(len(opened.setup.originals.seeds))
    try:
        for index, original in enumerate(plan):
            if opened.enter("pdb", index=index, original=original).status != 0:
                return Debugged(index + 1, index)
    except KeyboardInterrupt:
        raise InterruptedRunError("Stopped. A run with --pdb is not scored; nothing was written.") from None
    return Debugged(len(plan), None)


@dataclass(frozen=True)
class Opened:
    """A sandbox that can be entered."""

    setup: UnlearningSetup
    origin: str

    def enter(self, program: str, code: str | None = None, *, index: int = 0, original: int = 0) -> ShellEnd:
        """Run a program of :class:`~harness_guest.shell_order.ShellOrder` in a new sandbox and wait for its end.

        Args:
            program: "python", "sh" or "pdb".
            code: code to execute; None for the terminal.
            index: number of the model, which determines its seed.
            original: index of the original.

        Raises:
            SandboxError: the sandbox did not start, or ended first.
        """
        interactive = code is None
        with self._files(program, code, index, original) as files:
            handle = self.setup.runner.start(self.setup.guest_setup(WEEK_S, files=files))
            try:
                inside = handle.beside(
                    ("-m", "harness_guest.shell", self.setup.runner.paths.files_path), interactive=interactive
                )
                status = attend(inside, interactive=interactive, keep_interrupts=program == "pdb")
                out_of_memory = handle.oom_kills() > 0
                if status and not out_of_memory and handle.read(1) == b"":
                    raise SandboxError(f"The sandbox ended before the shell did: {handle.close().stderr.strip()}")
                return ShellEnd(status, out_of_memory)
            finally:
                handle.kill()
                handle.close()

    @contextmanager
    def _files(self, program: str, code: str | None, index: int, original: int) -> Iterator[dict[str, Path]]:
        """Write the program's instructions, with the same model and seed as in a run, and delete them at the end."""
        setup, config = self.setup, self.setup.config
        journal = setup.originals.journal(original)
        job = Job(
            index,
            derive_seed("unlearn", config.seed, index),
            config.time_limit_s if program != "pdb" else None,
            setup.manifest.max_bytes,
            0 if journal is None else journal.stat().st_size,
        )
        hello = setup.hello(self.setup.runner, self.setup.facts, config.options)
        contained = self.setup.runner.facts.image is not None
        order = ShellOrder(program, hello, job, contained, code, self._about())
        folder, hold = held_folder()
        try:
            order.write(folder / ORDER)
            (folder / ORIGINAL).write_bytes(encode(setup.originals.state(original)))
            files = {DATA: setup.data_file, **{name: folder / name for name in (ORDER, ORIGINAL)}}
            yield files if journal is None else {**files, JOURNAL: journal}
        finally:
            let_go(folder, hold)

    def _about(self) -> str:
        facts, inside = self.setup.facts, self.setup.runner.facts
        provider = f"{facts.name} ({facts.distribution} {facts.version})"
        return (
            f"{provider} on {self.setup.task.name}, {self.origin}; torch {inside.torch}, Python {inside.python}.\n"
            f"Runner {inside.name}: {inside.isolation}.\n"
            "Output reaches your terminal unchanged, including escape sequences."
        )


def code_from(stdin_is_terminal: bool, command: str | None) -> str | None:
    """Return the code to execute: the command, else standard input; None for a terminal.

    Raises:
        UsageError: standard input is not text.
    """
    if command is not None:
        return command
    if stdin_is_terminal:
        return None
    try:
        return sys.stdin.read()
    except ValueError as error:
        raise UsageError(f"Standard input cannot be executed because it is not text: {error}.") from error
