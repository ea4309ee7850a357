"""The examples of a dataset before they are split for a task."""

from __future__ import annotations

from dataclasses import dataclass

from harness.tasks.task import Split


@dataclass(frozen=True)
class Examples:
    """A dataset as read or generated.

    Attributes:
        train: examples to train on; held-out examples are taken from here if ``test`` is None.
        test: the dataset's official test set, the source of validation and test; None if it has none.
        class_names: one name per class, in the order of the labels.
    """

    train: Split
    test: Split | None
    class_names: tuple[str, ...]
