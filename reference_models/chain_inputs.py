"""What the first layer of a chain reads: normalised pictures, or stored ones that it normalises itself."""

from __future__ import annotations

import torch
from torch import Tensor

from reference_models.chain_layers import Layer
from reference_models.chain_pictures import PictureStack, StoredPictures
from reference_models.examples import Examples
from reference_models.images import Normaliser
from reference_models.recipe import ModelSpec
from reference_models.sampling import Batch
from reference_models.scratch import Scratch, unflatten

PREPARED_BYTES = 256 << 20
"""Most that a training set takes in the form in which it is read."""


class ChainInputs:
    """Reads pictures for a first layer.

    Args:
        spec: for the pictures' mean and deviation.
        first: the layer.
    """

    def __init__(self, spec: ModelSpec, first: Layer) -> None:
        self._stored = isinstance(first, PictureStack) and first.reads_stored
        self._normaliser = Normaliser(spec.mean, spec.std, "cpu")
        self._row = self._normaliser.of_row(spec.image_size[1])
        self._scratch = Scratch()
        self._bytes: dict[tuple[int, ...], Tensor] = {}
        self._table: tuple[Examples, Tensor | None] | None = None

    def given(self, images: Tensor) -> Tensor | StoredPictures:
        """Pictures (g, B, H, W, C), uint8, as the layer takes them."""
        if not self._stored:
            return self._normaliser.channels_last(images)
        # Always at one address: calls of machine code are listed with addresses.
        shape = tuple(images.shape)
        if shape not in self._bytes:
            self._bytes[shape] = torch.empty_like(images, memory_format=torch.contiguous_format)
        own = self._bytes[shape].copy_(images)
        numbers = torch.arange(len(images) * images.shape[1]).view(images.shape[:2])
        return StoredPictures(own.flatten(0, 1), numbers, *self._row)

    def drawn(self, examples: Examples, batch: Batch) -> Tensor | StoredPictures:
        """The pictures of a batch (m, B), augmented."""
        if self._table is None or self._table[0] is not examples:
            self._table = (examples, self._prepared(examples))
        table = self._table[1]
        if table is None:
            return self.given(examples.pictures(batch))
        numbers = batch.index if not batch.draws else batch.index + len(examples.labels) * batch.draws[0]
        if self._stored:
            return StoredPictures(table, numbers, *self._row)
        taken = self._scratch.take("inputs", (numbers.numel(), *table.shape[1:]))
        return unflatten(torch.index_select(table, 0, numbers.flatten(), out=taken), 0, tuple(numbers.shape))

    def _prepared(self, examples: Examples) -> Tensor | None:
        """Every picture as it is read, and every mirrored one after them; None where that is too much."""
        if examples.recipe.augment not in ((), ("horizontal-flip",)):
            return None
        images = torch.cat([examples.images, examples.images.flip(2)]) if examples.recipe.augment else examples.images
        if (1 if self._stored else 4) * images.numel() > PREPARED_BYTES:
            return None
        if self._stored:
            return images
        table = torch.empty(images.shape)
        for start in range(0, len(images), 64):
            rows = slice(start, start + 64)
            table[rows] = self._normaliser.channels_last(images[rows][None])[0]
        return table
