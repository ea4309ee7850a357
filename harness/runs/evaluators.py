"""Execution of each evaluator in its own process, so that no evaluator can end, block or corrupt the run or another evaluator.

Evaluators are trusted code, but may have bugs. The processes are forked: they share the evidence copy-on-write, so their writes
are invisible to others.
"""

from __future__ import annotations

import hashlib
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import IO, Any

import numpy as np
from pydantic import ValidationError

from harness.core.cache import cache_root
from harness.core.hardware import available_cores
from harness.core.progress import Progress
from harness.core.text import harmless
from harness.errors import UsageError
from harness.evaluation import Evidence, Result
from harness.plugins.discovery import LoadedEvaluator
from harness.report.results import EvaluatorRecord

MAX_AT_ONCE = 4
"""Maximum number of evaluators in parallel, because each needs memory."""

LIMIT_VARIABLE, LIMIT_S = "HARNESS_EVALUATOR_LIMIT_S", 3600.0
"""Timeout of an evaluator in wall-clock seconds, and the environment variable that overrides it."""

MAX_LIMIT_S = 30 * 86_400.0

MAX_CHARS = 1_000
"""Maximum length of an exception's message in a record."""

_CHANGED = "it modified the evidence, which is read-only; copy an array before writing to it"


def evaluate(
    evaluators: Sequence[LoadedEvaluator], evidence: Evidence, progress: Progress
) -> tuple[EvaluatorRecord, ...]:
    """Return the record of each evaluator, in order.

    An evaluator that raises, exits, does not return a Result, modifies the evidence or times out gets a record with its error;
    the others continue. Up to MAX_AT_ONCE run in parallel, at most one per core. A record's seconds include time shared with
    other evaluators.

    Raises:
        UsageError: if the timeout in the environment is invalid.
    """
    limit_s = limit_in_force_s()
    sealed = digest(evidence)
    records: dict[int, EvaluatorRecord] = {}
    waiting, most = list(enumerate(evaluators)), min(MAX_AT_ONCE, available_cores())
    running: list[_Running] = []
    with progress.step("evaluating", len(evaluators)) as step:
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    running.append(_Running.start(*waiting.pop(0), evidence, sealed))
                for one in _ended(running, limit_s):
                    running.remove(one)
                    records[one.number] = one.record(limit_s)
                    step.tell(one.entry.info.name)
                    step.advance()
        finally:
            for one in running:
                one.kill()
    return tuple(records[number] for number in range(len(evaluators)))


def digest(evidence: Evidence) -> bytes:
    """Return the SHA-256 of all content of an evidence."""
    found = hashlib.sha256()
    for part in _parts([(one.name, getattr(evidence, one.name)) for one in fields(evidence)]):
        found.update(part)
    return found.digest()


