"""Attacks that leave something for the next model: promise 2. Those that only `--isolation model` defeats come last."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Guard

TWICE = (Status.OK, Status.OK)


def _leaves(name: str, what: str, guard: Guard | None = None) -> Attack:
    """Return an attack on two models: the second looks for what the first left."""
    return Attack(name, f"state:{name}", 2, f"leaves {what}", TWICE, guard=guard)


def _meets(name: str, what: str) -> Attack:
    """Return an attack on two models through kernel objects."""
    return Attack(name, f"meeting:{name}", 2, f"leaves {what}", TWICE)


def _lowers(name: str, what: str) -> Attack:
    """Return an attack on two models through process attributes inherited from the guest."""
    return Attack(name, f"process_attributes:{name}", 2, f"leaves {what}", TWICE)


def _marks(name: str, what: str) -> Attack:
    """Return an attack on data that every model receives."""
    return Attack(name, f"imports:{name}", 2, f"leaves {what}", TWICE)


def _counts(name: str, what: str, guard: Guard | None = None) -> Attack:
    """Return an attack on two models that only ``--isolation model`` defeats."""
    return Attack(name, f"counters:{name}", 2, f"leaves {what}", TWICE, guard=guard, defeated_by="model")


ATTACKS: tuple[Attack, ...] = (
    _leaves("file_in_tmp", "a file in /tmp"),
    _leaves("file_in_shm", "a file in /dev/shm"),
    _leaves("file_in_home", "files in the home and cache folders"),
    _leaves("deep_folder", "a file three hundred folders deep", Guard.TMPFS),
    _leaves("closed_folder", "a file in folders without access rights"),
    _leaves("odd_names", "files with names that are not valid text"),
    _leaves("many_files", "ten thousand files", Guard.TMPFS),
    _leaves("links", "links, a named pipe and a socket"),
    _meets("locked_file", "a lock on the data file"),
    _meets("message_queue", "a POSIX message queue"),
    _meets("shared_memory", "a System V shared memory segment"),
    _meets("shared_memory_in_use", "a System V segment held by a daemon"),
    _meets("semaphore", "a System V semaphore"),
    _meets("ipc_queue", "a System V message queue"),
    _meets("abstract_socket", "a daemon that listens on an abstract socket"),
    _meets("tcp_listener", "a daemon that listens on a loopback port"),
    _leaves("background_process", "a daemon"),
    _leaves("process_in_many_generations", "a daemon that continuously replaces itself by a child", Guard.PIDS),
    _leaves("frozen_process", "a stopped daemon"),
    _meets("terminal", "a terminal held by a daemon"),
    _leaves("patched_modules", "patches of torch, the guest and Python"),
    _leaves("global_settings", "settings of torch and Python"),
    _leaves("environment", "environment variables, a working directory, blocked signals and a timer"),
    _leaves("data_in_place", "images and labels changed in place"),
    _leaves("data_through_memory", "images changed through /proc/self/mem"),
    _leaves("weights_in_place", "an attribute on the model"),
    _leaves("memory_shared_with_the_guest", "marks in memory shared with the guest"),
    _meets("keyring", "a key in the user's keyring"),
    _lowers("guest_limits", "changed rlimits of the guest"),
    _lowers("guest_no_files", "a limit of the guest on descriptors that is too low to open any"),
    _lowers("guest_no_processes", "a limit of the guest on processes of zero"),
    _lowers("guest_no_memory", "a limit of the guest on memory that is too low to allocate any"),
    _lowers("guest_cpu_time", "a limit of the guest on CPU time that it has exceeded, so that the kernel kills it"),
    _lowers("guest_scheduling", "the guest at a lower priority, on one core, in the idle class"),
    _lowers("user_niceness", "all processes of its user at a lower priority"),
    _marks("marked_data_file", "changed permissions and attributes of the data file"),
    Attack("remains_in_memory", "counters:remains_in_memory", 2, "leaves output in the guest's memory", TWICE),
    _counts("next_process_number", "a higher next process id"),
    _counts("next_file_number", "a higher next inode number in /tmp"),
    _counts("peak_of_memory", "a higher memory peak", Guard.MEMORY),
)
