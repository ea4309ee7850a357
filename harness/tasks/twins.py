"""Detection of duplicates and near-duplicates (twins) across splits, by the content of inputs.

If an example to be forgotten has a twin in the retain set, retrained models have learned it too, and no method can forget it. If
a held-out example has a twin in the training set, it measures memory instead of generalisation. Near-duplicates are searched
among pictures alone: distances of other inputs have no common scale.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from harness.core.rows import Inputs, chunks, taken
from harness.tasks.task import Split, TaskData

NEAR = 0.1
"""Maximum Euclidean distance of nearly equal images, in units of the standard deviation of images: the root of the mean squared
Euclidean distance of an image from the mean image. Independent images are about 1.4 apart."""
PAIRS = (
    ("forget", "retain"),
    ("validation", "retain"),
    ("validation", "forget"),
    ("test", "retain"),
    ("test", "forget"),
    ("test", "validation"),
)
"""(split of the counted examples, split of their twins), in order of severity."""
SHOWN = 3
_CANDIDATES = 16
_GRID = 4
_ROWS = 2048


@dataclass(frozen=True)
class Twins:
    """Counts of the examples of one split that have a twin in another split.

    Attributes:
        split: split of the counted examples.
        twin_in: split of their twins.
        equal: number of examples with equal inputs there.
        near: number of examples with a nearly equal picture there, and no equal one.
        other_label: number of these examples with another label than the twin found.
        pairs: ids of the first few examples, each with its twin's id.
    """

    split: str
    twin_in: str
    equal: Annotated[int, Ge(0)]
    near: Annotated[int, Ge(0)]
    other_label: Annotated[int, Ge(0)]
    pairs: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Return the number of examples with a twin."""
        return self.equal + self.near


@dataclass(frozen=True)
class _Side:
    """An index of a split: ``first`` maps the hash of inputs to the first example with them; ``unique`` lists these.

    ``means`` are the block means of the unique pictures; None for other inputs.
    """

    split: Split
    hashes: list[bytes]
    first: dict[bytes, int]
    unique: NDArray[np.int64]
    means: NDArray[np.float32] | None


def find_twins(data: TaskData) -> tuple[Twins, ...]:
    """Count the examples with a twin for each of :data:`PAIRS`, also if there are none.

    Equal images are found by their hash. A nearly equal image is searched among the 16 images of the other split with the nearest
    block means, since the distance of block means is a lower bound of the distance of images.
    """
    sides, radius = _sides(data)
    return tuple(_twins(sides, split, other, radius) for split, other in PAIRS)


def forget_twins(data: TaskData) -> dict[str, NDArray[np.bool_]]:
    """Return which forget examples have a twin in each of the other splits that have one, shape (n_forget,) each."""
    sides, radius = _sides(data)
    found = {}
    for other in ("retain", "validation", "test"):
        twins = [*_equal(sides["forget"], sides[other]), *_near(sides["forget"], sides[other], radius)]
        if twins:
            found[other] = np.isin(np.arange(len(data.forget)), [index for index, _ in twins])
    return found


def _sides(data: TaskData) -> tuple[dict[str, _Side], float]:
    """Return an index of each split, and the maximum distance of nearly equal images."""
    sides = {name: _side(data.split(name)) for name in ("retain", "forget", "validation", "test")}
    return sides, NEAR * _deviation([data.split(name) for name in sides])


def _side(split: Split) -> _Side:
    hashes = [
        hashlib.blake2b(row.tobytes(), digest_size=16).digest() for chunk in chunks(split.inputs) for row in chunk
    ]
    first: dict[bytes, int] = {}
    for index, digest in enumerate(hashes):
        first.setdefault(digest, index)
    unique = np.asarray(list(first.values()), dtype=np.int64)
    means = _block_means(taken(split.inputs, unique)) if len(split.inputs.shape) == 4 else None
    return _Side(split, hashes, first, unique, means)


def _block_means(images: Inputs) -> NDArray[np.float32]:
    """Return the means over a grid of 4x4 blocks, each times the root of its size, shape (n, C * 16).

    Their Euclidean distance is at most that of the images (Cauchy-Schwarz, block by block).
    """
    count, channels, height, width = images.shape
    rows, columns = _cuts(height), _cuts(width)
    sizes = np.diff([*rows, height])[:, None] * np.diff([*columns, width])[None, :]
    found = np.empty((count, channels, *sizes.shape), dtype=np.float32)
    for start in range(0, count, _ROWS):
        sums = np.add.reduceat(images[start : start + _ROWS], rows, axis=2, dtype=np.float64)
        found[start : start + _ROWS] = np.add.reduceat(sums, columns, axis=3) / np.sqrt(sizes)
    return found.reshape(count, -1)


