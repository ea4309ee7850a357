"""Examples of one split that stand in another one as well, under another id: equal or nearly equal pictures.

An example is its content. If a picture to be forgotten has a twin in the retain set, retrained models have learned it too, and no
method can forget it; if a held-out picture has one in the training set, it measures memory in place of generalisation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.tasks.model import Split, TaskData

NEAR = 0.1
"""Nearly equal: their Euclidean distance is at most this share of the pictures' standard deviation, which is the root of the
mean squared Euclidean distance of a picture from the mean picture. Independent pictures are about 1.4 apart."""
PAIRS = (
    ("forget", "retain"),
    ("validation", "retain"),
    ("validation", "forget"),
    ("test", "retain"),
    ("test", "forget"),
    ("test", "validation"),
)
"""(split whose examples are counted, split in which their twins are), the worst first."""
SHOWN = 3
_CANDIDATES = 16
_GRID = 4
_ROWS = 2048


@dataclass(frozen=True)
class Twins:
    """The examples of one split that have a twin in another one.

    Attributes:
        split: whose examples are counted.
        twin_in: where their twins are.
        equal: examples with an equal picture there.
        near: examples with a nearly equal picture there, and no equal one.
        other_label: those of both that have another label than the twin that was found.
        pairs: ids of the first few examples, each with its twin's.
    """

    split: str
    twin_in: str
    equal: int
    near: int
    other_label: int
    pairs: tuple[tuple[str, str], ...]

    @property
    def total(self) -> int:
        """Examples with a twin."""
        return self.equal + self.near


@dataclass(frozen=True)
class _Side:
    """A split's pictures: ``first`` maps the hash of a picture to its first example; ``unique`` are these, ascending."""

    split: Split
    hashes: list[bytes]
    first: dict[bytes, int]
    unique: NDArray[np.int64]
    means: NDArray[np.float32]


def find_twins(data: TaskData) -> tuple[Twins, ...]:
    """Count, for each of :data:`PAIRS`, the examples with a twin. Pairs of splits without twins are there with zeros.

    Equal pictures are found exactly. A nearly equal one is looked for among the 16 pictures of the other split whose block
    means are nearest: their distance is a lower bound of the pictures' own.
    """
    sides = {name: _side(data.split(name)) for name in ("retain", "forget", "validation", "test")}
    radius = NEAR * _deviation([data.split(name) for name in sides])
    return tuple(_twins(sides, split, other, radius) for split, other in PAIRS)


def _side(split: Split) -> _Side:
    hashes = [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in split.images]
    first: dict[bytes, int] = {}
    for index, digest in enumerate(hashes):
        first.setdefault(digest, index)
    unique = np.asarray(list(first.values()), dtype=np.int64)
    return _Side(split, hashes, first, unique, _block_means(split.images[unique]))


def _block_means(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the means over a grid of 4x4 blocks, each times the root of its size, shape (n, C * 16).

    Their Euclidean distance is at most that of the pictures (Cauchy-Schwarz, block by block).
    """
    count, channels, height, width = images.shape
    rows, columns = _cuts(height), _cuts(width)
    sizes = np.diff([*rows, height])[:, None] * np.diff([*columns, width])[None, :]
    found = np.empty((count, channels, *sizes.shape), dtype=np.float32)
    for start in range(0, count, _ROWS):
        sums = np.add.reduceat(images[start : start + _ROWS], rows, axis=2, dtype=np.uint32)
        found[start : start + _ROWS] = np.add.reduceat(sums, columns, axis=3) / np.sqrt(sizes)
    return found.reshape(count, -1)


def _cuts(length: int) -> NDArray[np.int64]:
    return np.unique(np.arange(_GRID) * length // _GRID)


def _deviation(splits: list[Split]) -> float:
    """Return the root of the mean squared Euclidean distance of a picture from the mean picture."""
    total = sum(len(split) for split in splits)
    sums, squares = np.zeros(splits[0].images.shape[1:], dtype=np.int64), 0.0
    for split in splits:
        for start in range(0, len(split), _ROWS):
            chunk = split.images[start : start + _ROWS]
            sums += chunk.sum(axis=0, dtype=np.int64)
            histogram = np.bincount(chunk.ravel(), minlength=256)
            squares += float(histogram @ np.arange(256, dtype=np.float64) ** 2)
    return float(np.sqrt(max(0.0, squares / total - float(((sums / total) ** 2).sum()))))


def _twins(sides: dict[str, _Side], name: str, other: str, radius: float) -> Twins:
    here, there = sides[name], sides[other]
    twin = dict(_equal(here, there))
    equal = len(twin)
    twin |= dict(_near(here, there, radius))
    chosen = sorted(twin)
    labels = sum(int(here.split.labels[one] != there.split.labels[twin[one]]) for one in chosen)
    pairs = tuple((str(here.split.ids[one]), str(there.split.ids[twin[one]])) for one in chosen[:SHOWN])
    return Twins(name, other, equal, len(twin) - equal, labels, pairs)


def _equal(here: _Side, there: _Side) -> Iterator[tuple[int, int]]:
    for index, digest in enumerate(here.hashes):
        if digest in there.first:
            yield index, there.first[digest]


def _near(here: _Side, there: _Side, radius: float) -> Iterator[tuple[int, int]]:
    """Yield (example, its nearest candidate) if that is within ``radius``, for examples that have no equal one."""
    from scipy.spatial import cKDTree

    lone = [row for row, index in enumerate(here.unique) if here.hashes[index] not in there.first]
    if not lone or radius == 0:
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
        difference = there.split.images[candidates].astype(np.float64) - here.split.images[index]
        distance = np.sqrt((difference**2).sum(axis=(1, 2, 3)))
        best = int(distance.argmin())
        if distance[best] <= radius:
            twin[here.hashes[index]] = int(candidates[best])
    for index, digest in enumerate(here.hashes):
        if digest in twin:
            yield index, twin[digest]


def twin_warnings(twins: tuple[Twins, ...], sizes: dict[str, int]) -> list[str]:
    """Return a sentence per pair of splits that has twins, the worst first.

    Args:
        twins: as found.
        sizes: examples per split.
    """
    return [_warning(one, sizes[one.split]) for one in twins if one.total]


def _warning(twins: Twins, size: int) -> str:
    label = f", {twins.other_label} of them with another label" if twins.other_label else ""
    shown = ", ".join(f"{one!r} = {other!r}" for one, other in twins.pairs)
    counts = f"{twins.equal} equal and {twins.near} nearly equal pictures{label}; e.g. {shown}"
    if (twins.split, twins.twin_in) == ("forget", "retain"):
        return (
            f"{twins.total} of {size} examples to forget have a TWIN IN THE RETAIN SET ({counts}). They CANNOT BE FORGOTTEN: "
            "retrained models have learned their twins, and every number on the forget set counts them. Move the "
            "twins to the forget set, or take them out of the data."
        )
    seen = "what was trained on" if twins.twin_in in ("retain", "forget") else "what methods were given"
    return (
        f"{twins.total} of {size} {twins.split} examples have a twin in the {twins.twin_in} set ({counts}): on them the "
        f"{twins.split} set measures {seen}. Take them out of one of the two."
    )
