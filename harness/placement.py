"""Which cores, memory and GPUs each worker gets, decided before any work and refused where it cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.config import RunConfig
from harness.errors import GpuUnavailableError, UsageError
from harness.runners.gpus import parse_gpus
from harness.runners.seats import Seat

WARM_GUEST_MIB = 512  # a guest that waits for a model: Python, torch and what both map
MOST_AHEAD = 4  # more guests in stock than this save no time that could be seen


def plan_seats(config: RunConfig, cores: Sequence[int], memory_mib: int, gpus: Sequence[str] = ()) -> tuple[Seat, ...]:
    """A seat for each worker; no two share a core, nor a GPU unless the user names it twice.

    Args:
        config: the user's options.
        cores: numbers of the cores that may be used.
        memory_mib: of the machine.
        gpus: UUIDs of the machine's GPUs; looked at only with more than one worker.

    Raises:
        UsageError: the workers do not fit into cores or memory, or GPUs cannot be shared out evenly.
        GpuUnavailableError: there are fewer GPUs than asked for.
    """
    workers, each = config.workers, config.cores_of_one(len(cores))
    if workers > 1:
        _check_fit(config, len(cores), each, memory_mib)
    own = [tuple(cores[index * each : (index + 1) * each]) for index in range(workers)]
    spare = tuple(cores[workers * each :])
    ahead = min(_warm_at_once(len(spare), each, workers), _room(config, memory_mib))
    return tuple(Seat(mine, spare, device, ahead) for mine, device in zip(own, _devices(config, gpus), strict=True))


def unpinned(seats: Sequence[Seat]) -> tuple[Seat, ...]:
    """The same for a runner that cannot keep guests on cores: none can be told from any other, so that none is spare."""
    return tuple(replace(seat, cores=None, spare=()) for seat in seats)


def _warm_at_once(spare: int, each: int, workers: int) -> int:
    """Guests to keep in stock: importing takes one core, and all of a seat's are idle between two models."""
    return max(1, min(spare // workers if spare else each, MOST_AHEAD))


def _room(config: RunConfig, memory_mib: int) -> int:
    """How many guests can wait in the memory that is left when every worker's sandbox is full; one is always allowed."""
    left_mib = memory_mib - config.workers * config.memory_mib
    return max(1, left_mib // (WARM_GUEST_MIB * config.workers))


def _check_fit(config: RunConfig, cores: int, each: int, memory_mib: int) -> None:
    workers = config.workers
    if workers * each > cores:
        how = f"{workers} x {config.cpus} cores" if config.cpus else f"{workers} cores"
        raise UsageError(
            f"--workers {workers} needs {how}, and there are {cores}. Give at most --workers {max(1, cores // each)}"
            + (f", or at most --cpus {cores // workers} with them." if cores >= workers and config.cpus else ".")
        )
    if workers * config.memory_mib > memory_mib:
        raise UsageError(
            f"--workers {workers} needs {workers} x {config.memory_mib} MiB of memory, and the machine has {memory_mib} MiB. "
            f"Give each sandbox at most --memory {memory_mib // workers}, or fewer workers."
        )


def _devices(config: RunConfig, gpus: Sequence[str]) -> list[str | None]:
    """The GPUs of each worker; None where there is nothing to share out."""
    workers = config.workers
    if workers == 1:
        return [None]
    wanted = _wanted(config, gpus)
    if not wanted:
        return [None] * workers
    if len(wanted) % workers:
        raise UsageError(
            f"--gpus {config.gpus} with --workers {workers}: {len(wanted)} GPUs cannot be shared out evenly. No two workers "
            "share one unless it is named twice: give as many UUIDs as workers, e.g. --gpus GPU-…,GPU-…"
        )
    each = len(wanted) // workers
    return [",".join(wanted[index * each : (index + 1) * each]) for index in range(workers)]


def _wanted(config: RunConfig, gpus: Sequence[str]) -> Sequence[str]:
    """UUIDs of all GPUs that the workers are to have together."""
    if config.gpus == "auto":
        count = config.workers if gpus else 0
    else:
        count, named = parse_gpus(config.gpus)
        if named:
            return named
    if count == -1:
        count = len(gpus) - len(gpus) % config.workers if gpus else config.workers
    if count > len(gpus):
        raise GpuUnavailableError(
            f"--gpus {config.gpus} with --workers {config.workers}: {count} GPUs are needed, one for each worker, and "
            f"nvidia-smi lists {len(gpus)}. Give fewer workers, or name a GPU twice (--gpus GPU-…,GPU-…) to let workers share it."
        )
    return gpus[:count]
