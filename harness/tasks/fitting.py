"""Which bundled networks and augmentations fit which inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Kind = Literal["pictures", "numbers", "tokens"]
"""Pictures are (C, H, W); other inputs are numbers of any shape, or token ids."""
READS: dict[str, tuple[Kind, ...]] = {
    "patch-cnn": ("pictures",),
    "small-cnn": ("pictures",),
    "resnet9": ("pictures",),
    "resnet18": ("pictures",),
    "mlp": ("pictures", "numbers"),
    "embedding-bag": ("tokens",),
}
"""Bundled architecture -> what it reads."""
_WORDS = {"pictures": "pictures (C, H, W)", "numbers": "numbers that are no pictures", "tokens": "token ids"}
_ADVICE = {
    "pictures": "small-cnn, patch-cnn, resnet9, resnet18 or mlp",
    "numbers": "mlp",
    "tokens": "embedding-bag",
}
_MORE = {
    "pictures": "",
    "numbers": ". Pictures need a dimension of channels, as inputs[:, None] has for grey ones",
    "tokens": ". Whole numbers other than uint8 are token ids: store measured or counted ones as float32",
}


def misfits(kind: Kind, architecture: str | None, augment: Sequence[str]) -> str:
    """Return why a task's network or augmentation cannot be used with its inputs; empty if they can.

    Args:
        kind: of the inputs.
        architecture: name of the network; networks of others are not known here.
        augment: the recipe's augmentations.
    """
    if augment and kind != "pictures":
        return f"recipe.augment: {augment[0]} changes pictures (C, H, W), and this task's inputs are {_WORDS[kind]}; remove it"
    reads = READS.get(architecture or "", (kind,))
    if kind not in reads:
        return (
            f"architecture.name: {architecture} reads {' or '.join(_WORDS[one] for one in reads)}, and the inputs of this task "
            f"are {_WORDS[kind]}; use {_ADVICE[kind]}, or a network of your own{_MORE[kind]}"
        )
    return ""
