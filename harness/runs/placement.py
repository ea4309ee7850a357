"""Assignment of cores, memory and GPUs to workers, checked before any work starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.core import hardware
from harness.errors import GpuUnavailableError, UsageError
from harness.runners.cores import CoreSet
from harness.runners.engine.gpus import parse_gpus
from harness.runs.config import RunConfig

WARM_GUEST_MIB = 512  # memory of an idle guest: Python, torch and their mappings
MOST_AHEAD = 4  # more warm guests than this save no measurable time


def plan_core_sets(
    config: RunConfig, cores: Sequence[int], memory_mib: int, gpus: Sequence[str] = ()
) -> tuple[CoreSet, ...]:
    """Return a core set per worker. No two share a core, nor a GPU unless the user names it twice.

    Args:
        config: the user's options.
        cores: numbers of the usable cores.
        memory_mib: memory of the machine.
        gpus: UUIDs of the machine's GPUs; used only with several workers.

    Raises:
        UsageError: if cores or memory do not suffice, or GPUs cannot be divided evenly.
        GpuUnavailableError: if there are fewer GPUs than requested.
    """
    workers, each = config.workers, config.cores_of_one(len(cores))
    if workers > 1:
        _check_fit(config, len(cores), each, memory_mib)
    own = [tuple(cores[index * each : (index + 1) * each]) for index in range(workers)]
    spare = tuple(cores[workers * each :])
    ahead = min(_warm_at_once(len(spare), each, workers), _room(config, memory_mib))
    return tuple(CoreSet(mine, spare, device, ahead) for mine, device in zip(own, _devices(config, gpus), strict=True))


def gpus_to_share(config: RunConfig) -> tuple[str, ...]:
    """Return the UUIDs of the machine's GPUs if several workers may use them."""
    return hardware.gpu_uuids() if config.workers > 1 and config.gpus != "none" else ()


def unpinned(core_sets: Sequence[CoreSet]) -> tuple[CoreSet, ...]:
    """Drop core pinning and spare cores, for runners that do not support pinning."""
    return tuple(replace(core_set, cores=None, spare=()) for core_set in core_sets)


def _warm_at_once(spare: int, each: int, workers: int) -> int:
    """Return the number of guests to warm up in parallel: one per spare core, else one per own core (idle between models)."""
    return max(1, min(spare // workers if spare else each, MOST_AHEAD))


def _room(config: RunConfig, memory_mib: int) -> int:
    """Return how many warm guests per worker fit into memory besides full sandboxes; at least 1."""
    left_mib = memory_mib - config.workers * config.memory_mib
    return max(1, left_mib // (WARM_GUEST_MIB * config.workers))


def _check_fit(config: RunConfig, cores: int, each: int, memory_mib: int) -> None:
    workers = config.workers
    if workers * each > cores:
        how = f"{workers} x {config.cpus} cores" if config.cpus else f"{workers} cores"
        raise UsageError(
            f"--workers {workers} needs {how}, but there are {cores}. Pass at most --workers {max(1, cores // each)}"
            + (f", or at most --cpus {cores // workers}." if cores >= workers and config.cpus else ".")
        )
    if workers * config.memory_mib > memory_mib:
        raise UsageError(
            f"--workers {workers} needs {workers} x {config.memory_mib} MiB of memory, but the machine has {memory_mib} MiB. "
            f"Pass at most --memory {memory_mib // workers}, or fewer workers."
        )


def _devices(config: RunConfig, gpus: Sequence[str]) -> list[str | None]:
    """Return the GPUs of each worker, in the form of ``--gpus``; None for the runner's default."""
    workers = config.workers
    if workers == 1:
        return [None]
    wanted = _wanted(config, gpus)
    if not wanted:
        return [None] * workers
    if len(wanted) % workers:
        raise UsageError(
            f"--gpus {config.gpus} with --workers {workers}: {len(wanted)} GPUs cannot be divided evenly. Pass as many UUIDs as "
            "workers, e.g. --gpus GPU-…,GPU-…; name a GPU twice to let two workers share it."
        )
    each = len(wanted) // workers
    return [",".join(wanted[index * each : (index + 1) * each]) for index in range(workers)]


def _wanted(config: RunConfig, gpus: Sequence[str]) -> Sequence[str]:
    """Return the UUIDs of the GPUs for all workers together."""
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
            f"--gpus {config.gpus} with --workers {config.workers}: {count} GPUs are needed, one for each worker, but "
            f"nvidia-smi lists {len(gpus)}. Pass fewer workers, or name a GPU twice (--gpus GPU-…,GPU-…) to let workers share it."
        )
    return gpus[:count]
