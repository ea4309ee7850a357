"""``harness shell``: the sandbox of a run, with a person in it instead of the plugin alone."""

from __future__ import annotations

import os
import sys
import uuid
from dataclasses import dataclass

from harness import hardware
from harness.config import RunConfig
from harness.discovery import find_task
from harness.errors import UsageError
from harness.originals import few_originals, untrained
from harness.own_architectures import carried
from harness.progress import Progress
from harness.references import References
from harness.runners.base import PluginFacts, Runner
from harness.runners.selection import choose_workshop
from harness.runners.session import Session
from harness.runners.terminal import Pipes, Screen, ShellEnd, taken_terminal
from harness.tasks.checking import load_data
from harness.workplace import Workplace, guest_data
from harness_guest.protocol import MAX_JSON_BYTES, Shell
from reference_models.recipe import derive_seed

MODEL = 0
WEEK_S = 7 * 86_400.0
CODE_CHARS = MAX_JSON_BYTES // 8  # any of them may take several bytes in a frame


@dataclass(frozen=True)
class ShellOrder:
    """What is wanted.

    Attributes:
        config: plugin, task, runner and limits, as for a run.
        program: "python" or "sh".
        code: what it is to carry out; None to read it from the terminal.
        untrained: take a network that was never trained instead of an original.
    """

    config: RunConfig
    program: str
    code: str | None
    untrained: bool = False

    def __post_init__(self) -> None:
        if self.code is not None and len(self.code) > CODE_CHARS:
            raise UsageError(
                f"The code has {len(self.code)} characters; at most {CODE_CHARS} are taken. Put it in a file."
            )


def open_shell(order: ShellOrder, progress: Progress) -> Opened:
    """Make the sandbox ready as a run would: the same image, container, mounts and limits.

    Raises:
        HarnessError: as for a run.
    """
    config = order.config.with_absolute_paths()
    task = find_task(config.task)
    workshop = choose_workshop(config, progress)
    data = load_data(task)
    runner, facts = workshop.runner_for(config.plugin)
    device = "cuda" if hardware.gpu_names() and config.gpus != "none" else "cpu"
    references = References(task, data, device=device)
    originals = untrained(references) if order.untrained else few_originals(references, None, progress)
    cores = int(config.limits(hardware.available_cores()).cpus or 1)
    file, run_id = guest_data(data, data.digest()), f"shell-{uuid.uuid4().hex[:8]}"
    place = Workplace(
        task, data, references.spec, file, originals, config, cores, run_id, device, architecture=carried(task)
    )
    return Opened(order, place, runner, facts)


@dataclass(frozen=True)
class Opened:
    """A sandbox that can be entered."""

    order: ShellOrder
    place: Workplace
    runner: Runner
    facts: PluginFacts

    def talk(self) -> ShellEnd:
        """Hand the terminal over to the program inside, or give it its code, and wait for its end.

        Raises:
            SandboxError: the guest did not start, or broke.
        """
        with self.place.session(self.runner, self.facts, self.order.config.options, WEEK_S) as session:
            if self.order.code is not None:
                return self._carried_out(session)
            with taken_terminal() as terminal:
                rows, columns = terminal.size()
                term = os.environ.get("TERM", "dumb")
                shell = Shell(self.order.program, None, rows, columns, term, self._about())
                return self._enter(session, shell, terminal)

    def _carried_out(self, session: Session) -> ShellEnd:
        return self._enter(session, Shell(self.order.program, self.order.code), Pipes())

    def _enter(self, session: Session, shell: Shell, screen: Screen) -> ShellEnd:
        """With the very model and seed that a run begins with."""
        config, originals = self.order.config, self.place.originals
        seed = derive_seed("unlearn", config.seed, MODEL)
        return session.shell(
            shell, MODEL, seed, originals.state(MODEL), config.time_limit_s, screen, originals.journal(MODEL)
        )

    def _about(self) -> str:
        facts, place = self.facts, self.place
        origin = "an untrained network"
        if not self.order.untrained:
            how = "from the cache" if place.originals.from_cache else "newly trained"
            origin = f"original {MODEL}, {how}"
        provider = f"{facts.name} ({facts.distribution} {facts.version})"
        return (
            f"{provider} on {place.task.name}, {origin}; torch {self.runner.facts.torch}, Python {self.runner.facts.python}.\n"
            f"Runner {self.runner.facts.name}: {self.runner.facts.isolation}.\n"
            "What is printed here reaches your terminal as it is, escape sequences too."
        )


def code_from(stdin_is_terminal: bool, command: str | None) -> str | None:
    """What is to be carried out: the command, else what stands in standard input, else None for a terminal.

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
        raise UsageError(f"Standard input is to be carried out, and it is not text: {error}.") from error
