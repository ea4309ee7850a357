"""What a dataset's module returns: its examples before they are split for a task."""

from __future__ import annotations

from dataclasses import dataclass

from harness.tasks.model import Split


@dataclass(frozen=True)
class Examples:
    """A dataset as read or drawn.

    Attributes:
        train: what a task trains on; held-out examples are taken from here where ``test`` is None.
        test: the dataset's official test part, from which validation and test are taken; None where it has none.
        class_names: one name per class, in the order of the labels.
    """

    train: Split
    test: Split | None
    class_names: tuple[str, ...]
