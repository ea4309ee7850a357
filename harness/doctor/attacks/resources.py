"""Attacks on resource limits, and on the guest through these limits: promises 1, 5 and 6."""

from __future__ import annotations

from functools import partial

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack, Guard, Promise


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
    _on("forks", "forks endlessly, also in every child (fork bomb)", Status.PIDS_LIMIT, guard=Guard.PIDS),
    _on("forks_and_swallows", "forks endlessly and swallows the error", Status.OK_DEGRADED, guard=Guard.PIDS),
    _on("starts_threads", "starts threads endlessly", Status.PIDS_LIMIT, guard=Guard.PIDS),
    _on("opens_files", "opens more files than a process may", Status.PLUGIN_ERROR),
)

MEMORY = (
    _on("allocates", "allocates all memory", Status.OOM, guard=Guard.MEMORY),
    _on(
        "child_allocates",
        "lets a child be killed for allocating all memory, and returns normally",
        Status.OK_DEGRADED,
        promise=5,
        guard=Guard.MEMORY,
    ),
    _on(
        "offers_the_guest",
        "allocates all memory in processes smaller than the guest, so that the kernel kills the guest",
        Status.OOM,
        guard=Guard.MEMORY,
    ),
    _on("hides_memory", "allocates all memory in an anonymous file (memfd)", Status.OOM, guard=Guard.MEMORY),
    _on("fills_pipes", "fills pipes that nobody reads, as many as it can", guard=Guard.MEMORY),
)

DISK = (
    _floods("fills_tmp", "fills /tmp to the last byte", Status.DISK_FULL, guard=Guard.TMPFS),
    _floods("fills_tmp_and_swallows", "fills /tmp to the last byte and returns", guard=Guard.TMPFS),
    _floods("fills_shm", "fills /dev/shm to the last byte", Status.DISK_FULL, guard=Guard.SHM),
    _floods("maps_beyond_shm", "writes to a mapping larger than /dev/shm", Status.KILLED_SIGNAL, guard=Guard.SHM),
    _floods(
        "makes_many_files", "leaves 30,000 files in /tmp, with odd names, links and pipes", promise=6, guard=Guard.TMPFS
    ),
    _floods("nests_folders", "leaves 3,000 nested folders without access rights", promise=6, guard=Guard.TMPFS),
    _on("enlarges_tmp", "remounts /tmp without a size limit"),
)

OUTPUT = (
    _floods("prints_a_gigabyte", "prints 1 GB", prints_bytes=1_000_000_000),
    _floods("prints_one_line", "prints one line of 200 MB", prints_bytes=200_000_000),
    _floods("prints_noise", "prints binary noise"),
    _floods("prints_escapes", "prints terminal escapes, and characters that hide or reverse text"),
    _floods(
        "long_error", "raises an exception with a text of 40 MB of terminal escapes", Status.PLUGIN_ERROR, promise=5
    ),
)

RIGHTS = (
    _on("raises_limits", "requests priority, real-time scheduling, more files and protection from the OOM killer"),
    _on("widens_group", "raises the limits of its cgroup"),
)

GUEST = (
    _on("kills_group", "kills its own process group", Status.KILLED_SIGNAL, promise=5),
    _on("signals_by_descriptor", "makes the kernel send SIGKILL and SIGSTOP to the guest through a pipe", promise=5),
    _on(
        "blames_the_sandbox",
        "prevents the guest from opening files, so that the guest fails and the sandbox is blamed",
        Status.PLUGIN_ERROR,
        promise=5,
    ),
)

ATTACKS: tuple[Attack, ...] = (*PROCESSES, *MEMORY, *DISK, *OUTPUT, *RIGHTS, *GUEST)
