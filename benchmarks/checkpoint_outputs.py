"""Outputs for ``harness score`` from checkpoints: those of a task's network, trained and unlearned anywhere::

    python benchmarks/checkpoint_outputs.py TASK --unlearned DIR --retrained DIR --original DIR --control DIR --output FILE.npz
    harness score FILE.npz

TASK is a task's name or YAML file, which has the data, the splits and the network; each DIR has the checkpoints of a population
(``.safetensors``, ``.pt`` or ``.pth``; pickled ones are read with ``weights_only=True`` in a process of their own). Originals and
control may be left out. For the public checkpoints of ``published.py`` the task is CIFAR-10 with ``forget: {by: class, classes:
[airplane]}`` and the bundled ``resnet18``. To use checkpoints as reference models of runs, see ``harness references import``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import HarnessError
from harness.evaluation import SPLITS
from harness.plugins.discovery import find_task
from harness.references.checkpoints import CheckpointReader, checkpoints_in
from harness.tasks.checking import load_data
from harness.tasks.task import Task
from reference_models.networks.architectures import build_model
from reference_models.training.prediction import stacked_logits

POPULATIONS = ("unlearned", "retrained", "original", "control")


class CheckpointError(Exception):
    """A checkpoint cannot be read or is of another network; the message names the file."""


def outputs(task: Task, folders: Mapping[str, Path]) -> dict[str, NDArray[Any]]:
    """Return the named arrays that ``harness score`` reads.

    Args:
        task: data, splits and network.
        folders: checkpoints of each population.

    Raises:
        CheckpointError: one cannot be read, or is of another network.
        HarnessError: the data or a folder are missing.
    """
    import torch

    data = load_data(task)
    spec = task.model_spec(data)
    files = {population: checkpoints_in(folder) for population, folder in folders.items()}
    splits = {name: data.split(name) for name in SPLITS if len(data.split(name).labels)}
    found: dict[str, NDArray[Any]] = {"class_names": np.array(data.class_names)}
    for name, split in splits.items():
        found |= {f"{name}.labels": split.labels, f"{name}.ids": split.ids}
    expected = {name: tensor.numpy() for name, tensor in build_model(spec, 0).state_dict().items()}
    with CheckpointReader(expected) as reader:
        for population, paths in files.items():
            rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in splits}
            for path in paths:
                try:
                    state = reader.read(path)
                except ValueError as error:
                    raise CheckpointError(f"{path}: {error}") from error
                stacked = {name: torch.from_numpy(array)[None] for name, array in state.items()}
                for name, split in splits.items():
                    rows[name].append(stacked_logits(spec, stacked, split.inputs))
            found |= {f"{population}.{name}.logits": np.concatenate(logits) for name, logits in rows.items()}
    return found


def main() -> None:
    """Write the outputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="name or YAML file")
    for population in POPULATIONS:
        parser.add_argument(
            f"--{population}", type=Path, required=population in POPULATIONS[:2], help="its checkpoints"
        )
    parser.add_argument("--output", type=Path, required=True, help="the .npz file to write")
    options = parser.parse_args()
    chosen = {name: getattr(options, name) for name in POPULATIONS if getattr(options, name) is not None}
    try:
        found = outputs(find_task(options.task), chosen)
    except (CheckpointError, HarnessError) as error:
        sys.exit(f"Error: {error}")
    np.savez(options.output, **found)  # type: ignore[arg-type]
    sizes = [f"{len(found[f'{name}.forget.logits'])} {name}" for name in chosen]
    print(f"{options.output}: {', '.join(sizes)} models")


if __name__ == "__main__":
    main()
