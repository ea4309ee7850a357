"""Attacks that leave something for the next model; promise 2. What one warm container does not close comes last."""

from __future__ import annotations

from harness.attacks.model import Attack, Guard
from harness.outcomes import Status

TWICE = (Status.OK, Status.OK)


def _leaves(name: str, what: str, guard: Guard | None = None) -> Attack:
    """An attack on two models, the second of which looks for what the first has left."""
    return Attack(name, f"state:{name}", 2, f"leaves {what}", TWICE, guard=guard)


def _meets(name: str, what: str) -> Attack:
    """The same, at a place in the kernel."""
    return Attack(name, f"meeting:{name}", 2, f"leaves {what}", TWICE)


def _lowers(name: str, what: str) -> Attack:
    """The same, by what every process inherits from the guest."""
    return Attack(name, f"posture:{name}", 2, f"leaves {what}", TWICE)


def _marks(name: str, what: str) -> Attack:
    """The same, on what every model is handed."""
    return Attack(name, f"imports:{name}", 2, f"leaves {what}", TWICE)


def _counts(name: str, what: str, guard: Guard | None = None) -> Attack:
    """The same, where only a container of its own for every model closes the way."""
    return Attack(name, f"counters:{name}", 2, f"leaves {what}", TWICE, guard=guard, defeated_by="model")


ATTACKS: tuple[Attack, ...] = (
    _leaves("file_in_tmp", "a file in /tmp"),
    _leaves("file_in_shm", "a file in /dev/shm"),
    _leaves("file_in_home", "files in the home and cache folders"),
    _leaves("deep_folder", "a file three hundred folders deep", Guard.TMPFS),
    _leaves("closed_folder", "a file in folders that nobody may enter"),
    _leaves("odd_names", "files whose names are no text"),
    _leaves("many_files", "ten thousand files", Guard.TMPFS),
    _leaves("links", "links, a named pipe and a socket"),
    _meets("locked_file", "a lock on the data file"),
    _meets("message_queue", "a POSIX message queue"),
    _meets("shared_memory", "a System V shared memory segment"),
    _meets("shared_memory_in_use", "a System V segment held by a daemon"),
    _meets("semaphore", "a System V semaphore"),
    _meets("ipc_queue", "a System V message queue"),
    _meets("abstract_socket", "a daemon at an abstract socket"),
    _meets("tcp_listener", "a daemon at a port of loopback"),
    _leaves("background_process", "a daemon"),
    _leaves("process_in_many_generations", "a daemon that is born anew without a pause", Guard.PIDS),
    _leaves("frozen_process", "a stopped daemon"),
    _meets("terminal", "a terminal held by a daemon"),
    _leaves("patched_modules", "patches on torch, the guest and Python"),
    _leaves("global_settings", "settings of torch and Python"),
    _leaves("environment", "variables, a current folder, blocked signals and a timer"),
    _leaves("data_in_place", "pictures and labels changed in place"),
    _leaves("data_through_memory", "pictures changed through /proc/self/mem"),
    _leaves("weights_in_place", "an attribute on the model"),
    _leaves("memory_shared_with_the_guest", "marks in memory that it shares with the guest"),
    _meets("keyring", "a key in the user's keyring"),
    _lowers("guest_limits", "the guest with other limits"),
    _lowers("guest_no_files", "the guest without a right to descriptors"),
    _lowers("guest_no_processes", "the guest without a right to processes"),
    _lowers("guest_no_memory", "the guest without a right to memory"),
    _lowers(
        "guest_cpu_time", "the guest with a limit on CPU time that is long since used up, so that the kernel kills it"
    ),
    _lowers("guest_scheduling", "the guest with less priority, one core, in the idle class"),
    _lowers("user_niceness", "all processes of its user with less priority"),
    _marks("marked_data_file", "rights and attributes of the data file"),
    Attack("remains_in_memory", "counters:remains_in_memory", 2, "leaves output in the guest's memory", TWICE),
    _counts("next_process_number", "a higher next process number"),
    _counts("next_file_number", "a higher next file number in /tmp"),
    _counts("peak_of_memory", "a higher peak of memory", Guard.MEMORY),
)
