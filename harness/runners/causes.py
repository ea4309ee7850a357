"""Why a model ended as it did: one pure function from what was seen to a status and one sentence of advice.

The order of the questions is the design. A broken protocol comes first, because after it nothing the guest says can be
believed. Memory comes before time where the kernel says so: a process killed for memory late in its life is often reported as
too slow, and its author then optimises the wrong thing. Time comes before everything else, a finished result included: there
is no credit for what arrives late. What befell the guest after the whole result had come in is teardown, and no cause. Exit
statuses prove least (137 may be memory, a deadline or a stranger's kill) and come last.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import NamedTuple

from harness.evaluation import Clock
from harness.outcomes import Status
from harness_guest.meter import LimitReachedError
from harness_guest.protocol import LOST, Ended


@dataclass(frozen=True)
class Facts:
    """All that is known when a model has ended.

    Attributes:
        started: the import of the plugin has begun, so that code of it may have run.
        imported: the import is over and START was sent, so that the limit counts.
        import_limit_s: seconds that the import may take; None for no limit.
        elapsed_s: seconds on the host's clock; None when it never started.
        limit_s: the limit in force, in the unit of ``clock``.
        violation: how the guest broke the protocol, or None.
        ended: the guest's account; None when the guest itself was gone first.
        guest_exit_code: how the guest ended, where it did; None while it lives or unknown.
        guest_is_init: the guest is the first process of a container, which no process inside can kill by a signal.
        tried_before: an earlier attempt at this model ended with a guest that was killed.
        oom_rise: how many times the out-of-memory killer struck while the model ran.
        refused_forks: how many processes and threads the limit on them refused while the model ran; None: not known.
        has_weights: an accepted state came back.
        weights_problem: why the state that came back was refused, or None.
        setup_timed_out: the model could not be made ready in time.
        killed_by_host: the guest lived until the host killed it, at the deadline or at the end of the import's allowance.
        clock: what the limit counts: "wall", "cpu" or "steps".
        used: of the limit, where ``clock`` is not "wall"; None if unknown.
        deadline_s: seconds on the host's clock after which the model is late whatever it used; None for none.
        on_gpu: the guest computes on a GPU.
    """

    started: bool
    imported: bool = False
    import_limit_s: float | None = None
    elapsed_s: float | None = None
    limit_s: float | None = None
    violation: str | None = None
    ended: Ended | None = None
    guest_exit_code: int | None = None
    guest_is_init: bool = False
    tried_before: bool = False
    oom_rise: int = 0
    refused_forks: int | None = None
    has_weights: bool = False
    weights_problem: str | None = None
    setup_timed_out: bool = False
    killed_by_host: bool = False
    clock: Clock = "wall"
    used: float | None = None
    deadline_s: float | None = None
    on_gpu: bool = True

    @property
    def charged(self) -> float | None:
        """What counts against the limit, in its unit."""
        return self.elapsed_s if self.clock == "wall" else self.used


class Verdict(NamedTuple):
    """A status and a sentence that tells the author what to do; empty when ok."""

    status: Status
    advice: str


ADVICE = {
    Status.OK: "",
    Status.OK_DEGRADED: "A whole result came back although a limit of the sandbox struck: see the notes, and use less memory "
    "or fewer processes.",
    Status.PLUGIN_ERROR: "The plugin raised an exception: see the traceback.",
    Status.TIMEOUT: "The time limit passed: watch context.remaining_s and return before it reaches zero.",
    Status.OOM: "The sandbox ran out of memory: use smaller batches and keep fewer copies, or ask for a higher memory limit.",
    Status.OOM_GPU: "The GPU ran out of memory: use smaller batches or free tensors that are no longer needed.",
    Status.DISK_FULL: "The sandbox's disk is full: /tmp and /dev/shm are small and count towards memory; write less.",
    Status.PIDS_LIMIT: "No further process or thread could be started: use fewer data-loading workers and threads.",
    Status.OUTPUT_MISSING: "The process ended without a result: the hook must return, and never call os._exit.",
    Status.OUTPUT_INVALID: "What came back is not the original's architecture with finite values: see the message.",
    Status.OUTPUT_TOO_LARGE: "The state that came back is larger than the original's: return its architecture and dtypes.",
    Status.POLICY_VIOLATION: "The sandbox's rules were broken: a plugin must not touch the guest, its pipes or forbidden calls.",
    Status.SETUP_ERROR: "The plugin could not be loaded inside the sandbox: see the message and check its dependencies.",
    Status.INFRA_ERROR: "The sandbox failed, not the plugin: run it again, and see `harness doctor` if it comes back.",
}

LOAD_ADVICE = (
    "The network or the original's weights could not be loaded inside the sandbox: see the message, and check the task's "
    "architecture and --memory."
)
LATE_ADVICE = {
    "wall": ADVICE[Status.TIMEOUT],
    "cpu": "The limit of processor seconds passed: watch context.remaining_s and return before it reaches zero.",
    "steps": "The limit on examples was used up: watch context.remaining_s, which counts them, and draw no more than that.",
}
IMPORT_ADVICE = (
    "The import of the plugin took more than the {import_limit_s:g} s that it may take, and was stopped before its hook and its "
    "time limit began: import less, or only inside the functions that need it, and compute nothing at import."
)

SIGNAL_ADVICE = {
    signal.SIGSEGV: "native code crashed; the log shows the Python stack at that moment.",
    signal.SIGBUS: "a mapped file or shared memory ran out of space; write less to /dev/shm and /tmp.",
    signal.SIGABRT: "native code gave up; the log usually says why.",
    signal.SIGKILL: "no memory kill was seen, so something else killed it, perhaps the plugin itself.",
    signal.SIGFPE: "native code divided an integer by zero.",
    signal.SIGILL: "native code needs a processor feature that is not here.",
}

PROBLEM_STATUS = {
    "plugin_error": Status.PLUGIN_ERROR,
    "setup_error": Status.SETUP_ERROR,
    "output_missing": Status.OUTPUT_MISSING,
    "output_invalid": Status.OUTPUT_INVALID,
    "output_too_large": Status.OUTPUT_TOO_LARGE,
}

NO_PROCESS_SIGNS = ("can't start new thread", "Resource temporarily unavailable", "[Errno 11]")
NO_GPU_MEMORY_SIGNS = ("CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory")
NO_MEMORY_SIGNS = ("can't allocate memory", "Cannot allocate memory", "[Errno 12]")
NO_MEMORY_ADVICE = (
    "The plugin raised an exception that speaks of memory; the kernel stopped nothing for the sandbox's memory limit, so that a "
    "single request was refused, e.g. for a size that no machine has: see the traceback."
)
NO_SPACE_SIGNS = ("No space left on device", "[Errno 28]")


def decide(facts: Facts) -> Verdict:
    """Status and advice; see the module's docstring for the order."""
    if facts.violation is not None:
        return _verdict(Status.POLICY_VIOLATION)
    if _killed_for_memory(facts):
        return _verdict(Status.OOM)
    if not facts.started:
        return _not_started(facts)
    if _late(facts):
        return Verdict(Status.TIMEOUT, _late_advice(facts))
    if facts.weights_problem is not None:
        return _verdict(PROBLEM_STATUS[facts.weights_problem])
    if facts.has_weights:
        return _verdict(Status.OK_DEGRADED if facts.oom_rise or facts.refused_forks else Status.OK)
    if facts.ended is None:
        return _guest_gone(facts)
    return _failed(facts, facts.ended)