def _parts(items: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    for name, value in items:
        yield f"{name}:{type(value).__name__}".encode()
        if isinstance(value, np.ndarray):
            yield f"{value.dtype}{value.shape}".encode()
            for row in value:  # row by row: a copy of a population may not fit into memory
                yield np.ascontiguousarray(row).tobytes()
        elif isinstance(value, Mapping):
            yield from _parts((str(key), inner) for key, inner in value.items())
        elif hasattr(value, "__dataclass_fields__"):
            yield from _parts((one.name, getattr(value, one.name)) for one in fields(value))
        else:
            yield repr(value).encode()


@dataclass(frozen=True)
class _Running:
    """A running evaluator.

    Attributes:
        number: position among the requested evaluators.
        entry: the evaluator.
        process: its process, leader of a process group.
        answer: anonymous file that the process writes its record to.
        began: start time in seconds of the monotonic clock.
    """

    number: int
    entry: LoadedEvaluator
    process: ForkProcess
    answer: IO[bytes]
    began: float

    @classmethod
    def start(cls, number: int, entry: LoadedEvaluator, evidence: Evidence, sealed: bytes) -> _Running:
        """Start the evaluator in a new process."""
        answer = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by kill()
        process = multiprocessing.get_context("fork").Process(target=_work, args=(entry, evidence, sealed, answer))
        with warnings.catch_warnings():
            # Python 3.12 warns of forking with threads; the child takes no lock that they may hold.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        return cls(number, entry, process, answer, time.monotonic())

    def left_s(self, limit_s: float) -> float:
        """Return the seconds left until the timeout."""
        return self.began + limit_s - time.monotonic()

    def kill(self) -> None:
        """Kill the process and its process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        self.process.kill()  # in case it has not created its process group yet
        self.process.join()
        self.answer.close()

    def record(self, limit_s: float) -> EvaluatorRecord:
        """Return the evaluator's record; without one, a record of the timeout or of how its process ended."""
        seconds = time.monotonic() - self.began
        late = self.process.is_alive()
        code = None if late else self.process.exitcode
        self.answer.seek(0)
        answer = self.answer.read()
        self.kill()
        with suppress(ValidationError):
            return EvaluatorRecord.model_validate_json(answer)
        provider = (self.entry.found.distribution, self.entry.found.version)
        why = f"it timed out after {limit_s:g} s; set {LIMIT_VARIABLE} for another timeout" if late else _end(code or 0)
        return EvaluatorRecord.from_error(self.entry.info, *provider, seconds, why)


def _ended(running: Sequence[_Running], limit_s: float) -> list[_Running]:
    """Wait until any evaluator has ended or timed out; return all that have."""
    wait([one.process.sentinel for one in running], max(0.0, min(one.left_s(limit_s) for one in running)))
    return [one for one in running if not one.process.is_alive() or one.left_s(limit_s) <= 0]


def _end(code: int) -> str:
    if code < 0:
        return f"its process was killed by signal {-code} ({signal.strsignal(-code)}) before it returned a result"
    return f"it ended its process (exit code {code}) instead of returning a result"


def _work(entry: LoadedEvaluator, evidence: Evidence, sealed: bytes, answer: IO[bytes]) -> None:
    """Run the evaluator in the forked process, and write the record."""
    os.setpgid(0, 0)  # Ctrl-C reaches only the harness, which kills the whole group
    _exit_with_parent()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # OpenMP threads do not survive a fork
    with suppress(OSError):  # then they are where temporary files usually are
        cache_root().mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(cache_root())  # its disk has room for arrays; /tmp may be a part of memory
    record = _record(entry, evidence, sealed)
    answer.write(record.model_dump_json().encode())
    answer.flush()


def _exit_with_parent() -> None:
    from harness_guest.linux import PR_SET_PDEATHSIG, prctl

    with suppress(OSError, AttributeError):  # not Linux: an evaluator outlives a killed harness until it finishes
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _record(entry: LoadedEvaluator, evidence: Evidence, sealed: bytes) -> EvaluatorRecord:
    provider = (entry.found.distribution, entry.found.version)
    began = time.monotonic()
    if evidence.phi_only and entry.info.needs != "phi":
        return _unmet(entry, "it needs logits, and only phi was supplied")
    if missing := [name for name in entry.info.probes if name not in evidence.probes]:
        return _unmet(
            entry, evidence.unprobed.get(missing[0], f"it needs the weights of the models, for the probe {missing[0]}")
        )
    try:
        result = entry.info.evaluate(evidence)
    except BaseException as error:
        return EvaluatorRecord.from_error(entry.info, *provider, time.monotonic() - began, _reason(error))
    seconds = time.monotonic() - began
    if digest(evidence) != sealed:
        return EvaluatorRecord.from_error(entry.info, *provider, seconds, _CHANGED)
    return EvaluatorRecord.from_result(entry.info, *provider, seconds, result)


def _unmet(entry: LoadedEvaluator, why: str) -> EvaluatorRecord:
    """Return the record of an evaluator that was not called."""
    result = Result((), warnings=(f"{entry.info.name}: not computed: {why}.",))
    return EvaluatorRecord.from_result(entry.info, entry.found.distribution, entry.found.version, 0.0, result)


def _reason(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    try:
        text = harmless(str(error), MAX_CHARS)
    except Exception:
        text = "(its message is not available)"
    return f"{type(error).__name__}: {text} (in {frame.name}, {Path(frame.filename).name} line {frame.lineno})"


def limit_in_force_s() -> float:
    """Return the timeout of an evaluator in seconds.

    Raises:
        UsageError: if the environment's value is not a number or is out of bounds.
    """
    text = os.environ.get(LIMIT_VARIABLE, str(LIMIT_S))
    try:
        limit_s = float(text)
    except ValueError:
        limit_s = math.nan
    if not 0 < limit_s <= MAX_LIMIT_S:
        raise UsageError(
            f"{LIMIT_VARIABLE} must be a number of seconds above 0 and up to {MAX_LIMIT_S:,.0f}, not {text!r}."
        )
    return limit_s
