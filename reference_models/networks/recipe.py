"""Training recipes and architectures as data; importable without torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

LIBRARIES: Mapping[str, str] = MappingProxyType({"torchvision": "vision", "timm": "timm"})
"""Libraries whose networks can be named, and the extra of this project that installs each."""
INITIAL_WEIGHTS = "harness-initial-weights"
"""Folder of files of initial weights, in an entry of ``sys.path``; see :mod:`reference_models.networks.initial`."""

Augmentation = Literal["horizontal-flip", "crop-pad-4"]


@dataclass(frozen=True)
class Recipe:
    """A training recipe: everything that trained weights depend on, except data, architecture and seed.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples per step; the last, smaller batch of an epoch is dropped if ``drop_last``.
        optimizer: "sgd" (with ``momentum``; Nesterov if ``nesterov``) or "adam".
        lr: peak learning rate.
        momentum: momentum of SGD.
        nesterov: use Nesterov momentum in SGD.
        weight_decay: L2 penalty on all parameters, as in torch.optim.
        schedule: "constant", "cosine" (to 0 over all steps) or "one-cycle" (linear warm-up over ``warmup`` of the
            steps, then linear to 0).
        warmup: share of warm-up steps, for "one-cycle".
        label_smoothing: label smoothing of the cross-entropy.
        augment: augmentations of training batches, in order of application.
        drop_last: drop the last, smaller batch of an epoch.
        precision: "float32", or "bfloat16": forward and backward passes under ``torch.autocast``, with weights, updates and
            the loss in float32. Logits are computed in float32 in either case.
        chunk: number of models trained together. It is part of the recipe because rounding depends on it.
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
    precision: Literal["float32", "bfloat16"] = "float32"
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
    """An architecture, as a task names it or as networks are built from it.

    Attributes:
        name: key of :data:`reference_models.networks.architectures.ARCHITECTURES`, ``torchvision:NAME``, ``timm:NAME``, or
            ``package.module:factory``.
        options: keyword arguments of the factory; JSON values.
        package: in a task, the package that has the factory: a path, a wheel or ``NAME==VERSION``; None if it is importable.
        init: files of initial weights. In a task, paths; to build a network, names in a folder of
            :mod:`reference_models.networks.initial`.
        init_except: beginnings of names of tensors that ``init`` leaves as the factory made them.
        digest: SHA-256 of the code that ``name`` is imported from; empty for a network of :mod:`reference_models`.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str = "small-cnn"
    options: Mapping[str, Any] = field(default_factory=dict)
    package: str | None = None
    init: tuple[str, ...] = ()
    init_except: tuple[str, ...] = ()
    digest: str = ""


SHARDED = "reference_models.networks.sharded:sharded_network"


def sharded(architecture: ArchitectureSpec, shards: int) -> ArchitectureSpec:
    """Return the architecture of a network of ``shards`` constituents; see :mod:`reference_models.records.sisa`."""
    options = {"shards": shards, "name": architecture.name, "options": dict(architecture.options)}
    return ArchitectureSpec(SHARDED, options, digest=architecture.digest)


@dataclass(frozen=True)
class ModelSpec:
    """An architecture and the shape of its data: the arguments for building the module.

    The network reads float32: uint8 inputs are scaled to [0, 1], bool to 0 and 1; with ``mean`` and ``std`` they, and
    floating-point inputs, become (x - mean) / std. Other integers are token ids, which it reads as int64.

    Attributes:
        architecture: the architecture.
        input_shape: shape of one example: (C, H, W) for pictures.
        n_classes: number of logits.
        mean: of each index of an example's first dimension (channel or column); empty for no normalisation.
        std: like ``mean``.
        dtype: of the stored inputs, as NumPy names it.
        vocabulary: number of token ids; None if inputs are no token ids.
    """

    architecture: ArchitectureSpec
    input_shape: tuple[int, ...]
    n_classes: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    dtype: str = "uint8"
    vocabulary: int | None = None

    @property
    def is_picture(self) -> bool:
        """Return True if examples have three dimensions, (C, H, W)."""
        return len(self.input_shape) == 3 and self.vocabulary is None

    @property
    def in_channels(self) -> int:
        """Return the channels of pictures; raise ValueError for other inputs."""
        return self._picture()[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """Return height and width of pictures in pixels; raise ValueError for other inputs."""
        return self._picture()[1:]

    def arguments(self) -> dict[str, Any]:
        """Return what a factory can be given, by the names of its parameters."""
        given: dict[str, Any] = {"input_shape": self.input_shape, "n_classes": self.n_classes}
        if self.is_picture:
            given |= {"in_channels": self.in_channels, "image_size": self.image_size}
        return given if self.vocabulary is None else given | {"vocabulary": self.vocabulary}

    def _picture(self) -> tuple[int, int, int]:
        if not self.is_picture:
            raise ValueError(f"inputs are no pictures: an example has the shape {self.input_shape}, not (C, H, W)")
        channels, height, width = self.input_shape
        return channels, height, width


def to_json(value: Recipe | ArchitectureSpec | ModelSpec) -> dict[str, Any]:
    """Return a dict of JSON values; :func:`model_spec_from_json` and :func:`recipe_from_json` are the inverse."""
    data: dict[str, Any] = json.loads(json.dumps(asdict(value)))
    return data


def recipe_from_json(data: Mapping[str, Any]) -> Recipe:
    """Return the recipe that :func:`to_json` wrote."""
    return Recipe(**{**data, "augment": tuple(data.get("augment", ()))})


def architecture_from_json(data: Mapping[str, Any]) -> ArchitectureSpec:
    """Return the architecture that :func:`to_json` wrote."""
    lists = {name: tuple(data.get(name, ())) for name in ("init", "init_except")}
    return ArchitectureSpec(**{**data, **lists})


def model_spec_from_json(data: Mapping[str, Any]) -> ModelSpec:
    """Return the model specification that :func:`to_json` wrote."""
    return ModelSpec(
        architecture=architecture_from_json(data["architecture"]),
        input_shape=tuple(data["input_shape"]),
        n_classes=data["n_classes"],
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        dtype=data["dtype"],
        vocabulary=data["vocabulary"],
    )


def derive_seed(*parts: object) -> int:
    """Return a 63-bit seed from all ``parts`` (SHA-256 of their JSON), the same on every platform."""
    text = json.dumps([str(part) for part in parts])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
