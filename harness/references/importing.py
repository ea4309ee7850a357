"""Import of checkpoints that others trained, as the reference populations of a task."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.files import write_tensors
from harness.core.interpreter import module_command
from harness.core.progress import Progress
from harness.core.text import harmless
from harness.errors import PopulationInvalidError, UsageError
from harness.evaluation import SPLITS
from harness.references.populations import ROLES, Chunk, References, Role
from harness.references.queries import answers
from harness.references.supplied import Provenance, supplied_inputs
from harness.references.worker_pool import LOGITS, WEIGHTS
from harness.tasks.yaml.wording import near_match, with_faults

SAFE = ".safetensors"
SUFFIXES = (SAFE, ".pt", ".pth")
READ_S = 60.0
"""Time to read a pickled checkpoint, seconds; the timeout is that of all together."""

State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Imported:
    """An imported population.

    Attributes:
        role: of the population.
        models: number of models.
        accuracy: split -> accuracy, mean over models.
    """

    role: Role
    models: int
    accuracy: Mapping[str, float]

    @property
    def gap(self) -> float:
        """Return the accuracy on the training set less that on the test set."""
        return self.accuracy["retain"] - self.accuracy["test"]


def import_populations(
    references: References, originals: Path, retrained: Path, control: Path | None, progress: Progress
) -> list[Imported]:
    """Check checkpoints, compute their logits, and put them into the cache as the task's populations.

    Without ``control``, the retrained models are split in two halves. All populations are cut to the size of the smallest.

    Args:
        references: populations of the task.
        originals: folder of checkpoints of models that were trained on the retain and the forget set.
        retrained: of models trained on the retain set alone.
        control: of more models trained on the retain set alone; None if there are none.
        progress: shows progress.

    Raises:
        PopulationInvalidError: a checkpoint cannot be read or is of another network; all faults are named.
        UsageError: the task's methods need a journal of the training, which checkpoints do not have.
    """
    if references.task.journal is not None or references.task.sisa is not None:
        raise UsageError(
            f"{references.task.name} needs a journal of its originals' training, which checkpoints do not have."
        )
    files = {"original": _files(originals), "retrained": _files(retrained)}
    if control is not None:
        files["control"] = _files(control)
    else:
        half = len(files["retrained"]) // 2
        files["control"], files["retrained"] = files["retrained"][half:], files["retrained"][:half]
    models = min(map(len, files.values()))
    if models == 0:
        raise PopulationInvalidError(
            f"{retrained} has {len(files['retrained']) + len(files['control'])} checkpoints. Without --control, two or more "
            "are needed: one half of them becomes the control."
        )
    states = _read_all(references, {role: paths[:models] for role, paths in files.items()}, progress)
    found, built = [], []
    with progress.step("computing logits", models * len(ROLES)) as step:
        for role in ROLES:
            source = originals if role == "original" else control if role == "control" and control else retrained
            parts = []
            for chunk in references.chunks(role, models):
                mine = _stacked(states[role][chunk.first : chunk.first + chunk.models])
                parts.append(_logits(references, mine))
                built.append((chunk, mine, parts[-1], source))
                step.advance(chunk.models)
            found.append(_summary(references, role, parts))
    for (
        chunk,
        mine,
        logits,
        source,
    ) in built:  # all at once: an import that was stopped must not be mixed with an earlier one
        _put(references, chunk, mine, logits, source)
    return found


def _files(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, ``model_2`` before ``model_10``."""
    if not folder.is_dir():
        raise PopulationInvalidError(f"{folder} is not a folder. Pass a folder of checkpoints ({', '.join(SUFFIXES)}).")
    found = [path for path in folder.iterdir() if path.suffix in SUFFIXES]
    if not found:
        raise PopulationInvalidError(f"{folder} has no checkpoints. Their names must end in {', '.join(SUFFIXES)}.")
    return sorted(
        found, key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]
    )


def _read_all(
    references: References, files: Mapping[str, Sequence[Path]], progress: Progress
) -> dict[str, list[State]]:
    """Read all checkpoints; raise PopulationInvalidError with all faults."""
    from reference_models.networks.architectures import build_model

    expected = {
        name: np.asarray(tensor.numpy()) for name, tensor in build_model(references.spec, 0).state_dict().items()
    }
    states: dict[str, list[State]] = {}
    faults: list[str] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        progress.step("reading checkpoints", sum(map(len, files.values()))) as step,
    ):
        converted = _converted(
            [path for paths in files.values() for path in paths if path.suffix != SAFE], Path(folder)
        )
        for role, paths in files.items():
            for path in paths:
                try:
                    states.setdefault(role, []).append(_fitted(_state(path, converted), expected))
                except (OSError, ValueError) as error:
                    faults.append(f"{path}: {error}")
                step.advance()
    if faults:
        raise PopulationInvalidError(with_faults(f"The import for {references.task.name}", faults))
    return states


