"""Training recipes and architectures as data; importable without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

Augmentation = Literal["horizontal-flip", "crop-pad-4"]


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Everything the trained weights depend on, but for data, architecture and seed.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples a step; the last, smaller batch of an epoch is dropped when ``drop_last``.
        optimizer: "sgd" (with ``momentum``, Nesterov when ``nesterov``) or "adam".
        lr: peak learning rate.
        momentum: of SGD.
        nesterov: of SGD.
        weight_decay: L2, on all parameters, as torch.optim has it.
        schedule: "constant", "cosine" (to 0 over all steps) or "one-cycle" (linear warm-up over ``warmup`` of the
            steps, then linear to 0).
        warmup: share of the steps, for "one-cycle".
        label_smoothing: of the cross-entropy.
        augment: applied to training batches, in this order.
        drop_last: leave out the last, smaller batch.
        chunk: how many models are trained at once. Part of the recipe, so that a population is the same whenever it is
            built on the same kind of device.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    epochs: int = 10
    batch_size: int = 64
    optimizer: Literal["sgd", "adam"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: Literal["constant", "cosine", "one-cycle"] = "cosine"
    warmup: float = 0.2
    label_smoothing: float = 0.0
    augment: tuple[Augmentation, ...] = ()
    drop_last: bool = False
    chunk: int = 16

    def __post_init__(self) -> None:
        positive = {"epochs": self.epochs, "batch_size": self.batch_size, "lr": self.lr, "chunk": self.chunk}
        for name, value in positive.items():
            if value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        for name, value in {"momentum": self.momentum, "label_smoothing": self.label_smoothing}.items():
            if not 0 <= value < 1:
                raise ValueError(f"{name} must be in [0, 1), not {value}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup must be in [0, 1], not {self.warmup}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must not be negative, not {self.weight_decay}")


@dataclass(frozen=True)
class ArchitectureSpec:
    """Which network: a name of :data:`reference_models.networks.architectures.ARCHITECTURES` or ``package.module:factory``.

    Attributes:
        name: registered name or import path of a callable ``factory(in_channels, image_size, n_classes, **options)``.
        options: keyword arguments of the factory; JSON values.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str = "small-cnn"
    options: Mapping[str, Any] = field(default_factory=dict)


SHARDED = "reference_models.networks.sharded:sharded_network"


def sharded(architecture: ArchitectureSpec, shards: int) -> ArchitectureSpec:
    """The architecture of a network of ``shards`` constituents of an architecture; see :mod:`reference_models.records.sisa`."""
    options = {"shards": shards, "name": architecture.name, "options": dict(architecture.options)}
    return ArchitectureSpec(SHARDED, options)


@dataclass(frozen=True)
class ModelSpec:
    """An architecture with the shape of its data: all that is needed to build the module.

    Attributes:
        architecture: which network.
        in_channels: image channels C.
        image_size: height and width in pixels (H, W).
        n_classes: number of logits.
        mean: per channel, of images scaled to [0, 1]; the input is (x / 255 - mean) / std.
        std: per channel.
    """

    architecture: ArchitectureSpec
    in_channels: int
    image_size: tuple[int, int]
    n_classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


def to_json(value: Recipe | ArchitectureSpec | ModelSpec) -> dict[str, Any]:
    """A dict of JSON values (tuples become lists); :func:`model_spec_from_json` and :func:`recipe_from_json` read it back."""
    data: dict[str, Any] = json.loads(json.dumps(asdict(value)))
    return data


def recipe_from_json(data: Mapping[str, Any]) -> Recipe:
    """Inverse of :func:`to_json` for a recipe."""
    return Recipe(**{**data, "augment": tuple(data.get("augment", ()))})


def model_spec_from_json(data: Mapping[str, Any]) -> ModelSpec:
    """Inverse of :func:`to_json` for a model specification."""
    height, width = data["image_size"]
    return ModelSpec(
        architecture=ArchitectureSpec(**data["architecture"]),
        in_channels=data["in_channels"],
        image_size=(height, width),
        n_classes=data["n_classes"],
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
    )


def derive_seed(*parts: object) -> int:
    """A 63-bit seed that depends on all ``parts``, on every platform alike (SHA-256 of their JSON)."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
