"""Examples that stand in two splits under two names: found exactly, or by a stated distance, for any data."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from harness.tasks.task import Split, TaskData
from harness.tasks.twins import NEAR, PAIRS, Twins, find_twins, forget_twins, twin_warnings
from harness.tasks.twins import _block_means as block_means

SIZES = {"retain": 40, "forget": 12, "validation": 10, "test": 15}


def made(side: tuple[int, int] = (32, 32), channels: int = 3) -> TaskData:
    """Smooth random pictures, all of them different."""
    rng = np.random.default_rng(0)
    splits = {}
    for name, size in SIZES.items():
        coarse = rng.integers(0, 256, (size, channels, 8, 8), dtype=np.uint8)
        times = -(-max(side) // 8)
        images = np.repeat(np.repeat(coarse, times, axis=2), times, axis=3)[:, :, : side[0], : side[1]]
        ids = np.asarray([f"{name}-{index}" for index in range(size)])
        splits[name] = Split(ids, images.copy(), np.zeros(size, np.int64))
    return TaskData(**splits, class_names=("a", "b"), mean=(0.5,) * channels, std=(0.2,) * channels)


def found(data: TaskData) -> dict[tuple[str, str], Twins]:
    return {(one.split, one.twin_in): one for one in find_twins(data)}


def test_different_pictures_have_no_twins() -> None:
    assert [(one.split, one.twin_in, one.total, one.pairs) for one in find_twins(made())] == [
        (*pair, 0, {}) for pair in PAIRS
    ]


@pytest.mark.parametrize("pair", PAIRS)
def test_an_equal_picture_is_found_in_every_pair_of_splits(pair: tuple[str, str]) -> None:
    data = made(side=(5, 7), channels=1)
    here, there = (data.split(name) for name in pair)
    here.images[3] = there.images[7]
    here.labels[3] = 1
    here.images[6] = there.images[2]

    twins = found(data)

    assert twins[pair] == Twins(*pair, 2, 0, 1, {f"{pair[0]}-3": f"{pair[1]}-7", f"{pair[0]}-6": f"{pair[1]}-2"})
    assert sum(one.total for one in twins.values()) == 2


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_equal_vectors_are_found_and_near_ones_are_no_twins(dtype: type) -> None:
    rng = np.random.default_rng(0)
    splits = {
        name: Split(
            np.asarray([f"{name}-{index}" for index in range(size)]),
            (rng.integers(0, 2, (size, 40)) if dtype is np.bool_ else 100 * rng.standard_normal((size, 40))).astype(
                dtype
            ),
            np.zeros(size, np.int64),
        )
        for name, size in SIZES.items()
    }
    data = TaskData(**splits, class_names=("a", "b"))
    data.forget.inputs[3] = data.retain.inputs[7]
    data.forget.inputs[4] = data.retain.inputs[8]
    data.forget.inputs[4, :1] = ~data.forget.inputs[4, :1] if dtype is np.bool_ else data.forget.inputs[4, :1] + 1

    assert [(one.split, one.twin_in, one.pairs) for one in find_twins(data) if one.total] == [
        ("forget", "retain", {"forget-3": "retain-7"})
    ]


def test_a_copy_that_was_compressed_again_is_nearly_equal() -> None:
    data = made()
    stream = io.BytesIO()
    Image.fromarray(data.retain.images[11].transpose(1, 2, 0)).save(stream, "JPEG", quality=90, subsampling=0)
    data.forget.images[5] = np.asarray(Image.open(stream)).transpose(2, 0, 1)

    twins = found(data)["forget", "retain"]

    assert (twins.equal, twins.near, twins.pairs) == (0, 1, {"forget-5": "retain-11"})


def standard_deviation(data: TaskData) -> float:
    images = np.concatenate([data.split(name).images.reshape(len(data.split(name)), -1) for name in SIZES])
    return float(np.sqrt(((images - images.mean(axis=0)) ** 2).sum(axis=1).mean()))


@pytest.mark.parametrize(("share", "expected"), [(0.9, 1), (1.1, 0)])
def test_nearly_equal_is_a_distance_below_a_tenth_of_the_deviation(share: float, expected: int) -> None:
    data = made()
    source = data.retain.images[4].astype(np.int64)
    step = np.where(source < 128, 1, -1)
    each = share * NEAR * standard_deviation(data) / np.sqrt(source.size)
    data.test.images[2] = source + step * round(each)

    assert abs(round(each) / each - 1) < 0.09  # rounding moves it to neither side of the border
    assert found(data)["test", "retain"].near == expected


def test_every_example_with_the_same_picture_is_counted() -> None:
    data = made()
    data.forget.images[[1, 4, 8]] = data.retain.images[0]

    assert found(data)["forget", "retain"].equal == 3


def test_pictures_that_are_all_the_same_are_equal_and_not_nearly_so() -> None:
    data = made()
    same = {name: replace(data.split(name), inputs=np.full_like(data.split(name).images, 9)) for name in SIZES}

    twins = found(replace(data, **same))

    assert [(one.equal, one.near) for one in twins.values()] == [(SIZES[name], 0) for name, _ in PAIRS]


def test_block_means_never_lie_further_apart_than_pictures() -> None:
    rng = np.random.default_rng(1)
    for shape in ((3, 32, 32), (1, 28, 28), (2, 5, 7), (1, 1, 3)):
        images: NDArray[np.uint8] = rng.integers(0, 256, (30, *shape), dtype=np.uint8)
        means = block_means(images).astype(np.float64)
        for one, other in ((0, 1), (2, 9), (5, 28)):
            pictures = np.sqrt(((images[one].astype(float) - images[other]) ** 2).sum())
            assert np.sqrt(((means[one] - means[other]) ** 2).sum()) <= pictures + 1e-3


def test_the_loudest_warning_comes_first() -> None:
    data = made()
    data.test.images[0] = data.retain.images[0]
    data.forget.images[0] = data.retain.images[1]
    data.forget.labels[0] = 1

    first, second = twin_warnings(find_twins(data), data.sizes())

    assert first.startswith("1 of 12 examples to forget have a TWIN IN THE RETAIN SET (1 equal and 0 nearly equal")
    assert "1 of them with another label" in first
    assert "'forget-0' = 'retain-1'" in first
    assert second.startswith("1 of 15 test examples have a twin in the retain set")


@pytest.mark.parametrize("other", ["retain", "validation", "test"])
def test_which_forget_examples_have_a_twin_is_known_for_every_other_split(other: str) -> None:
    data = made()
    data.forget.images[3] = data.split(other).images[7]
    data.forget.images[6] = np.clip(data.split(other).images[2].astype(int) + 1, 0, 255).astype(np.uint8)

    masks = forget_twins(data)

    assert list(masks) == [other]
    assert np.flatnonzero(masks[other]).tolist() == [3, 6]
    assert forget_twins(made()) == {}
