"""What a population of models answers, and changes of it that deceptions are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.evaluation import phi

Logits = NDArray[np.float32]
Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Labels = NDArray[np.int64]
Change = Callable[[Logits, Labels], Logits]


@dataclass(frozen=True)
class Answers:
    """Logits of N models.

    Attributes:
        splits: per split, shape (N, n, C).
        queries: per query on the forget set, shape (N, n_forget, C); may be empty.
    """

    splits: Mapping[str, Logits]
    queries: Mapping[str, Logits]

    @property
    def models(self) -> int:
        """Return the number of models N."""
        return len(self.splits["forget"])

    def take(self, rows: Rows) -> Answers:
        """Return the chosen models, in that order; a model may be chosen repeatedly."""
        return self._each(lambda array: array[rows])

    def joined(self, other: Answers) -> Answers:
        """Return these models followed by others."""
        return self.beside(other, lambda first, second: np.concatenate([first, second]))

    def everywhere(self, change: Change, labels: Mapping[str, Labels]) -> Answers:
        """Change the logits of all splits and queries."""
        splits = {name: change(array, labels[name]) for name, array in self.splits.items()}
        queries = {name: change(array, labels["forget"]) for name, array in self.queries.items()}
        return Answers(splits, queries)

    def on_forget(self, change: Change, labels: Mapping[str, Labels]) -> Answers:
        """Change the logits of the forget set, both without and under every query."""
        changed = Answers({"forget": self.splits["forget"]}, self.queries).everywhere(change, labels)
        return Answers({**self.splits, **changed.splits}, changed.queries)

    def with_forget(self, other: Answers, examples: NDArray[np.bool_]) -> Answers:
        """Take the chosen forgotten examples, under every query too, from other models.

        Args:
            other: as many models.
            examples: which examples, shape (n_forget,), or which examples of which models, shape (N, n_forget).
        """
        chosen = np.broadcast_to(examples, self.splits["forget"].shape[:2])[..., None]
        mixed = self.beside(other, lambda mine, theirs: np.where(chosen, theirs, mine), only_forget=True)
        return Answers({**self.splits, "forget": mixed.splits["forget"]}, mixed.queries)

    def with_models(self, other: Answers, models: NDArray[np.bool_]) -> Answers:
        """Take the chosen models, shape (N,), from others."""
        return self.beside(other, lambda mine, theirs: np.where(models[:, None, None], theirs, mine))

    def beside(
        self, other: Answers, combine: Callable[[Logits, Logits], Logits], *, only_forget: bool = False
    ) -> Answers:
        """Combine with other models' logits, array by array."""
        names = ("forget",) if only_forget else tuple(self.splits)
        splits = {name: combine(self.splits[name], other.splits[name]) for name in names}
        queries = {name: combine(array, other.queries[name]) for name, array in self.queries.items()}
        return Answers(splits, queries)

    def _each(self, change: Callable[[Logits], Logits]) -> Answers:
        return Answers(
            {name: change(array) for name, array in self.splits.items()},
            {name: change(array) for name, array in self.queries.items()},
        )


def with_phi(logits: Logits, labels: Labels, wanted: Values) -> Logits:
    """Set the true class's logit so that the logit-scaled confidence is as wanted; other logits stay.

    Args:
        logits: shape (N, n, C).
        labels: shape (n,).
        wanted: shape (N, n).
    """
    changed: Logits = logits.copy()
    index = np.broadcast_to(labels[None, :, None], (*logits.shape[:2], 1))
    true = np.take_along_axis(logits, index, axis=2)[..., 0]
    moved = true + (wanted - phi(logits, labels))
    np.put_along_axis(changed, index, moved[..., None].astype(np.float32), axis=2)
    return changed


def on_phi(change: Callable[[Values], Values]) -> Change:
    """Make a change of logits from one of logit-scaled confidences, shape (N, n)."""
    return lambda logits, labels: with_phi(logits, labels, change(phi(logits, labels)))


def scaled(factors: Values | float) -> Change:
    """Make a change that multiplies all logits.

    Args:
        factors: one number, or of any shape that broadcasts against (N, n, C).
    """

    def change(logits: Logits, _labels: Labels) -> Logits:
        found: Logits = (logits * np.asarray(factors)).astype(np.float32)
        return found

    return change


def wrong_label(labels: Labels, classes: int, rng: np.random.Generator) -> Labels:
    """Draw a wrong class for each example, shape (n,)."""
    return (labels + rng.integers(1, classes, len(labels))) % classes


def raised(classes: Labels, by: Values | float) -> Change:
    """Make a change that raises one wrong class's logit of each example and keeps phi as it is.

    Args:
        classes: the class to raise, shape (n,).
        by: by how much, shape (n,) or one number.
    """

    def change(logits: Logits, labels: Labels) -> Logits:
        marked: Logits = logits.copy()
        at = np.arange(len(labels))
        marked[:, at, classes] += np.asarray(by, dtype=np.float32)
        return with_phi(marked, labels, phi(logits, labels))

    return change
