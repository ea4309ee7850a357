"""Import of checkpoints that others trained, as the reference populations of a task."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.cache import cache_error, cache_root
from harness.core.locks import HeldError, locked
from harness.core.progress import Progress
from harness.core.reading import foreign
from harness.core.tensors import write_tensors
from harness.errors import PopulationInvalidError, UsageError
from harness.evaluation import SPLITS
from harness.references.checkpoints import CheckpointReader, State, checkpoints_in
from harness.references.identity import ROLES, Role
from harness.references.populations import References
from harness.references.queries import answers
from harness.references.supplied import Provenance, supplied_inputs
from harness.references.worker_pool import LOGITS, WEIGHTS
from harness.tasks.yaml.wording import with_faults

Logits = NDArray[np.float32]
STAGING = "importing"
"""Folder of the cache directory in which an import is prepared."""


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
    files = {"original": checkpoints_in(originals), "retrained": checkpoints_in(retrained)}
    if control is not None:
        files["control"] = checkpoints_in(control)
    else:
        half = len(files["retrained"]) // 2
        files["control"], files["retrained"] = files["retrained"][half:], files["retrained"][:half]
    models = min(map(len, files.values()))
    if models == 0:
        raise PopulationInvalidError(
            f"{retrained} has {len(files['retrained']) + len(files['control'])} checkpoints. Without --control, two or more "
            "are needed: one half of them becomes the control."
        )
    chosen = {role: paths[:models] for role, paths in files.items()}
    sources = {"original": originals, "retrained": retrained, "control": control or retrained}
    with (
        CheckpointReader(_expected(references)) as reader,
        _staging() as staged,
    ):
        _check(reader, references.task.name, chosen, progress)
        found, written = [], []
        with progress.step("computing logits", models * len(ROLES)) as step:
            for role in ROLES:
                parts = []
                for chunk in references.chunks(role, models):
                    paths = chosen[role][chunk.first : chunk.first + chunk.models]
                    with foreign("a checkpoint changed while it was imported", PopulationInvalidError):
                        states = [reader.read(path) for path in paths]
                    folder = staged / f"{role}-{chunk.first}"
                    parts.append(_stage(references, states, folder))
                    written.append((chunk, folder))
                    step.advance(chunk.models)
                found.append(_summary(references, role, parts))
        # All at once: an import that was stopped must not be mixed with an earlier one.
        for chunk, folder in written:
            origin = Provenance("imported", chunk.models, str(sources[chunk.role].absolute()))
            references.supplied.put(supplied_inputs(chunk.inputs, chunk.first), origin, partial(_move, folder))
    return found


def _expected(references: References) -> State:
    """Return an untrained state of the task's network."""
    from reference_models.networks.architectures import build_model

    return {name: tensor.numpy() for name, tensor in build_model(references.spec, 0).state_dict().items()}


@contextmanager
def _staging() -> Iterator[Path]:
    """Yield an empty folder beside the cache's entries, so that files are moved, not copied; one import at a time has it."""
    folder = cache_root() / STAGING
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.with_suffix(".lock")):
            shutil.rmtree(folder, ignore_errors=True)  # of an import that was killed
            folder.mkdir()
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise cache_error(folder, error) from error


def remove_staged(root: Path, *, dry_run: bool = False) -> list[Path]:
    """Delete and return the folder that a killed import left, unless an import is running."""
    folder = root / STAGING
    if not folder.is_dir():
        return []
    with suppress(HeldError, OSError), locked(folder.with_suffix(".lock"), wait=False):
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        return [folder]
    return []


def _check(reader: CheckpointReader, task: str, files: Mapping[str, Sequence[Path]], progress: Progress) -> None:
    """Read every checkpoint once, before anything is computed; raise PopulationInvalidError with all faults."""
    faults: list[str] = []
    with progress.step("reading checkpoints", sum(map(len, files.values()))) as step:
        for path in itertools.chain.from_iterable(files.values()):
            try:
                reader.read(path)
            except (OSError, ValueError) as error:
                faults.append(f"{path}: {error}")
            step.advance()
    if faults:
        raise PopulationInvalidError(with_faults(f"The import for {task}", faults))


def _stage(references: References, states: Sequence[State], folder: Path) -> dict[str, Logits]:
    """Write a chunk's logits and weights to a new folder; return the logits."""
    stacked = {name: np.stack([state[name] for state in states]) for name in states[0]}
    logits = _logits(references, stacked)
    folder.mkdir()
    try:
        write_tensors(folder / LOGITS, logits)
        write_tensors(folder / WEIGHTS, stacked)
    except OSError as error:
        raise cache_error(folder.parent, error) from error
    return logits


def _move(source: Path, target: Path) -> None:
    for path in source.iterdir():
        path.rename(target / path.name)


def _logits(references: References, stacked: State) -> dict[str, Logits]:
    """Compute the logits of a chunk on every split, and under the task's queries."""
    import torch

    from reference_models.training.prediction import stacked_logits

    tensors = {name: torch.from_numpy(array) for name, array in stacked.items()}
    spec, device = references.spec, references.device
    logits: dict[str, Logits] = {
        name: stacked_logits(spec, tensors, references.data.split(name).inputs, device=device) for name in SPLITS
    }
    return logits | answers(spec, tensors, references.query_pictures(), device)


def _summary(references: References, role: Role, parts: Sequence[Mapping[str, Logits]]) -> Imported:
    accuracy: dict[str, float] = {}
    for split in SPLITS:
        labels = references.data.split(split).labels
        if len(labels):
            hits = [(part[split].argmax(axis=2) == labels).mean(axis=1) for part in parts]
            accuracy[split] = float(np.concatenate(hits).mean())
    return Imported(role, sum(len(part["test"]) for part in parts), accuracy)
