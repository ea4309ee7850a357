"""Training on the retain set as it is and on the forget set with wrong labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._training import forward, take_step


def wrong_labels(labels: Tensor, n_classes: int) -> Tensor:
    """For each label another one, all others equally likely; the same labels where there is but one class."""
    return (labels + torch.randint(1, max(2, n_classes), labels.shape).to(labels.device)) % n_classes


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
) -> None:
    """Train in place on both sets together by cross-entropy.

    Labels of retain are the true ones, those of forget wrong ones that are drawn anew each time.
    """
    for kept, gone in clock.pairs(retain, forget, batch_size, epochs):
        images = torch.cat([kept[0], gone[0]])
        labels = torch.cat([kept[1], wrong_labels(gone[1], n_classes)])
        take_step(optimizer, F.cross_entropy(forward(model, images), labels))
        after_step()
