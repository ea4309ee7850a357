"""Data model of a task and its data, as frozen values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.core.rows import Inputs, chunks, taken
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe, sharded

TOKEN_DTYPES = ("int8", "int16", "int32", "int64")
"""Types of inputs that are token ids; see :attr:`TaskData.vocabulary`."""
INPUT_DTYPES = ("uint8", "bool", "float16", "float32", "float64", *TOKEN_DTYPES)
"""Types of inputs, as NumPy names them; see :class:`reference_models.networks.recipe.ModelSpec` for what a network reads."""


@dataclass(frozen=True, init=False)
class Split:
    """Examples in a fixed order.

    Attributes:
        ids: shape (n,), str, unique within the task.
        inputs: what the network reads of each example, shape (n, ...), of a type in :data:`INPUT_DTYPES`: pictures are uint8 of
            shape (n, C, H, W).
        labels: shape (n,), int64.
        subjects: person or object that each example shows, shape (n,), str; None if the data has no subjects.
        true_labels: classes before the task corrupted ``labels``, shape (n,), int64; None if it did not.
    """

    ids: NDArray[np.str_]
    inputs: Inputs
    labels: NDArray[np.int64]
    subjects: NDArray[np.str_] | None
    true_labels: NDArray[np.int64] | None

    def __init__(
        self,
        ids: NDArray[np.str_],
        inputs: Inputs | None = None,
        labels: NDArray[np.int64] | None = None,
        subjects: NDArray[np.str_] | None = None,
        true_labels: NDArray[np.int64] | None = None,
        *,
        images: Inputs | None = None,
    ) -> None:
        """Set the attributes; ``images`` is another name of ``inputs``."""
        if (inputs is None) == (images is None) or labels is None:
            raise TypeError("Split takes ids, inputs (or images) and labels")
        vars(self).update(
            ids=ids,
            inputs=images if inputs is None else inputs,
            labels=labels,
            subjects=subjects,
            true_labels=true_labels,
        )

    @property
    def images(self) -> Any:
        """Return the inputs; another name of them, for pictures."""
        return self.inputs

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> Split:
        """Return the examples at ``index``, in that order."""
        return Split(
            ids=self.ids[index],
            inputs=taken(self.inputs, index),
            labels=self.labels[index],
            subjects=None if self.subjects is None else self.subjects[index],
            true_labels=None if self.true_labels is None else self.true_labels[index],
        )


@dataclass(frozen=True)
class TaskData:
    """A task's examples, split; retain and forget together are the training set of the originals.

    Attributes:
        retain, forget, validation, test: the splits.
        class_names: one name per class.
        mean, std: normalisation per index of an example's first dimension (channel or column); bytes are scaled to [0, 1]
            before. Empty if inputs are not normalised.
        vocabulary: number of token ids in inputs that are whole numbers; None for other inputs.
        requests: of a stream, the number of the request, from 1, that deletes each forget example, shape (n_forget,), int64;
            None for a task with a single forget set.
        never_trained: positions in the validation set, ascending, of the examples that methods are also asked to forget, though
            no model was trained on them, int64; None for none. Methods get them in the forget set instead of the validation set.
        altered: altered copies of retained examples, which methods are also asked to forget; None for none.
    """

    retain: Split
    forget: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    vocabulary: int | None = None
    requests: NDArray[np.int64] | None = None
    never_trained: NDArray[np.int64] | None = None
    altered: Split | None = None

    @property
    def n_classes(self) -> int:
        """Return the number of classes."""
        return len(self.class_names)

    def sizes(self) -> dict[str, int]:
        """Return the number of examples of each split."""
        return {name: len(self.split(name)) for name in ("retain", "forget", "validation", "test")}

    def split(self, name: str) -> Split:
        """Return a split by its name."""
        found: Split = getattr(self, name)
        return found

    def digest(self) -> str:
        """Return the SHA-256 of all data that a result may depend on: ids, inputs, labels, order, normalisation."""
        sha = hashlib.sha256()
        for name in ("retain", "forget", "validation", "test"):
            split = self.split(name)
            sha.update(f"{name}:{split.inputs.dtype}:{split.inputs.shape}:".encode())
            sha.update("\0".join(split.ids.tolist()).encode())
            for chunk in chunks(split.inputs):
                sha.update(chunk.data)
            sha.update(np.ascontiguousarray(split.labels).data)
            if split.true_labels is not None:
                sha.update(b"true:")
                sha.update(np.ascontiguousarray(split.true_labels).data)
        sha.update(repr((self.class_names, self.mean, self.std, self.vocabulary)).encode())
        if self.never_trained is not None:
            sha.update(repr(("never trained", self.never_trained.tolist())).encode())
        if self.altered is not None:
            sha.update(repr(("altered", self.altered.ids.tolist())).encode())
            sha.update(np.ascontiguousarray(self.altered.inputs[:]).data)
        return sha.hexdigest()


@dataclass(frozen=True)
class Request:
    """One request of a stream: the deletion of its examples from the models that the request before returned.

    Attributes:
        number: of the request, from 1.
        total: number of requests of the stream.
        models: which models of the first request are left, by their index there; empty for all.
        previous: id of the run of the request before; empty for the first request.
    """

    number: int
    total: int
    models: tuple[int, ...] = ()
    previous: str = ""


@dataclass(frozen=True)
class Undivided:
    """A task's data before its training set is divided into retain and forget set; attributes as of :class:`TaskData`.

    Attributes:
        altered: returns altered copies of examples of the retain set; None for none.
    """

    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    vocabulary: int | None = None
    never_trained: NDArray[np.int64] | None = None
    altered: Callable[[Split], Split] | None = None


ScoredBy = Literal["memorised", "easy", "similar", "influential", "worst_case"]


@dataclass(frozen=True)
class ForgetChoice:
    """A forget set that is chosen by scores of models; see :mod:`harness.references.choosing`.

    Attributes:
        by: the score.
        amount: number of examples (an int) or fraction of the training set (a float).
        seed: of the models and of the order of equal scores.
        models: number of models to train for the choice.
        example: with ``similar``, id of the example whose neighbours are chosen; None for one drawn by the seed.
        load: reads or generates the data.
    """

    by: ScoredBy
    amount: float
    seed: int
    models: int
    example: str | None
    load: Callable[[], Undivided]


@dataclass(frozen=True)
class ChosenForget:
    """How a forget set was chosen by scores of models, and the scores.

    Attributes:
        by: the score: memorised, easy, similar, influential or worst_case.
        models: number of models that were trained for the choice.
        among: number of training examples.
        lowest: lowest score in the forget set.
        mean: mean score in the forget set.
        highest: highest score in the forget set.
        others_mean: mean score of the other training examples.
        example: with similar, id of the example whose neighbours were chosen.
    """

    by: ScoredBy
    models: int
    among: int
    lowest: float
    mean: float
    highest: float
    others_mean: float
    example: str | None = None


@dataclass(frozen=True)
class Budget:
    """The time limit of a method, relative to retraining.

    Attributes:
        fraction: fraction of the measured retraining time.
        measurements: number of timed retrainings; the smallest time counts.
    """

    fraction: float = 0.2
    measurements: int = 3


@dataclass(frozen=True)
class Margins:
    """Margins of the verdict: remaining memory and loss of utility.

    Attributes:
        memory: share of the memory of the forget set that may remain, in (0, 1).
        shift_sd: mean shift of the confidence on the forget set that may remain, in standard deviations of retrained models.
        utility_points: percentage points of accuracy that a method may lose on the retain or the test set against
            retrained models; a method that loses more is not ranked.
    """

    memory: float = 0.05
    shift_sd: float = 0.1
    utility_points: float = 2.0


@dataclass(frozen=True)
class JournalRequest:
    """The record of the originals' training, for methods that need it.

    Attributes:
        updates: record the updates of every batch with a forget example ("touched"), or of all batches ("all").
    """

    updates: Literal["touched", "all"] = "touched"


@dataclass(frozen=True)
class SisaRequest:
    """SISA training in shards and slices; see :mod:`reference_models.records.sisa`.

    Attributes:
        shards: number of constituents of the network, each trained on its own shard.
        slices: number of training stages of each constituent.
        by: unit of assignment to shards and slices: an example, or all examples of a subject.
    """

    shards: int
    slices: int
    by: Literal["example", "subject"] = "example"


@dataclass(frozen=True)
class Task:
    """A benchmark task: dataset, splits, architecture, recipe, population size, budget.

    Attributes:
        name: unique among registered tasks.
        description: one sentence.
        load: reads or generates the data, deterministically; raises DatasetMissingError or DatasetInvalidError.
        architecture: the network; with ``sisa``, the network of each constituent.
        recipe: training recipe.
        journal: record of the originals' training; None for no record.
        sisa: training in shards and slices; None for ordinary training.
        margins: margins of the verdict.
        models: default number of models per population.
        budget: default budget.
        seed: seed of the reference populations.
        definition: the task as plain JSON values, for the report.
        source: origin of the task: a file or a distribution.
        folder: base of relative paths in ``definition``; None for a task without a file.
        evaluators: names of evaluators to use besides the default ones.
        layers: names of modules of the network whose outputs are compared; empty for those of bundled networks.
        deletions: number of requests of a stream; 0 for a task with a single forget set. The forget set of a stream is what all
            its requests delete.
        request: the request of a stream that this task is; its forget set is what this and all earlier requests delete. None
            for a whole stream, and for other tasks.
        choice: how the forget set is still to be chosen; ``load`` then raises an error. None if it is known.
        chosen: how the forget set was chosen by models; None if it was not.
    """

    name: str
    description: str
    load: Callable[[], TaskData]
    architecture: ArchitectureSpec
    recipe: Recipe
    models: int = 32
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    definition: dict[str, object] = field(default_factory=dict)
    source: str = ""
    journal: JournalRequest | None = None
    sisa: SisaRequest | None = None
    margins: Margins = field(default_factory=Margins)
    folder: Path | None = None
    evaluators: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    deletions: int = 0
    request: Request | None = None
    choice: ForgetChoice | None = None
    chosen: ChosenForget | None = None

    def model_spec(self, data: TaskData) -> ModelSpec:
        """Return the network's specification for this data."""
        inputs = data.retain.inputs
        return ModelSpec(
            architecture=self.architecture if self.sisa is None else sharded(self.architecture, self.sisa.shards),
            input_shape=tuple(inputs.shape[1:]),
            n_classes=data.n_classes,
            mean=data.mean,
            std=data.std,
            dtype=str(inputs.dtype),
            vocabulary=data.vocabulary,
        )
