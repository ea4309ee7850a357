"""A small but real training record for every trial, so that methods that need one can be checked.

It records one epoch of training from the case's original, with the updates of all batches. It also contains a SISA sharding with
one shard of one slice and the original as checkpoint. A method finds the same fields as in a task with ``journal`` or ``sisa``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from harness.conformance.cases import Case
from harness.core.cache import Cache
from harness.references.identity import training_code_digest
from reference_models.networks.recipe import to_json
from reference_models.records.journal import JournalPlan, Recorder, journal_name
from reference_models.training.loop import train_chunk

SEED = 0


def journal_file(case: Case) -> Path:
    """Return the journal file of a case's original, built once and cached."""
    inputs = {
        "format": 1,
        "journal": to_json(case.spec()),
        "sizes": list(case.sizes),
        "recipe": to_json(case.recipe),
        "torch": torch.__version__,
        "code": training_code_digest(),
    }
    folder, _ = Cache("conformance").get_or_build(inputs, lambda folder: _record(case, folder))
    return folder / journal_name(0)


def _record(case: Case, folder: Path) -> None:
    arrays, recipe = case.arrays(), replace(case.recipe, epochs=1)
    inputs, labels = (
        np.concatenate([arrays[f"{split}.{part}"] for split in ("retain", "forget")]) for part in ("inputs", "labels")
    )
    initial = {name: torch.from_numpy(np.array(array))[None] for name, array in case.original().items()}
    plan = JournalPlan(case.sizes[0], "all")
    recorder = Recorder.of(folder, plan, recipe, len(labels), [SEED])
    train_chunk(case.spec(), recipe, inputs, labels, [SEED], recorder=recorder, initial=initial)
    _add_sharding(folder / journal_name(0), initial, len(labels))


def _add_sharding(file: Path, initial: dict[str, torch.Tensor], n_examples: int) -> None:
    with safe_open(file, framework="pt") as recorded:
        tensors = {name: recorded.get_tensor(name).clone() for name in recorded.keys()}  # noqa: SIM118 -- no mapping
        metadata = dict(recorded.metadata())
    tensors |= {f"checkpoints/{name}": tensor for name, tensor in initial.items()}
    tensors |= {part: torch.zeros(n_examples, dtype=torch.int32) for part in ("shards", "slices")}
    save_file(tensors, file, {**metadata, "constituents": "", "n_slices": "1"})
