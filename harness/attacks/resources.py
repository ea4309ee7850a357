"""Attacks on the limits, and on the guest by way of them: promises 1, 5 and 6."""

from __future__ import annotations

from functools import partial

from harness.attacks.model import Attack, Guard, Promise
from harness.outcomes import Status


def _on(
    name: str,
    tries: str,
    status: Status = Status.OK,
    *,
    promise: Promise = 1,
    guard: Guard | None = None,
    prints_bytes: int | None = None,
    module: str = "resources",
) -> Attack:
    return Attack(name, f"{module}:{name}", promise, tries, (status,), guard=guard, prints_bytes=prints_bytes)


_floods = partial(_on, module="floods")


PROCESSES = (
    _on("forks", "forks without an end, in every child too", Status.PIDS_LIMIT, guard=Guard.PIDS),
    _on("forks_and_swallows", "forks without an end and swallows the refusal", Status.OK_DEGRADED, guard=Guard.PIDS),
    _on("starts_threads", "starts threads without an end", Status.PIDS_LIMIT, guard=Guard.PIDS),
    _on("opens_files", "opens more files than a process may", Status.PLUGIN_ERROR),
)

MEMORY = (
    _on("allocates", "takes all memory", Status.OOM, guard=Guard.MEMORY),
    _on(
        "child_allocates",
        "has a child killed for taking all memory and returns as if nothing had been",
        Status.OK_DEGRADED,
        promise=5,
        guard=Guard.MEMORY,
    ),
    _on(
        "offers_the_guest",
        "takes all memory in processes smaller than the guest, so that the kernel kills the guest",
        Status.OOM,
        guard=Guard.MEMORY,
    ),
    _on("hides_memory", "takes all memory in a file without a name", Status.OOM, guard=Guard.MEMORY),
    _on("fills_pipes", "keeps as much as it can in pipes that nobody reads", guard=Guard.MEMORY),
)

DISK = (
    _floods("fills_tmp", "fills /tmp to the last byte", Status.DISK_FULL, guard=Guard.TMPFS),
    _floods("fills_tmp_and_swallows", "fills /tmp to the last byte and returns", guard=Guard.TMPFS),
    _floods("fills_shm", "fills /dev/shm to the last byte", Status.DISK_FULL, guard=Guard.SHM),
    _floods("maps_beyond_shm", "writes to a mapping larger than /dev/shm", Status.KILLED_SIGNAL, guard=Guard.SHM),
    _floods(
        "makes_many_files", "leaves 30,000 files in /tmp, with odd names, links and pipes", promise=6, guard=Guard.TMPFS
    ),
    _floods(
        "nests_folders", "leaves 3,000 folders in one another that may not be entered", promise=6, guard=Guard.TMPFS
    ),
    _on("enlarges_tmp", "mounts /tmp again without a limit on its size"),
)

OUTPUT = (
    _floods("prints_a_gigabyte", "prints 1 GB", prints_bytes=1_000_000_000),
    _floods("prints_one_line", "prints one line of 200 MB", prints_bytes=200_000_000),
    _floods("prints_noise", "prints binary noise"),
    _floods("prints_escapes", "prints terminal escapes, and characters that hide text or turn it around"),
    _floods(
        "long_error", "raises an exception with a text of 40 MB of terminal escapes", Status.PLUGIN_ERROR, promise=5
    ),
)

RIGHTS = (
    _on("raises_limits", "asks for priority, real-time scheduling, more files and protection from the memory killer"),
    _on("widens_group", "writes larger limits into its control group"),
)

GUEST = (
    _on("kills_group", "kills its own process group", Status.KILLED_SIGNAL, promise=5),
    _on("signals_by_descriptor", "has the kernel send the guest SIGKILL and SIGSTOP by way of a pipe", promise=5),
    _on(
        "blames_the_sandbox",
        "forbids the guest to open files, so that the guest breaks down and the sandbox is blamed",
        Status.PLUGIN_ERROR,
        promise=5,
    ),
)

ATTACKS: tuple[Attack, ...] = (*PROCESSES, *MEMORY, *DISK, *OUTPUT, *RIGHTS, *GUEST)
