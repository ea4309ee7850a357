"""Classification of how a model ended: a pure function from observations to a status and one sentence of advice.

The order of the checks matters:

1. A protocol violation: after it nothing the guest sends can be trusted.
2. An out-of-memory kill counted by the kernel. If the timeout were checked first, a process killed for memory late in its life
   would be reported as too slow, and its author would optimise the wrong thing.
3. The timeout, even if there is a complete result: late results do not count.
4. A complete result. Whatever happens to the guest afterwards is teardown and no cause.
5. Exit statuses, the weakest evidence: 137 may mean memory, a deadline or a kill from outside.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import NamedTuple

from harness.core.outcomes import Status
from harness.evaluation import Clock
from harness_guest.meter import LimitReachedError
from harness_guest.protocol import LOST, Ended


@dataclass(frozen=True)
class Facts:
    """Observations about a model that has ended.

    Attributes:
        started: the import of the plugin has begun, so the plugin may have run.
        imported: the import has ended and START was sent, so the limit counts.
        import_limit_s: seconds that the import may take; None for no limit.
        elapsed_s: seconds on the host's clock; None if the model never started.
        limit_s: limit in force, in the unit of ``clock``.
        violation: how the guest broke the protocol; None if it did not.
        ended: the guest's ENDED frame; None if the guest died before sending it.
        guest_exit_code: exit code of the guest; None while it runs or if unknown.
        guest_is_init: the guest is PID 1 of a container, which no process inside can kill by a signal.
        tried_before: the guest was killed during an earlier attempt at this model.
        oom_rise: out-of-memory kills while the model ran.
        refused_forks: forks refused by the process limit while the model ran; None if unknown.
        has_weights: a state was received and accepted.
        weights_problem: why the received state was rejected; None if it was not.
        setup_timed_out: setting the model up timed out.
        killed_by_host: the guest was alive until the host killed it, at the deadline or when the import's allowance was used up.
        clock: what the limit counts: "wall", "cpu" or "steps".
        used: amount used of the limit if ``clock`` is not "wall"; None if unknown.
        deadline_s: seconds on the host's clock after which the model is late regardless of ``clock``; None for no deadline.
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
        """Return the amount counted against the limit, in its unit."""
        return self.elapsed_s if self.clock == "wall" else self.used


class Verdict(NamedTuple):
    """A status and one sentence of advice for the author, empty for ``ok``."""

    status: Status
    advice: str


ADVICE = {
    Status.OK: "",
    Status.OK_DEGRADED: "The result is complete, but a limit of the sandbox was hit: see the notes, and use less memory or "
    "fewer processes.",
    Status.PLUGIN_ERROR: "The plugin raised an exception: see the traceback.",
    Status.TIMEOUT: "The time limit was exceeded: watch context.remaining_s and return before it reaches zero.",
    Status.OOM: "The sandbox ran out of memory: use smaller batches and keep fewer copies, or raise the limit with --memory.",
    Status.OOM_GPU: "The GPU ran out of memory: use smaller batches or free tensors that are no longer needed.",
    Status.DISK_FULL: "The sandbox's disk is full: /tmp and /dev/shm are small and count towards memory; write less.",
    Status.PIDS_LIMIT: "No further process or thread could be started: use fewer data-loading workers and threads.",
    Status.OUTPUT_MISSING: "The process ended without a result: the hook must return and must not call os._exit.",
    Status.OUTPUT_INVALID: "The returned state differs from the original's architecture or is not finite: see the message.",
    Status.OUTPUT_TOO_LARGE: "The returned state is larger than the original's: keep its architecture and dtypes.",
    Status.POLICY_VIOLATION: "The sandbox's rules were broken: a plugin must not touch the guest, its pipes or forbidden calls.",
    Status.SETUP_ERROR: "The plugin could not be loaded inside the sandbox: see the message and check its dependencies.",
    Status.INFRA_ERROR: "The sandbox failed, not the plugin: run it again; if it fails again, run `harness doctor`.",
}

LOAD_ADVICE = (
    "The network or the original's weights could not be loaded inside the sandbox: see the message, and check the task's "
    "architecture and --memory."
)
LATE_ADVICE = {
    "wall": ADVICE[Status.TIMEOUT],
    "cpu": "The limit on CPU seconds was exceeded: watch context.remaining_s and return before it reaches zero.",
    "steps": "The limit on examples was exceeded: watch context.remaining_s, which counts them, and load no more than that.",
}
IMPORT_ADVICE = (
    "The import of the plugin exceeded its limit of {import_limit_s:g} s and was killed before the hook and the "
    "time limit began. Import less, or only inside the functions that need it, and compute nothing at import."
)

SIGNAL_ADVICE = {
    signal.SIGSEGV: "native code crashed; the log shows the Python stack at that moment.",
    signal.SIGBUS: "a mapped file or shared memory ran out of space; write less to /dev/shm and /tmp.",
    signal.SIGABRT: "native code aborted; the log usually has the reason.",
    signal.SIGKILL: "the kernel counted no out-of-memory kill, so another process sent it, perhaps the plugin itself.",
    signal.SIGFPE: "native code divided an integer by zero.",
    signal.SIGILL: "native code needs a CPU instruction that this machine lacks.",
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
    "The plugin raised a memory error, but the kernel killed nothing for the sandbox's memory limit: a single allocation was too "
    "large. See the traceback."
)
NO_SPACE_SIGNS = ("No space left on device", "[Errno 28]")


def decide(facts: Facts) -> Verdict:
    """Return status and advice; the module's docstring explains the order of the checks."""
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
    """Classify a model that never became ready, so that no plugin code has run.

    An error while loading would recur, so it is attributed to the task's original (``setup_error``). A process that was killed
    without an error, or never answered, is attributed to the infrastructure.
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
        return not facts.killed_by_host  # a guest that lived until the deadline was not killed for memory
    return facts.ended.signal == signal.SIGKILL and not facts.ended.deadline


def _guest_gone(facts: Facts) -> Verdict:
    """Classify a model during which the guest died: killed by the plugin or from outside, or crashed.

    The plugin may have killed the process that served the model. If the plugin cannot have sent the signal, the first kill
    counts as ``infra_error``, which is retried. A second kill in a row is attributed to the plugin.
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
    """Classify a process that ended within the limit and without a result."""
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
    # Other errors have these messages too, so a kernel count of zero refused forks overrules them.
    if facts.refused_forks != 0 and (kind == "BlockingIOError" or _has(message, NO_PROCESS_SIGNS)):
        return Status.PIDS_LIMIT
    return PROBLEM_STATUS.get(ended.problem or "", Status.PLUGIN_ERROR)


def _has(message: str, signs: tuple[str, ...]) -> bool:
    return any(sign in message for sign in signs)
