from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.evaluation import SPLITS, Evidence, Timings, phi
from harness.report.examples import ExamplesRecord
from harness.runs.pictures import drawable, png_base64
from harness.runs.worst_examples import Pictures, chosen, examples_record, ks_distances
from harness.tasks.task import Split, Task, TaskData
from reference_models.networks.recipe import ArchitectureSpec, Recipe

FORGET, CLASSES = 60, 3


def split(count: int, side: int = 8) -> Split:
    rng = np.random.default_rng(count)
    return Split(
        ids=np.array([f"x{index}" for index in range(count)]),
        images=rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8),
        labels=rng.integers(0, CLASSES, count),
    )


def data(side: int = 8) -> TaskData:
    parts = {name: split(FORGET if name == "forget" else 5, side) for name in SPLITS}
    return TaskData(**parts, class_names=("a", "b", "c"), mean=(0.5,) * 3, std=(0.2,) * 3)


def task(kind: str = "faces") -> Task:
    return Task("t", "", data, ArchitectureSpec("mlp"), Recipe(), definition={"dataset": {"kind": kind}})


def evidence(found: TaskData, unlearned: int = 6) -> Evidence:
    """Models whose unlearned ones are the farther off, the higher the example's number."""
    rng = np.random.default_rng(1)
    sizes = {"original": 6, "retrained": 7, "control": 5, "unlearned": unlearned}
    logits = {
        name: {part: rng.normal(size=(size, len(found.split(part)), CLASSES)).astype(np.float32) for part in SPLITS}
        for name, size in sizes.items()
    }
    rows = np.arange(FORGET)
    logits["unlearned"]["forget"][:, rows, found.forget.labels] += rows / 4
    return Evidence(
        n_classes=CLASSES,
        ids={name: found.split(name).ids for name in SPLITS},
        labels={name: found.split(name).labels for name in SPLITS},
        logits=logits,
        unlearned_from=np.arange(unlearned),
        timings=Timings(np.ones(unlearned), np.ones(1), None, np.ones(unlearned), np.ones(unlearned)),
    )


def record(**changes: object) -> ExamplesRecord:
    found = data()
    made = examples_record(replace(evidence(found), **changes), (), Pictures.of(task(), found))  # type: ignore[arg-type]
    assert made is not None
    return made


def test_the_worst_come_first_then_some_about_the_median_and_the_best() -> None:
    made = record()

    assert [one.rank for one in made.shown] == [*range(1, 25), *range(29, 33), *range(57, 61)]
    distances = [one.distance.unlearned for one in made.shown]
    assert distances == sorted(distances, reverse=True)
    assert int(made.shown[0].id[1:]) > 40 > 20 > int(made.shown[-1].id[1:])
    assert made.of == FORGET


@pytest.mark.parametrize("count", [1, 3, 25, 33, 1000])
def test_no_example_is_chosen_twice_and_few_are_shown_whole(count: int) -> None:
    places = chosen(count)

    assert len(places) == min(count, len(set(places))) == len(set(places))
    assert places == sorted(places)
    assert len(places) >= min(count, 24)
    assert set(places) <= set(range(count))


def test_an_examples_numbers_are_the_models_own() -> None:
    made, found = record(), data()
    logits = evidence(found).logits
    one = made.shown[0]
    index = int(one.id[1:])

    for name in ("unlearned", "retrained", "original"):
        expected = phi(logits[name]["forget"], found.forget.labels)[:, index]
        assert getattr(one.phi, name) == pytest.approx(expected, rel=1e-3)
    assert one.label == found.forget.labels[index]
    assert one.distance.unlearned == pytest.approx(
        stats.ks_2samp(one.phi.unlearned, one.phi.retrained).statistic, abs=1e-4
    )


def test_of_an_original_that_was_unlearned_repeatedly_the_first_counts_and_of_one_original_all() -> None:
    repeated = np.array([0, 1, 2, 0, 1, 2])

    assert len(record(unlearned_from=repeated).shown[0].phi.unlearned) == 3
    assert len(record(unlearned_from=repeated, design="one-original").shown[0].phi.unlearned) == 6


def test_without_unlearned_models_there_is_no_record() -> None:
    found = data()

    assert examples_record(evidence(found, unlearned=0)) is None


def test_a_users_own_pictures_are_in_no_report() -> None:
    found = data()
    made = examples_record(evidence(found), (), Pictures.of(task("image-folder"), found))

    assert made is not None
    assert made.pictures == "private"
    assert {one.picture for one in made.shown} == {None}


def test_large_pictures_are_left_out() -> None:
    found = data(side=65)
    made = examples_record(evidence(found), (), Pictures.of(task(), found))

    assert made is not None
    assert made.pictures == "size"
    assert {one.picture for one in made.shown} == {None}


def test_the_record_is_small_with_many_models() -> None:
    found = data()
    few, many = record(), examples_record(evidence(found, unlearned=500), (), Pictures.of(task(), found))

    assert many is not None
    assert len(many.shown[0].phi.unlearned) == 64
    assert len(few.model_dump_json()) < 40_000


@pytest.mark.parametrize("sizes", [(1, 1), (5, 8), (16, 16)])
def test_distances_are_scipys_with_ties_as_without(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for left, right in (
        (rng.normal(size=(sizes[0], 20)), rng.normal(size=(sizes[1], 20))),
        (rng.integers(0, 3, (sizes[0], 20)).astype(float), rng.integers(0, 3, (sizes[1], 20)).astype(float)),
    ):
        expected = [stats.ks_2samp(left[:, i], right[:, i]).statistic for i in range(20)]
        assert ks_distances(left, right) == pytest.approx(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_a_png_of_its_very_pixels(channels: int) -> None:
    image_module = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(2).integers(0, 256, (channels, 9, 14), dtype=np.uint8)

    read = np.asarray(image_module.open(io.BytesIO(base64.b64decode(png_base64(image)))))

    assert (read.reshape(9, 14, channels) == image.transpose(1, 2, 0)).all()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 28, 28), True),
        ((3, 64, 64), True),
        ((3, 65, 64), False),
        ((2, 8, 8), False),
        ((8, 8), False),
        ((3, 0, 8), False),
    ],
)
def test_only_small_grey_or_colour_pictures_are_drawn(shape: tuple[int, ...], expected: bool) -> None:
    assert drawable(shape) is expected
