"""The examples of a dataset before they are split for a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.core.rows import Inputs
from harness.tasks.task import Split


@dataclass(frozen=True)
class Encoding:
    """A conversion of inputs as read into those of the network, fitted to a training set.

    Attributes:
        apply: converts inputs of any split, shape (n, ...).
        vocabulary: number of token ids in the result; None if these are no token ids.
    """

    apply: Callable[[Inputs], Inputs]
    vocabulary: int | None = None


@dataclass(frozen=True)
class Examples:
    """A dataset as read or generated.

    Attributes:
        train: examples to train on; held-out examples are taken from here if ``test`` is None.
        test: the dataset's official test set, the source of validation and test; None if it has none.
        class_names: one name per class, in the order of the labels.
        normalise: the network's inputs are normalised by statistics of the training set, per index of an example's first
            dimension.
        vocabulary: number of token ids in ``inputs``; None if these are no token ids.
        fit: returns the encoding for a training set, given its inputs; None if inputs are what the network reads. It sees
            retain and forget set alone, so that held-out examples do not influence it.
    """

    train: Split
    test: Split | None
    class_names: tuple[str, ...]
    normalise: bool = True
    vocabulary: int | None = None
    fit: Callable[[Inputs], Encoding] | None = None
