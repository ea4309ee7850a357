"""A run that is killed outright again and again until it ends, and what must hold at every moment of that."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.program import POLL_S, TASK, Forked, Program, report_of

# Small chunks and a slow method, so that there are many moments to be killed at.
TRIAL_TASK = TASK.replace("chunk: 8", "chunk: 2").replace("models: 4", "models: 5")
STEADY = """
import time
import pluggy, torch
@pluggy.HookimplMarker("harness")
def unlearn(model):
    time.sleep(0.25)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
"""
# By the first words that the program says of it, in order: how long to wait in it at most, seconds, and how often to choose it.
PHASES = {"": (3.0, 2), "training": (5.0, 3), "measuring": (4.0, 1), "unlearning": (5.0, 7), "evaluating": (1.0, 2)}
LAST_S = 60.0  # within which what a killed run started must have ended

Process = subprocess.Popen[str] | Forked
Wait = Callable[[Process], None]


@dataclass(frozen=True)
class Kept:
    """A file that may never change again."""

    content: bytes
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Kept:
        """As it is now."""
        stat = path.stat()
        return cls(path.read_bytes(), stat.st_mtime_ns, stat.st_ino)


@dataclass
class Chain:
    """One run, killed and resumed until it ends.

    Attributes:
        program: with a scratch folder that no other program uses.
        order: the arguments of ``harness run`` but for ``--output``.
        forked: whether its processes are forked, which spares them their imports, instead of new interpreters.
        moments: in which part of the run each kill fell.
        kills: of the process, those included after which the run was begun anew.
    """

    program: Program
    order: tuple[str | Path, ...]
    forked: bool = False
    moments: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    _folders: int = 0
    _kills_of_this_run: int = 0
    _kept: dict[Path, Kept] = field(default_factory=dict)
    _limit: object = None

    @property
    def folder(self) -> Path:
        """Of the run under way."""
        return self.program.folder / f"run-{self._folders}"

    def kill_after(self, wait: Wait) -> bool:
        """Start or resume the run, wait, kill it; returns whether it had ended by itself before that."""
        process = self._begin()
        wait(process)
        ended = process.poll() is not None
        if not ended:
            process.kill()
        _, complaints = process.communicate()
        if ended:
            assert process.returncode == 0, complaints
            return True
        # It may have ended in the very moment of the kill, else it did not.
        assert process.returncode in (0, -signal.SIGKILL), complaints
        self.kills += 1
        self._kills_of_this_run += 1
        self.moments[self._moment()] += 1
        self._check()
        return False

    def finish(self) -> None:
        """Resume the run and let it end; then what it owes is looked at."""
        process = self._begin()
        _, complaints = process.communicate()
        assert process.returncode == 0, complaints
        self.settle()

    def settle(self) -> None:
        """Assert that an ended run lost nothing, repeated no finished work and left nothing behind."""
        self._check()
        attempts = [model["attempts"] for model in report_of(self.folder)["models"]]
        earlier = [model["earlier_attempts"] for model in report_of(self.folder)["models"]]
        assert [len(told) + 1 for told in earlier] == attempts
        assert sum(attempts) <= len(attempts) + self._kills_of_this_run, attempts  # one model is in flight at a time
        # A folder is left alone while a worker of a killed host, which ends with its next step, holds it.
        assert _lasting_processes(Path(self.program.environment["TMPDIR"])) == []
        reaped = self.program("reap")
        assert reaped.code == 0, reaped.err
        left = leftovers(self.program, self.folder)
        assert not left, left

    def _begin(self) -> Process:
        start = self.program.fork if self.forked else self.program.start
        if (self.folder / "run.json").exists():
            return start("resume", self.folder)
        if self.folder.exists():  # killed so early that there is no run yet
            self._folders += 1
            self._kills_of_this_run = 0
        return start("run", *self.order, "--output", self.folder)

    def _moment(self) -> str:
        if not (self.folder / "run.json").exists():
            return "before the run was recorded"
        if "limit" not in json.loads((self.folder / "run.json").read_text()):
            return "before the limit was known"
        begun, ended = (len(list(self.folder.glob(f"models/*/{name}.json"))) for name in ("attempts", "outcome"))
        if begun > ended:
            return "while a model was in flight"
        return "after models had ended" if ended else "before the first model"

    def _check(self) -> None:
        """No file of an ended model, nor the limit, has changed since it was first seen."""
        for path, kept in self._kept.items():
            assert Kept.of(path) == kept, path
        for outcome in self.folder.glob("models/*/outcome.json"):
            assert json.loads(outcome.read_text())["status"] == "ok", outcome.read_text()
            for path in (outcome, outcome.with_name("logits.safetensors")):
                self._kept.setdefault(path, Kept.of(path))
        if (self.folder / "run.json").exists():
            limit = json.loads((self.folder / "run.json").read_text()).get("limit")
            assert self._limit in (None, limit)
            self._limit = limit


def for_seconds(seconds: float) -> Wait:
    """Wait so long, or until the process ends."""

    def wait(process: Process) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    return wait


def until_there(path: Callable[[], Path], then_s: float) -> Wait:
    """Wait until a file is there, then for ``then_s`` seconds, or until the process ends."""

    def wait(process: Process) -> None:
        while process.poll() is None and not path().exists():
            for_seconds(0.005)(process)
        for_seconds(then_s)(process)

    return wait


def within(phase: str, then_s: float) -> Wait:
    """Wait until the program says that it begins a phase, or a later one, then for ``then_s`` seconds."""
    later = tuple(PHASES)[tuple(PHASES).index(phase) :]

    def wait(process: Process) -> None:
        assert isinstance(process, subprocess.Popen)
        assert process.stderr is not None
        while phase and (line := process.stderr.readline()) and not line.startswith(later):
            continue
        for_seconds(then_s)(process)

    return wait


def random_chain(chain: Chain, seed: int, *, most: int) -> Chain:
    """Kill a run at up to ``most`` random moments and let it end."""
    moments = random.Random(seed)
    for _ in range(most):
        phase = moments.choices(list(PHASES), [often for _, often in PHASES.values()])[0]
        if chain.kill_after(within(phase, moments.uniform(0.0, PHASES[phase][0]))):
            chain.settle()
            return chain
    chain.finish()
    return chain


def leftovers(program: Program, run: Path) -> list[str]:
    """Return the ids of processes and the paths of files that a program has left.

    The cache may be shared with other tests: what one of them is building there is gone when it has been built.
    """
    scratch = Path(program.environment["TMPDIR"])
    cache = Path(program.environment["HARNESS_CACHE_DIR"])
    files = [*scratch.glob("*harness*"), *run.rglob(".*.tmp")]
    partial = set(cache.glob(f"*/??/.{'[0-9a-f]' * 64}-*"))
    until = time.monotonic() + LAST_S
    while (partial := {path for path in partial if path.exists()}) and time.monotonic() < until:
        time.sleep(POLL_S)
    return [*map(str, [*files, *partial]), *_lasting_processes(scratch)]


def processes_of(scratch: Path) -> list[str]:
    """Those whose environment, arguments or working directory name a scratch folder, zombies left out.

    Processes that were forked (:mod:`tests.forks`) have the environment of another, but a guest works in its folder.
    """
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                said = (
                    (entry / "environ").read_bytes()
                    + (entry / "cmdline").read_bytes()
                    + bytes((entry / "cwd").readlink())
                )
                if str(scratch).encode() in said:
                    found.append(f"{entry.name}: {(entry / 'cmdline').read_bytes()!r}")
    return found


def _lasting_processes(scratch: Path) -> list[str]:
    """Those that do not end by themselves: a worker whose host was killed ends with its next step."""
    until = time.monotonic() + LAST_S
    while (found := processes_of(scratch)) and time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(int(found[0].partition(":")[0]))
            select.select([process], [], [], max(0.0, until - time.monotonic()))
            os.close(process)
    return found
