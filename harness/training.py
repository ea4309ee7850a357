"""Training of one chunk of a population into a folder: in this process on a GPU, in a worker process on the CPU."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from harness.errors import CacheError
from harness.evaluation import SPLITS
from reference_models.recipe import model_spec_from_json, recipe_from_json

LOGITS = "logits.safetensors"
WEIGHTS = "weights.safetensors"

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingJob:
    """All that the training of one chunk needs, as JSON values.

    Attributes:
        data_file: safetensors file with ``{split}.images`` and ``{split}.labels`` of all four splits.
        model: JSON of the model specification.
        recipe: JSON of the recipe.
        splits: which splits are trained on, in this order.
        seeds: one a member.
        keep_weights: write the weights too, not the logits alone.
        device: "cpu" or "cuda".
    """

    data_file: str
    model: dict[str, Any]
    recipe: dict[str, Any]
    splits: list[str]
    seeds: list[int]
    keep_weights: bool
    device: str


def train_into(folder: Path, job: TrainingJob, arrays: Mapping[str, NDArray[Any]], on_step: OnStep) -> None:
    """Train a chunk and write the logits on every split, (K, n, C) float32, and where asked for the weights."""
    from reference_models.prediction import stacked_logits
    from reference_models.training import train_chunk

    spec, recipe = model_spec_from_json(job.model), recipe_from_json(job.recipe)
    images = np.concatenate([arrays[f"{name}.images"] for name in job.splits])
    labels = np.concatenate([arrays[f"{name}.labels"] for name in job.splits])
    state = train_chunk(spec, recipe, images, labels, job.seeds, device=job.device, on_step=on_step)
    logits: dict[str, NDArray[Any]] = {
        name: stacked_logits(spec, state, arrays[f"{name}.images"], device=job.device) for name in SPLITS
    }
    save_file(logits, folder / LOGITS)
    if job.keep_weights:
        save_file({name: tensor.numpy() for name, tensor in state.items()}, folder / WEIGHTS)


class Workers:
    """Worker processes under way, so that they can be ended together."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def train(self, folder: Path, job: TrainingJob, on_step: OnStep) -> None:
        """Train a chunk in a process of its own and wait for it.

        Raises:
            CacheError: the process ended badly; with the end of what it said.
            OSError: the disk is full.
        """
        with tempfile.TemporaryFile("w+") as complaints, tempfile.NamedTemporaryFile("w", suffix=".json") as order:
            json.dump(asdict(job), order)
            order.flush()
            command = [sys.executable, "-m", "harness.reference_worker", order.name, str(folder)]
            # A session of its own: Ctrl-C reaches the host, and the host ends its workers.
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=complaints, text=True, start_new_session=True
            )
            self._running.add(process)
            try:
                if self._stopped:
                    process.kill()
                self._follow(process, on_step)
            finally:
                process.kill()
                code = process.wait()
                self._running.discard(process)
            if code != 0:
                complaints.seek(0)
                tail = complaints.read()[-2000:].strip()
                if "No space left on device" in tail:
                    raise OSError(errno.ENOSPC, "No space left on device", str(folder))
                raise CacheError(f"Training of reference models ended with status {code}. Is memory short?\n{tail}")

    def _follow(self, process: subprocess.Popen[str], on_step: OnStep) -> None:
        assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
        with process.stdout as lines:
            for line in lines:
                done, total = line.split()
                on_step(int(done), int(total))
        process.wait()

    def stop(self) -> None:
        """Kill all workers, and every one that is still to start."""
        self._stopped = True
        for process in tuple(self._running):
            process.kill()