def _verdict(status: Status) -> Verdict:
    return Verdict(status, ADVICE[status])


def _not_started(facts: Facts) -> Verdict:
    """Judge a model that was never ready: nothing of the plugin has run.

    A process that failed by itself would fail again: its cause is the original's. A process that was killed without a word, or
    that never answered, says nothing about it.
    """
    ended = facts.ended
    if ended is None or ended.problem == "infra_error" or (ended.signal == signal.SIGKILL and not ended.error_type):
        return _verdict(Status.INFRA_ERROR)
    return Verdict(Status.SETUP_ERROR, LOAD_ADVICE)


def _late(facts: Facts) -> bool:
    if not facts.imported and facts.killed_by_host:
        return True
    if facts.ended is not None and (facts.ended.deadline or _was_refused_examples(facts.clock, facts.ended)):
        return True
    return _above(facts.charged, facts.limit_s) or _above(facts.elapsed_s, facts.deadline_s)


def _was_refused_examples(clock: Clock, ended: Ended) -> bool:
    return clock == "steps" and ended.error_type == LimitReachedError.__name__


def _above(value: float | None, limit: float | None) -> bool:
    return value is not None and limit is not None and value > limit


def _late_advice(facts: Facts) -> str:
    if not facts.imported:
        return IMPORT_ADVICE.format(import_limit_s=facts.import_limit_s or 0.0)
    return LATE_ADVICE[facts.clock]