def _converted(paths: Sequence[Path], folder: Path) -> dict[Path, Path | str]:
    """Convert pickled checkpoints in a process of their own; return the converted file of each, or why there is none."""
    if not paths:
        return {}
    command = module_command("harness.references.read_checkpoint", str(folder), *map(str, paths))
    with tempfile.TemporaryFile("w+") as errors:
        try:
            ended = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=READ_S * len(paths), check=False
            )
            told, how = ended.stdout, f"exit code {ended.returncode}"
        except subprocess.TimeoutExpired as error:
            told, how = (error.stdout or b"").decode(), f"more than {READ_S:g} s each"
    lines = told.splitlines()
    found: dict[Path, Path | str] = {}
    for number, path in enumerate(paths):
        fault = lines[number] if number < len(lines) else f"the process that read it ended ({how})"
        found[path] = f"cannot be read: {harmless(fault)}" if fault else folder / f"{number}{SAFE}"
    return found


def _state(path: Path, converted: Mapping[Path, Path | str]) -> State:
    """Return the state in a checkpoint; raise ValueError if it has none."""
    from safetensors.torch import load_file

    place = converted.get(path, path)
    if isinstance(place, str):
        raise ValueError(place)
    try:
        tensors = load_file(place)
        # NumPy knows neither bfloat16 nor float8
        return {name: (one.float() if one.is_floating_point() else one).numpy() for name, one in tensors.items()}
    except Exception as error:  # the library raises its own kind for a damaged file
        raise ValueError(f"cannot be read: {error}") from error


def _fitted(state: State, expected: Mapping[str, NDArray[Any]]) -> State:
    """Return the state in the task's order and dtypes; raise ValueError if it is not one of the task's network."""
    missing = [name for name in expected if name not in state]
    surplus = [name for name in state if name not in expected]
    if missing:
        raise ValueError(
            f"has no {missing[0]!r}{near_match(missing[0], surplus)}, nor {len(missing) - 1} more of the network"
        )
    if surplus:
        raise ValueError(
            f"has {surplus[0]!r}{near_match(surplus[0], list(expected))}, which the task's network has not"
        )
    found: State = {}
    for name, wanted in expected.items():
        array = np.asarray(state[name])
        if array.shape != wanted.shape:
            raise ValueError(f"{name} has shape {array.shape}, in the task's network {wanted.shape}")
        if array.dtype.kind != wanted.dtype.kind:
            raise ValueError(f"{name} has type {array.dtype}, in the task's network {wanted.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} is not finite")
        found[name] = array.astype(wanted.dtype)
    return found


def _stacked(states: Sequence[State]) -> State:
    return {name: np.stack([state[name] for state in states]) for name in states[0]}


def _logits(references: References, stacked: State) -> dict[str, NDArray[np.float32]]:
    """Compute the logits of a chunk on every split, and under the task's queries."""
    import torch

    from reference_models.training.prediction import stacked_logits

    tensors = {name: torch.from_numpy(array) for name, array in stacked.items()}
    spec, device = references.spec, references.device
    logits: dict[str, NDArray[np.float32]] = {
        name: stacked_logits(spec, tensors, references.data.split(name).images, device=device) for name in SPLITS
    }
    return logits | answers(spec, tensors, references.query_pictures(), device)


def _put(
    references: References, chunk: Chunk, stacked: State, logits: Mapping[str, NDArray[np.float32]], source: Path
) -> None:
    """Write a chunk."""

    def build(folder: Path) -> None:
        write_tensors(folder / LOGITS, logits)
        if chunk.role == "original":
            write_tensors(folder / WEIGHTS, stacked)

    origin = Provenance("imported", chunk.models, str(source.absolute()))
    references.supplied.put(supplied_inputs(chunk.inputs, chunk.first), origin, build)


def _summary(references: References, role: Role, parts: Sequence[Mapping[str, NDArray[np.float32]]]) -> Imported:
    accuracy: dict[str, float] = {}
    for split in SPLITS:
        labels = references.data.split(split).labels
        if len(labels):
            hits = [(part[split].argmax(axis=2) == labels).mean(axis=1) for part in parts]
            accuracy[split] = float(np.concatenate(hits).mean())
    return Imported(role, sum(len(part["test"]) for part in parts), accuracy)