def _cuts(length: int) -> NDArray[np.int64]:
    return np.unique(np.arange(_GRID) * length // _GRID)


def _deviation(splits: list[Split]) -> float:
    """Return the root of the mean squared Euclidean distance of inputs from the mean of all."""
    total = sum(len(split) for split in splits)
    sums, squares = np.zeros(splits[0].inputs.shape[1:]), 0.0
    for split in splits:
        for chunk in chunks(split.inputs):
            values = chunk.astype(np.float64)
            sums += values.sum(axis=0)
            squares += float(np.vdot(values, values))
    return float(np.sqrt(max(0.0, squares / total - float(((sums / total) ** 2).sum()))))


def _twins(sides: dict[str, _Side], name: str, other: str, radius: float) -> Twins:
    here, there = sides[name], sides[other]
    twin = dict(_equal(here, there))
    equal = len(twin)
    twin |= dict(_near(here, there, radius))
    chosen = sorted(twin)
    labels = sum(int(here.split.labels[index] != there.split.labels[twin[index]]) for index in chosen)
    pairs = {str(here.split.ids[index]): str(there.split.ids[twin[index]]) for index in chosen[:SHOWN]}
    return Twins(name, other, equal, len(twin) - equal, labels, pairs)


def _equal(here: _Side, there: _Side) -> Iterator[tuple[int, int]]:
    for index, digest in enumerate(here.hashes):
        if digest in there.first:
            yield index, there.first[digest]


def _near(here: _Side, there: _Side, radius: float) -> Iterator[tuple[int, int]]:
    """Yield (example, its nearest candidate) if that is within ``radius``, for examples without an equal image."""
    from scipy.spatial import cKDTree

    lone = [row for row, index in enumerate(here.unique) if here.hashes[index] not in there.first]
    if not lone or radius == 0 or here.means is None or there.means is None:
        return
    near, found = cKDTree(there.means).query(
        here.means[lone], k=min(_CANDIDATES, len(there.unique)), distance_upper_bound=radius
    )
    shape = (len(lone), -1)
    near, found = np.reshape(near, shape), np.reshape(found, shape)
    twin = {}
    for position in np.flatnonzero(np.isfinite(near[:, 0])).tolist():
        index = int(here.unique[lone[position]])
        candidates = there.unique[found[position][np.isfinite(near[position])]]
        difference = there.split.inputs[candidates].astype(np.float64) - here.split.inputs[index]
        distance = np.sqrt((difference**2).sum(axis=(1, 2, 3)))
        best = int(distance.argmin())
        if distance[best] <= radius:
            twin[here.hashes[index]] = int(candidates[best])
    for index, digest in enumerate(here.hashes):
        if digest in twin:
            yield index, twin[digest]


def twin_warnings(twins: tuple[Twins, ...], sizes: dict[str, int]) -> list[str]:
    """Return a sentence per pair of splits with twins, in order of severity.

    Args:
        twins: result of :func:`find_twins`.
        sizes: number of examples per split.
    """
    return [_warning(found, sizes[found.split]) for found in twins if found.total]


def _warning(twins: Twins, size: int) -> str:
    label = f", {twins.other_label} of them with another label" if twins.other_label else ""
    shown = ", ".join(f"{example!r} = {twin!r}" for example, twin in twins.pairs.items())
    counts = f"{twins.equal} equal and {twins.near} nearly equal{label}; e.g. {shown}"
    if (twins.split, twins.twin_in) == ("forget", "retain"):
        return (
            f"{twins.total} of {size} examples to forget have a TWIN IN THE RETAIN SET ({counts}). They CANNOT BE FORGOTTEN: "
            "retrained models have learned their twins, and every number on the forget set includes them. Move the "
            "twins to the forget set, or remove them from the data."
        )
    seen = "training data" if twins.twin_in in ("retain", "forget") else "data that methods were given"
    return (
        f"{twins.total} of {size} {twins.split} examples have a twin in the {twins.twin_in} set ({counts}). On these, the "
        f"{twins.split} set measures {seen}. Remove them from one of the two sets."
    )