def _killed_for_memory(facts: Facts) -> bool:
    if not facts.oom_rise or facts.has_weights or facts.weights_problem is not None:
        return False
    if facts.ended is None:
        return not facts.killed_by_host  # a guest that lived until then was not the one killed for memory
    return facts.ended.signal == signal.SIGKILL and not facts.ended.deadline


def _guest_gone(facts: Facts) -> Verdict:
    """The guest died under a running model: by a signal from the plugin or from outside, or by a fault of its own.

    The process that served the model may have been killed by the plugin itself. Where the plugin could not have sent the
    signal, somebody outside did, and the model deserves another attempt; twice in a row is no accident.
    """
    exit_code = facts.guest_exit_code
    if exit_code is not None and LOST < exit_code <= 128:
        return _killed(exit_code - LOST)
    if exit_code is None or 0 <= exit_code <= 128:
        return _verdict(Status.INFRA_ERROR)
    if facts.guest_is_init and not facts.tried_before:
        return _verdict(Status.INFRA_ERROR)
    return _killed(-exit_code if exit_code < 0 else exit_code - 128)


def _killed(number: int) -> Verdict:
    if number == signal.SIGSYS:
        return _verdict(Status.POLICY_VIOLATION)
    try:
        known = signal.Signals(number)
    except ValueError:
        return Verdict(Status.KILLED_SIGNAL, f"Killed by signal {number}: see the log.")
    return Verdict(Status.KILLED_SIGNAL, f"Killed by {known.name}: {SIGNAL_ADVICE.get(known, 'see the log.')}")


def _failed(facts: Facts, ended: Ended) -> Verdict:
    """The process ended in time and without a result."""
    if ended.error_type is not None:
        status = _status_of_exception(facts, ended)
        memory = ended.error_type == "MemoryError" or _has(ended.error_message or "", NO_MEMORY_SIGNS)
        if status is Status.PLUGIN_ERROR and memory:
            return Verdict(status, NO_MEMORY_ADVICE)
        return Verdict(status, LOAD_ADVICE) if status is Status.SETUP_ERROR and facts.imported else _verdict(status)
    if ended.signal is not None and ended.problem != "output_too_large":
        return _killed(ended.signal)
    return _verdict(PROBLEM_STATUS.get(ended.problem or "", Status.OUTPUT_MISSING))


def _status_of_exception(facts: Facts, ended: Ended) -> Status:
    kind, message = ended.error_type or "", ended.error_message or ""
    if facts.on_gpu and (kind == "OutOfMemoryError" or _has(message, NO_GPU_MEMORY_SIGNS)):
        return Status.OOM_GPU
    if _has(message, NO_SPACE_SIGNS):
        return Status.DISK_FULL
    # The words are those of other errors too; where the kernel counts, it has the last one.
    if facts.refused_forks != 0 and (kind == "BlockingIOError" or _has(message, NO_PROCESS_SIGNS)):
        return Status.PIDS_LIMIT
    return PROBLEM_STATUS.get(ended.problem or "", Status.PLUGIN_ERROR)


def _has(message: str, signs: tuple[str, ...]) -> bool:
    return any(sign in message for sign in signs)
