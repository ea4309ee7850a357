"""Attacks on the reported cause of a model's end: promise 5."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack

SOON_S = 1.0
"""Time limit of attacks that never return, seconds."""


def _ends(name: str, tries: str, expected: Status = Status.PLUGIN_ERROR, limit_s: float = 30.0) -> Attack:
    """Return an attack on one model."""
    return Attack(name, f"ends:{name}", 5, tries, (expected,), limit_s=limit_s)


def _raises(name: str, tries: str) -> Attack:
    """Return an attack by an exception."""
    return Attack(name, f"raising:{name}", 5, tries, (Status.PLUGIN_ERROR,))


ATTACKS: tuple[Attack, ...] = (
    _raises("raises", "raises an exception"),
    _raises("raises_without_text", "raises an exception that raises in `__str__`"),
    _raises("raises_and_leaves", "raises an exception that exits in `__str__`"),
    _raises("raises_without_problem", "raises an exception with an attribute that raises KeyboardInterrupt"),
    _raises("raises_with_a_list", "raises an exception that passes the guest a list instead of a name"),
    _raises("raises_without_name", "raises an exception of a class without a name"),
    _raises("raises_at_length", "raises an exception with a name and a text of 10 MB"),
    _raises("raises_escapes", "raises an exception with terminal escapes, a script and lone surrogates in its text"),
    _raises("raises_in_a_chain", "raises an exception with a thousand causes"),
    _raises("raises_a_group", "raises nested exception groups"),
    _ends("raises_system_exit", "raises SystemExit(0)"),
    _ends("exits", "calls sys.exit"),
    _ends("exits_at_once", "calls os._exit(0)", Status.OUTPUT_MISSING),
    _ends("exits_with_a_status", "exits with status 137, as after an out-of-memory kill", Status.OUTPUT_MISSING),
    _ends("exits_in_a_thread", "exits the process from a thread", Status.OUTPUT_MISSING),
    _ends("interrupts", "raises KeyboardInterrupt"),
    _ends("interrupts_itself", "sends itself SIGINT"),
    _ends("replaces_itself", "replaces its process by another program", Status.OUTPUT_MISSING),
    _ends("segfaults", "reads address 0", Status.KILLED_SIGNAL),
    _ends("segfaults_quietly", "reads address 0 without a traceback", Status.KILLED_SIGNAL),
    _ends("aborts", "calls abort()", Status.KILLED_SIGNAL),
    _ends("kills_itself", "sends itself SIGKILL", Status.KILLED_SIGNAL),
    _ends("forbidden_call", "dies of SIGSYS, as if killed by the seccomp filter", Status.POLICY_VIOLATION),
    _ends("divides_by_zero", "dies of SIGFPE", Status.KILLED_SIGNAL),
    _ends("recurses", "exceeds Python's recursion limit"),
    _ends("overflows_the_stack", "overflows the C stack", Status.KILLED_SIGNAL),
    _ends("says_no_memory", "raises MemoryError", Status.PLUGIN_ERROR),
    _ends("says_no_space", "raises OSError for a full disk", Status.DISK_FULL),
    _ends("cpu_limit", "exceeds its own limit on CPU time", Status.KILLED_SIGNAL),
    _ends("file_limit", "sets its limit on descriptors to zero, and raises"),
    _ends("forgets_modules", "deletes all modules from `sys.modules`, and raises"),
    _ends("closes_streams", "closes its standard streams, and raises"),
    _ends("replaces_streams", "replaces its standard streams by objects that exit when flushed", Status.OK),
    _ends("stops_by_exit_handlers", "registers an exit handler that never ends, and raises"),
    _ends("waits_in_a_thread", "returns with a thread that never ends", Status.OK),
)
