"""Host-side handling of training journals: expected size, check of available space, and the report's record.

A guest holds one journal at a time in memory, plus any copies that the method makes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from harness.core.cache import cache_root
from harness.core.files import free_mib
from harness.core.hardware import describe
from harness.errors import DatasetInvalidError, NoSpaceError, TaskInvalidError
from harness.report.records import JournalRecord
from harness.tasks.task import SisaRequest, Task, TaskData
from reference_models.networks.recipe import ModelSpec

MEMORY_SHARE = 0.5
"""Maximum share of a guest's memory for a journal; the rest is for torch, the data and the method."""
MIB = 1 << 20


def sharding_keys(sisa: SisaRequest, data: TaskData, splits: Sequence[str]) -> list[str]:
    """Return each training example's key, which determines its shard and slice, in the order of ``splits``.

    Raises:
        DatasetInvalidError: if the task shards by subject and its data has no subjects.
    """
    found = [data.split(name).ids if sisa.by == "example" else data.split(name).subjects for name in splits]
    missing = [name for name, keys in zip(splits, found, strict=True) if keys is None]
    if missing:
        raise DatasetInvalidError("sisa.by is 'subject', but the dataset has no subjects; use 'by: example'.")
    return [str(key) for keys in found if keys is not None for key in keys]


def key_inputs(task: Task, data: TaskData, *, is_original: bool) -> dict[str, Any]:
    """Return a chunk's additional cache-key inputs; empty for tasks without a journal or SISA."""
    if task.sisa is not None:
        keys = "\0".join(sharding_keys(task.sisa, data, ("retain", "forget")))
        sha = hashlib.sha256(keys.encode()).hexdigest()
        return {"sisa": {"slices": task.sisa.slices, "seed": task.seed, "keys": sha}}
    if task.journal is not None and is_original:
        return {"journal": {"format": 1, "updates": task.journal.updates}}
    return {}


def job_fields(task: Task, data: TaskData, splits: list[str], *, is_original: bool) -> dict[str, Any]:
    """Return the journal and SISA fields of a :class:`harness.references.worker_pool.TrainingJob`."""
    if task.sisa is not None:
        keys = sharding_keys(task.sisa, data, splits)
        sisa = (task.sisa.shards, task.sisa.slices)
        return {"sisa": sisa, "checkpoints": is_original, "keys": keys, "sisa_seed": task.seed}
    if task.journal is not None and is_original:
        return {"journal": task.journal.updates, "n_retain": len(data.retain)}
    return {}


def check(task: Task, data: TaskData, spec: ModelSpec, seed: int, models: int, memory_mib: int | None) -> None:
    """Check, before any training, that journals can be written and fit into disk and a guest's memory.

    Args:
        task, data, spec: task, data and network to train.
        seed: seed of the first original; all journals are assumed to have the size of its journal.
        models: number of originals.
        memory_mib: memory of a guest; None for the machine's.

    Raises:
        TaskInvalidError: if a shard has too few examples, or a journal exceeds the guest's memory share.
        DatasetInvalidError: if the task shards by subject and the data has no subjects.
        NoSpaceError: if the disk is too small for the journals of all originals.
    """
    if task.sisa is None and task.journal is None:
        return
    if task.sisa is not None:
        _check_shards(task, data)
    n_bytes = expected_bytes(task, data, spec, seed)
    memory = memory_mib if memory_mib is not None else describe().memory_mib
    if n_bytes > MEMORY_SHARE * memory * MIB:
        raise TaskInvalidError(
            f"The journal of one model of the task {task.name!r} needs {n_bytes / MIB:,.0f} MiB; a sandbox of {memory:,} MiB "
            f"allows {MEMORY_SHARE * memory:,.0f} MiB. Raise --memory, record 'updates: touched', forget fewer examples, "
            "train in larger batches (fewer updates are then touched) or for fewer epochs, or use a smaller network."
        )
    free = free_mib(cache_root())
    if n_bytes * models > free * MIB:
        raise NoSpaceError(
            f"The journals of {models} originals of the task {task.name!r} need {n_bytes * models / MIB:,.0f} MiB, but only "
            f"{free:,} MiB are free for the cache {cache_root()}. Free some space (`harness references prune`), set "
            "HARNESS_CACHE_DIR to a folder on another disk, or reduce --models."
        )


def _check_shards(task: Task, data: TaskData) -> None:
    from reference_models.records.sisa import assign, stage_recipe

    assert task.sisa is not None  # noqa: S101  (checked by the caller)
    sisa = task.sisa
    sharding = assign(sharding_keys(sisa, data, ("retain",)), task.seed, sisa.shards, sisa.slices)
    needed = task.recipe.batch_size if stage_recipe(task.recipe, sisa.slices).drop_last else 1
    for shard in range(sisa.shards):
        for stage in range(sisa.slices):
            n_examples = len(sharding.rows(shard, stage))
            if n_examples < needed:
                raise TaskInvalidError(
                    f"sisa: shard {shard} of {sisa.shards} has {n_examples} retained examples in its first {stage + 1} of "
                    f"{sisa.slices} slices, but a training stage needs {needed}. Reduce the number of shards or slices."
                )


def expected_bytes(task: Task, data: TaskData, spec: ModelSpec, seed: int) -> int:
    """Return the expected size in bytes of the tensors of one original's journal."""
    from reference_models.networks.architectures import build_model
    from reference_models.records.journal import JournalPlan, drawn_batches, journal_layout, layout_bytes, stored_steps
    from reference_models.training.states import manifest

    form = manifest(build_model(spec, None).state_dict())
    n_examples = len(data.retain) + len(data.forget)
    if task.sisa is not None:
        return task.sisa.slices * layout_bytes(form) + 8 * n_examples
    if task.journal is None:
        return 0
    batches = drawn_batches(task.recipe, n_examples, seed)
    stored = stored_steps(batches, JournalPlan(len(data.retain), task.journal.updates))
    return layout_bytes(journal_layout(form, batches, len(stored)))


def journal_record(task: Task, files: Sequence[Path]) -> JournalRecord | None:
    """Return content and size of the journals for the report; None for a task without journals."""
    if not files:
        return None
    sizes = [file.stat().st_size for file in files]
    common: dict[str, Any] = {
        "originals": len(files),
        "bytes_total": sum(sizes),
        "bytes_per_original": sum(sizes) / len(sizes),
    }
    if task.sisa is not None:
        sisa = task.sisa
        return JournalRecord(kind="checkpoints", shards=sisa.shards, slices=sisa.slices, shard_by=sisa.by, **common)
    steps, touched, stored = np.array([_steps(file) for file in files]).mean(0)
    return JournalRecord(
        kind="updates",
        updates=None if task.journal is None else task.journal.updates,
        steps=int(steps),
        touched_steps=float(touched),
        stored_steps=float(stored),
        **common,
    )


def _steps(file: Path) -> tuple[int, int, int]:
    """Count a journal's steps, its steps with a forget example in the batch, and its stored updates."""
    with safe_open(file, framework="numpy") as journal:
        batches, stored = journal.get_tensor("batches"), journal.get_tensor("stored")
        n_retain = int(journal.metadata()["n_retain"])
    return len(batches), int((batches >= n_retain).any(1).sum()), len(stored)
