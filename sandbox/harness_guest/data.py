"""The splits passed to an unlearner: map-style datasets with a fast batched loader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import Dataset

from harness_guest.meter import Meter
from reference_models.networks.augmentation import CROP_PADDING
from reference_models.networks.augmentation import augment as apply_augmentations
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import Augmentation

AUGMENTATIONS: tuple[Augmentation, ...] = ("horizontal-flip", "crop-pad-4")


@dataclass(frozen=True)
class Normalisation:
    """Normalisation per channel or column: the network reads (x - mean) / std, of bytes (x / 255 - mean) / std.

    Both are empty for inputs that are not normalised.
    """

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


class SplitData(Dataset[tuple[Tensor, int]]):
    """A split, as tensors on the device.

    Item ``i`` is (input, label): what the network reads, float32 of shape (C, H, W) for pictures, and an int.

    Args:
        inputs: shape (n, ...), as stored: pictures are uint8 of shape (n, C, H, W). Also called ``images``.
        labels: shape (n,), int64, on the same device.
        n_classes: number of classes.
        normalisation: normalisation of the inputs.
        meter: counts the examples drawn; None for a new one.
    """

    def __init__(
        self, inputs: Tensor, labels: Tensor, n_classes: int, normalisation: Normalisation, meter: Meter | None = None
    ) -> None:
        self.inputs = inputs
        self.labels = labels
        self.n_classes = n_classes
        self.normalisation = normalisation
        self.meter = meter or Meter()

    @property
    def images(self) -> Tensor:
        """Return the inputs as stored; another name of ``inputs``, for pictures."""
        return self.inputs

    @images.setter
    def images(self, images: Tensor) -> None:
        self.inputs = images

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.meter.draw(1)
        return self.normalised(self.inputs[index]), int(self.labels[index])

    def normalised(self, inputs: Tensor) -> Tensor:
        """Return stored inputs (..., *shape of an example) as the network reads them: float32, and token ids int64."""
        return normalise(inputs, self.normalisation.mean, self.normalisation.std, self.inputs.dim() - 1)

    def loader(
        self,
        batch_size: int = 64,
        shuffle: bool = False,
        augment: Sequence[Augmentation] = (),
        drop_last: bool = False,
        generator: torch.Generator | None = None,
    ) -> Loader:
        """Return batches of (inputs (B, ...) as the network reads them, labels int64 (B,)), already on the device.

        Pictures are float32 of shape (B, C, H, W).

        Args:
            batch_size: examples per batch.
            shuffle: draw a new random order in every pass.
            augment: names as in a training recipe, applied in this order with new draws in every pass.
            drop_last: leave out a smaller last batch.
            generator: CPU generator of order and augmentation; torch's global one by default.

        Raises:
            ValueError: a batch size below 1, an unknown augmentation, or one of inputs that are no pictures.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        for name in augment:
            if name not in AUGMENTATIONS:
                raise ValueError(f"unknown augmentation {name!r}; known: {', '.join(AUGMENTATIONS)}")
        if augment and self.inputs.dim() != 4:
            raise ValueError(
                f"augment {augment[0]!r} is for pictures; an example has the shape {tuple(self.inputs.shape[1:])}"
            )
        return Loader(self, batch_size, shuffle, tuple(augment), drop_last, generator)


@dataclass(frozen=True)
class Loader:
    """An iterable over a split's batches; each ``for`` loop is a new pass. See :meth:`SplitData.loader`."""

    split: SplitData
    batch_size: int
    shuffle: bool
    augment: tuple[Augmentation, ...]
    drop_last: bool
    generator: torch.Generator | None

    @property
    def dataset(self) -> SplitData:
        """Return the split, under the attribute name of PyTorch's ``DataLoader``."""
        return self.split

    def __len__(self) -> int:
        whole, rest = divmod(len(self.split), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        device = self.split.labels.device
        order = self._order().to(device)
        draws = [self._draw(kind).to(device) for kind in self.augment]
        for step in range(len(self)):
            rows = slice(step * self.batch_size, (step + 1) * self.batch_size)
            inputs = self.split.inputs[order[rows]]
            self.split.meter.draw(len(inputs))  # raises if the limit is exceeded
            if draws:
                last = apply_augmentations(inputs.permute(0, 2, 3, 1), self.augment, [draw[rows] for draw in draws])
                inputs = last.permute(0, 3, 1, 2).contiguous()
            yield self.split.normalised(inputs), self.split.labels[order[rows]]

    def _order(self) -> Tensor:
        n_examples = len(self.split)
        return torch.randperm(n_examples, generator=self.generator) if self.shuffle else torch.arange(n_examples)

    def _draw(self, kind: Augmentation) -> Tensor:
        n_examples = len(self.split)
        if kind == "horizontal-flip":
            return torch.rand(n_examples, generator=self.generator) < 0.5
        return torch.randint(0, 2 * CROP_PADDING + 1, (n_examples, 2), generator=self.generator)
