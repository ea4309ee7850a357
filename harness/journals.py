"""The journals of the originals' training, seen from the host: how large they will be, whether they fit, what they cost.

A guest holds one journal at a time, in its memory; the method's own copies come on top of it.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from harness.cache import cache_root
from harness.errors import DatasetInvalidError, NoSpaceError, TaskInvalidError
from harness.hardware import describe
from harness.report.records import JournalRecord
from harness.tasks.model import SisaRequest, Task, TaskData
from reference_models.recipe import ModelSpec

MEMORY_SHARE = 0.5
"""Of a guest's memory that a journal may take; the rest is for torch, the data and the method."""
MIB = 1 << 20


def sharding_keys(sisa: SisaRequest, data: TaskData, splits: Sequence[str]) -> list[str]:
    """What decides on the shard and the slice of each training example, in the order of ``splits``.

    Raises:
        DatasetInvalidError: the task shards by subject, and its data has none.
    """
    found = [data.split(name).ids if sisa.by == "example" else data.split(name).subjects for name in splits]
    missing = [name for name, keys in zip(splits, found, strict=True) if keys is None]
    if missing:
        raise DatasetInvalidError("sisa.by is 'subject', but this data names no subjects; say 'by: example'.")
    return [str(key) for keys in found if keys is not None for key in keys]


def key_inputs(task: Task, data: TaskData, *, is_original: bool) -> dict[str, Any]:
    """What a chunk of a population depends on beyond an ordinary training; empty for tasks that record nothing."""
    if task.sisa is not None:
        keys = "\0".join(sharding_keys(task.sisa, data, ("retain", "forget")))
        sha = hashlib.sha256(keys.encode()).hexdigest()
        return {"sisa": {"slices": task.sisa.slices, "seed": task.seed, "keys": sha}}
    if task.journal is not None and is_original:
        return {"journal": {"format": 1, "updates": task.journal.updates}}
    return {}


def job_fields(task: Task, data: TaskData, splits: list[str], *, is_original: bool) -> dict[str, Any]:
    """The fields of a :class:`harness.training.TrainingJob` that say how it is recorded or sharded."""
    if task.sisa is not None:
        keys = sharding_keys(task.sisa, data, splits)
        return {"sisa": (task.sisa.shards, task.sisa.slices), "keys": keys, "sisa_seed": task.seed}
    if task.journal is not None and is_original:
        return {"journal": task.journal.updates, "n_retain": len(data.retain)}
    return {}


def check(task: Task, data: TaskData, spec: ModelSpec, seed: int, models: int, memory_mib: int | None) -> None:
    """Before any training: whether the task can be recorded, and a guest can hold the record.

    Args:
        task, data, spec: what is to be trained.
        seed: of the first original, whose journal stands for all.
        models: how many originals there will be.
        memory_mib: of a guest; None for the machine's.

    Raises:
        TaskInvalidError: a shard without examples to train on, or a journal that does not fit into the guest's memory.
        DatasetInvalidError: data without subjects is to be sharded by them.
        NoSpaceError: the disk is too small for all originals' journals.
    """
    if task.sisa is None and task.journal is None:
        return
    if task.sisa is not None:
        _check_shards(task, data)
    n_bytes = expected_bytes(task, data, spec, seed)
    memory = memory_mib if memory_mib is not None else describe().memory_mib
    if n_bytes > MEMORY_SHARE * memory * MIB:
        raise TaskInvalidError(
            f"The journal of one model of the task {task.name!r} takes {n_bytes / MIB:,.0f} MiB, and a sandbox of {memory:,} MiB "
            f"may hold one of {MEMORY_SHARE * memory:,.0f} MiB. Give more with --memory, record 'updates: touched', forget fewer "
            "examples or train in larger batches (fewer are then touched), for fewer epochs, or take a smaller network."
        )
    free = shutil.disk_usage(_existing(cache_root())).free
    if n_bytes * models > free:
        raise NoSpaceError(
            f"The journals of {models} originals of the task {task.name!r} take {n_bytes * models / MIB:,.0f} MiB; "
            f"{free / MIB:,.0f} MiB are free for the cache under {cache_root()}. Free some (`harness references prune`), set "
            "HARNESS_CACHE_DIR to a folder on another disk, or train fewer models with --models."
        )


def _existing(folder: Path) -> Path:
    return folder if folder.exists() or folder == folder.parent else _existing(folder.parent)


def _check_shards(task: Task, data: TaskData) -> None:
    from reference_models.sisa import assign, stage_recipe

    assert task.sisa is not None  # noqa: S101  (the caller has asked)
    sisa = task.sisa
    sharding = assign(sharding_keys(sisa, data, ("retain",)), task.seed, sisa.shards, sisa.slices)
    needed = task.recipe.batch_size if stage_recipe(task.recipe, sisa.slices).drop_last else 1
    for shard in range(sisa.shards):
        for stage in range(sisa.slices):
            n_examples = len(sharding.rows(shard, stage))
            if n_examples < needed:
                raise TaskInvalidError(
                    f"sisa: shard {shard} of {sisa.shards} has {n_examples} examples to keep in its first {stage + 1} of "
                    f"{sisa.slices} slices, and a stage of training needs {needed}. Take fewer shards or slices."
                )


def expected_bytes(task: Task, data: TaskData, spec: ModelSpec, seed: int) -> int:
    """Bytes of the tensors of one original's journal."""
    from reference_models.architectures import build_model
    from reference_models.journal import JournalPlan, drawn_batches, journal_layout, layout_bytes, stored_steps
    from reference_models.states import manifest

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
    """What the journals hold and what the disk paid for them; None for a task without."""
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
    """Steps of a journal, those whose batch holds a forget example, and those whose update is stored."""
    with safe_open(file, framework="numpy") as journal:
        batches, stored = journal.get_tensor("batches"), journal.get_tensor("stored")
        n_retain = int(journal.metadata()["n_retain"])
    return len(batches), int((batches >= n_retain).any(1).sum()), len(stored)
