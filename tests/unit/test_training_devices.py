"""Training on several GPUs, by devices of the CPU that stand for them, and in parts if a GPU's memory does not suffice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.core.tensors import map_tensors, write_tensors
from harness.references import worker_pool
from harness.references.worker_pool import LOGITS, WEIGHTS, OnStep, TrainingJob, Workers, in_parts, train_into
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, derive_seed, to_json
from reference_models.training.states import StackedState

SIZES = {"retain": 8, "forget": 4, "validation": 4, "test": 4}


@pytest.fixture
def job(tmp_path: Path) -> TrainingJob:
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(20, 3)).astype(np.float32), np.arange(20) % 2
    write_tensors(tmp_path / "data", {"inputs": inputs, "labels": labels})
    spec = ModelSpec(ArchitectureSpec("mlp", {"hidden": [4]}), (3,), 2, (), (), "float32")
    return TrainingJob(
        data_file=str(tmp_path / "data"),
        model=to_json(spec),
        recipe=to_json(Recipe(epochs=2, batch_size=4, chunk=4)),
        sizes=SIZES,
        n_train=12,
        seeds=[derive_seed("x", index) for index in range(4)],
        device="cuda",
        journal="all",
        n_retain=8,
    )


def test_each_gpu_has_one_worker_and_no_two_jobs_at_once(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "training_devices", lambda: ("cpu:0", "cpu:1"))
    folders = [tmp_path / str(number) for number in range(4)]
    with Workers() as workers:
        assert workers.at_once("cuda", 4) == 2
        threads = [
            threading.Thread(target=workers.work, args=(folder, job, lambda *_: None), daemon=True)
            for folder in folders
        ]
        for folder, thread in zip(folders, threads, strict=True):
            folder.mkdir()
            thread.start()
        for thread in threads:
            thread.join(120.0)
        assert len(workers._all) <= 2

    first = {name: array.tobytes() for name, array in map_tensors(folders[0] / WEIGHTS).items()}
    for folder in folders[1:]:
        assert {name: array.tobytes() for name, array in map_tensors(folder / WEIGHTS).items()} == first


def test_a_chunk_that_does_not_fit_is_trained_in_parts_with_the_same_models_and_journals(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    import reference_models.training.loop as loop

    arrays, tried, real, steps = map_tensors(Path(job.data_file)), list[int](), loop.train_chunk, list[float]()
    job = replace(job, device="cpu")
    (tmp_path / "whole").mkdir()
    train_into(tmp_path / "whole", job, arrays, lambda *_: None)

    def train_chunk(spec: object, recipe: object, inputs: object, labels: object, seeds: Sequence[int], **more: object):
        tried.append(len(seeds))
        if len(seeds) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(spec, recipe, inputs, labels, seeds, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "train_chunk", train_chunk)
    (tmp_path / "parts").mkdir()
    train_into(tmp_path / "parts", job, arrays, lambda done, total: steps.append(done / total))

    assert tried == [4, 2, 1, 1, 1, 1]
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    for name in (WEIGHTS, LOGITS):
        whole, parts = map_tensors(tmp_path / "whole" / name), map_tensors(tmp_path / "parts" / name)
        for key, array in whole.items():
            np.testing.assert_allclose(array, parts[key], rtol=1e-4, atol=1e-5)
    journals = [sorted(path.name for path in (tmp_path / kind).glob("journal-*")) for kind in ("whole", "parts")]
    assert journals[0] == journals[1]
    assert len(journals[0]) == 4


def test_a_single_model_that_does_not_fit_is_an_error() -> None:
    def part(_first: int, _seeds: Sequence[int], _report: OnStep) -> StackedState:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_parts([1, 2, 3], part, lambda *_: None)
