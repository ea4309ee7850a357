"""Training on the retain set with true labels and on the forget set with wrong labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Batch, Clock
from harness_unlearners._training import forward, take_step

Relabel = Callable[[Tensor], Tensor]
"""Function from true labels (B,) and the number of classes to new labels (B,)."""


def wrong_labels(labels: Tensor, n_classes: int) -> Tensor:
    """Return for each label a different class, uniformly drawn; the same labels if there is only one class."""
    return (labels + torch.randint(1, max(2, n_classes), labels.shape).to(labels.device)) % n_classes


def any_labels(labels: Tensor, n_classes: int) -> Tensor:
    """Return for each label a uniformly drawn class: the true one with probability 1 / n_classes."""
    return torch.randint(0, n_classes, labels.shape).to(labels.device)


def train_relabelled(
    model: nn.Module,
    retain: Any,
    forget: Any,
    clock: Clock,
    optimizer: torch.optim.Optimizer,
    n_classes: int,
    *,
    epochs: int,
    batch_size: int,
    after_step: Callable[[], None] = lambda: None,
    relabel: Callable[[Tensor, int], Tensor] = wrong_labels,
    forget_first: bool = False,
) -> None:
    """Train in place on both sets by cross-entropy.

    Args:
        model, retain, forget, clock, optimizer, n_classes, epochs, batch_size: as in every method that trains.
        after_step: called after every step.
        relabel: draws new forget labels in every pass, from the true ones and ``n_classes``.
        forget_first: if true, each epoch is a pass over forget, then one over retain; else each batch mixes both.
    """
    batches = _in_turn if forget_first else _joined
    for images, labels in batches(retain, forget, clock, epochs, batch_size, lambda true: relabel(true, n_classes)):
        take_step(optimizer, F.cross_entropy(forward(model, images), labels))
        after_step()


def _joined(retain: Any, forget: Any, clock: Clock, epochs: int, batch_size: int, relabel: Relabel) -> Iterator[Batch]:
    for kept, gone in clock.pairs(retain, forget, batch_size, epochs):
        yield torch.cat([kept[0], gone[0]]), torch.cat([kept[1], relabel(gone[1])])


def _in_turn(retain: Any, forget: Any, clock: Clock, epochs: int, batch_size: int, relabel: Relabel) -> Iterator[Batch]:
    for _ in clock.epochs(epochs):
        for images, labels in clock.batches(forget, batch_size):
            yield images, relabel(labels)
        yield from clock.batches(retain, batch_size)
