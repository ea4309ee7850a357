"""Attacks on the account of how a model ended; promise 5."""

from __future__ import annotations

from harness.attacks.model import Attack
from harness.outcomes import Status

SOON_S = 1.0
"""Limit of attacks that never return, seconds."""


def _ends(name: str, tries: str, expected: Status = Status.PLUGIN_ERROR, limit_s: float = 30.0) -> Attack:
    """An attack on one model."""
    return Attack(name, f"ends:{name}", 5, tries, (expected,), limit_s=limit_s)


def _raises(name: str, tries: str) -> Attack:
    """An attack by an exception."""
    return Attack(name, f"raising:{name}", 5, tries, (Status.PLUGIN_ERROR,))


ATTACKS: tuple[Attack, ...] = (
    _raises("raises", "raises an exception"),
    _raises("raises_without_text", "raises an exception that raises when asked for its text"),
    _raises("raises_and_leaves", "raises an exception that exits when asked for its text"),
    _raises("raises_without_problem", "raises an exception that is interrupted when looked at"),
    _raises("raises_with_a_list", "raises an exception that gives the guest a list where a name is due"),
    _raises("raises_without_name", "raises an exception whose class has no name"),
    _raises("raises_at_length", "raises an exception whose name and text have 10 MB"),
    _raises("raises_escapes", "raises an exception of terminal escapes, a script and lone surrogates"),
    _raises("raises_in_a_chain", "raises an exception with a thousand causes"),
    _raises("raises_a_group", "raises groups of exceptions within groups"),
    _ends("raises_system_exit", "raises SystemExit(0)"),
    _ends("exits", "calls sys.exit"),
    _ends("exits_at_once", "calls os._exit(0)", Status.OUTPUT_MISSING),
    _ends("exits_with_a_status", "ends with status 137, as if killed for memory", Status.OUTPUT_MISSING),
    _ends("exits_in_a_thread", "ends the process from a thread", Status.OUTPUT_MISSING),
    _ends("interrupts", "raises KeyboardInterrupt"),
    _ends("interrupts_itself", "sends itself SIGINT"),
    _ends("replaces_itself", "becomes another program", Status.OUTPUT_MISSING),
    _ends("segfaults", "reads address 0", Status.KILLED_SIGNAL),
    _ends("segfaults_quietly", "reads address 0 without a traceback", Status.KILLED_SIGNAL),
    _ends("aborts", "calls abort()", Status.KILLED_SIGNAL),
    _ends("kills_itself", "sends itself SIGKILL", Status.KILLED_SIGNAL),
    _ends("forbidden_call", "dies as by the filter of system calls", Status.POLICY_VIOLATION),
    _ends("divides_by_zero", "dies of a division by zero", Status.KILLED_SIGNAL),
    _ends("recurses", "recurses beyond Python's limit"),
    _ends("overflows_the_stack", "recurses beyond the stack of C", Status.KILLED_SIGNAL),
    _ends("says_no_memory", "raises MemoryError", Status.PLUGIN_ERROR),
    _ends("says_no_space", "raises the error of a full disk", Status.DISK_FULL),
    _ends("cpu_limit", "uses up a limit on CPU time of its own", Status.KILLED_SIGNAL),
    _ends("file_limit", "sets itself a limit of no descriptors, and raises"),
    _ends("forgets_modules", "forgets all modules, and raises"),
    _ends("closes_streams", "closes its standard streams, and raises"),
    _ends("replaces_streams", "replaces its standard streams by some that exit when flushed", Status.OK),
    _ends("stops_by_exit_handlers", "leaves an exit handler that never ends, and raises"),
    _ends("waits_in_a_thread", "returns with a thread that never ends", Status.OK),
)
