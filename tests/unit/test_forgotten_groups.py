"""Named examples come first, and what is left is shown by class and by subject."""

from __future__ import annotations

import numpy as np
import pytest

from harness.evaluation import Evidence
from harness.runs.forgotten_groups import MOST, Single, groups
from harness.runs.outputs import no_times
from tests.unit.report.examples import evaluator

LABELS = np.array([0, 0, 1, 1])
SUBJECTS = np.array(["ann", "bob", "ann", "bob"])


def data(subjects: np.ndarray | None = SUBJECTS, labels: np.ndarray = LABELS, **more: bool) -> Evidence:
    return Evidence(
        n_classes=2,
        ids={"forget": np.array([f"x{i}" for i in range(len(labels))])},
        labels={"forget": labels},
        logits={},
        unlearned_from=np.zeros(0, np.int64),
        timings=no_times(0),
        class_names=("cat", "dog"),
        subjects={} if subjects is None else {"forget": subjects},
        **more,
    )


def single() -> Single:
    record = evaluator(
        "forgetting",
        example_z=np.array([5.0, 0.1, -4.0, 0.2]),
        example_p=np.array([0.001, 0.9, 0.01, 0.8]),
        example_left=np.array([2.0, 0.0, -0.5, 0.5]),
        example_memory=np.array([2.0, 2.0, 1.0, 1.0]),
    )
    found = Single.of([record], 4)
    assert found is not None
    return found


def test_what_is_left_is_a_ratio_of_sums_over_the_group() -> None:
    found = {(one.kind, one.name): one for one in groups(data(), single())}

    assert found["class", "cat"].left == pytest.approx(0.5)
    assert found["class", "dog"].left == pytest.approx(0.0)
    assert found["subject", "ann"].left == pytest.approx(0.5)
    assert [one.examples for one in found.values()] == [2, 2, 2, 2]


def test_named_examples_are_counted_by_side_and_their_groups_come_first() -> None:
    found = groups(data(), single())

    assert [(one.name, one.remembered, one.over_forgotten) for one in found] == [
        ("cat", 1, 0),
        ("dog", 0, 1),
        ("ann", 1, 1),
        ("bob", 0, 0),
    ]


def test_data_without_subjects_has_classes_alone() -> None:
    assert {one.kind for one in groups(data(None), single())} == {"class"}


def test_where_only_phi_is_known_classes_are_not() -> None:
    assert {one.kind for one in groups(data(phi_only=True), single())} == {"subject"}


def test_a_group_without_memory_has_no_share() -> None:
    found = single()
    assert found.memory is not None
    nothing = Single(found.z, found.p, found.left, np.full(4, 0.01))

    assert {one.left for one in groups(data(), nothing)} == {None}


def test_no_more_groups_than_can_be_read() -> None:
    many = 3 * MOST
    subjects = np.array([f"s{i}" for i in range(many)])
    found = groups(data(subjects, np.zeros(many, np.int64)), Single(np.zeros(many), np.ones(many), None, None))

    assert [one.kind for one in found].count("subject") == MOST


@pytest.mark.parametrize("records", [[], [evaluator("forgetting")], [evaluator("forgetting", example_z=np.zeros(3))]])
def test_without_the_evaluators_arrays_there_is_nothing(records: list) -> None:
    assert Single.of(records, 4) is None
    assert groups(data(), None) == ()
