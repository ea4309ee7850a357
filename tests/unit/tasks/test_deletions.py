"""Streams of requests in a task file: which request deletes what, and the data of a prefix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import DatasetInvalidError, TaskInvalidError
from harness.tasks.deletions import data_of, rows_of
from harness.tasks.loading import request_task, task_from_text
from harness.tasks.task import Request, Task

SMALL = "extends: faces\nname: small\ndataset: {persons: 30, pictures: 4}\n"
THREE = "[{by: subject, count: 3, seed: 1}, {by: random, count: 5}, {by: random, fraction: 0.1, seed: 4}]"


def _task(deletions: str) -> Task:
    return task_from_text(f"{SMALL}deletions: {deletions}\n", "here", Path())


def test_requests_are_disjoint_and_their_union_is_gone_after_the_last() -> None:
    task = _task(THREE)
    whole = task.load()

    assert task.deletions == 3
    assert whole.requests is not None
    assert np.bincount(whole.requests).tolist() == [0, 12, 5, round(0.1 * (len(whole.retain) + len(whole.forget) - 17))]
    assert not set(whole.retain.ids) & set(whole.forget.ids)


def test_random_requests_of_one_seed_choose_other_examples() -> None:
    data = _task("[{by: random, count: 5, seed: 1}, {by: random, count: 5, seed: 1}]").load()

    assert len(set(data.forget.ids)) == 10


def test_a_prefix_is_the_ordinary_task_that_forgets_the_union() -> None:
    prefix = request_task(_task(THREE), Request(2, 3)).load()
    ids = ", ".join(prefix.forget.ids.tolist())
    ordinary = task_from_text(f"{SMALL}forget: {{by: ids, ids: [{ids}]}}\n", "here", Path()).load()

    assert prefix.requests is not None
    assert set(prefix.requests) == {1, 2}
    assert prefix.digest() == ordinary.digest()


def test_a_request_has_its_own_examples_to_forget_and_those_that_are_left_to_retain() -> None:
    task = _task(THREE)
    first, second = (request_task(task, Request(number, 3)) for number in (1, 2))
    data = data_of(second.load(), second.request)

    assert len(data.forget) == 5
    assert data.requests is None
    assert set(data.forget.ids) <= set(first.load().retain.ids)
    assert set(data.retain.ids) | set(data.forget.ids) == set(first.load().retain.ids)
    assert rows_of(task.load(), None) == slice(None)


def test_a_stream_replaces_the_forget_set_of_the_task_that_it_extends_and_the_other_way_round() -> None:
    task = task_from_text("extends: faces-stream\nname: one\nforget: {by: random, count: 3}\n", "here", Path())

    assert task.deletions == 0
    assert "deletions" not in task.definition
    assert "forget" not in _task(THREE).definition


@pytest.mark.parametrize(
    ("deletions", "why"),
    [
        ("[]", "list of at least 2"),
        ("[{by: random, count: 3}]", "list of at least 2"),
        (f"[{', '.join(['{by: random, count: 1}'] * 21)}]", "list of at most 20"),
        ("[{by: random, count: 3}, {by: random, count: 0}]", r"deletions\[1\].count: found 0"),
        (
            "[{by: random, cuont: 3}, {by: random, count: 3}]",
            r"deletions\[0\].cuont: unknown key; did you mean 'count'",
        ),
        ("[{by: random, count: 3}, {}]", r"deletions\[1\].by: this key is missing; allowed: random"),
        (
            "[{by: randon, count: 3}, {by: random, count: 3}]",
            r"deletions\[0\].by: found 'randon'; did you mean 'random'",
        ),
        ("[{by: corrupted}, {by: random, count: 3}]", "cannot be by: corrupted"),
        (THREE + "\nforget: {by: random, count: 3}", "either forget"),
        (THREE + "\njournal: true", "cannot be combined with journal or sisa"),
        (THREE + "\ncorrupt: {how: random, count: 4}", "corrupt requires forget"),
    ],
)
def test_a_file_with_other_requests_is_refused(deletions: str, why: str) -> None:
    with pytest.raises(TaskInvalidError, match=why):
        _task(deletions)


@pytest.mark.parametrize(
    ("deletions", "why"),
    [
        (
            "[{by: subject, subjects: [ONE]}, {by: subject, subjects: [TWO, ONE]}]",
            "request 2 deletes 4 examples that request 1 has",
        ),
        (
            "[{by: ids, ids: [ONE-0]}, {by: random, count: 2}, {by: ids, ids: [ONE-0]}]",
            "request 3 deletes 1 examples that",
        ),
        (
            "[{by: subject, subjects: [ONE]}, {by: ids, ids: [ONE-1]}]",
            "request 2 deletes 1 examples that request 1 has",
        ),
        ("[{by: random, fraction: 0.9}, {by: random, fraction: 1.0}]", "retain set is empty after the last request"),
        ("[{by: random, count: 60}, {by: random, count: 60}]", "deletions, request 2: forget: 60 were requested, but"),
        ("[{by: random, fraction: 1.0}, {by: random, count: 1}]", "request 2 has nothing to delete"),
        ("[{by: class, classes: [3]}, {by: class, classes: [3]}]", "deletions, request 2: forget.classes: class"),
        ("[{by: subject, subjects: [ONE]}, {by: subject, subjects: [nobody]}]", "no training example shows 'nobody'"),
    ],
)
def test_requests_that_the_data_cannot_answer_are_refused(deletions: str, why: str) -> None:
    left = _task(THREE).load().retain
    assert left.subjects is not None
    one, two = np.unique(left.subjects)[:2]
    first, second = left.ids[left.subjects == one][:2]
    deletions = deletions.replace("ONE-0", str(first)).replace("ONE-1", str(second))

    with pytest.raises(DatasetInvalidError, match=why):
        _task(deletions.replace("ONE", str(one)).replace("TWO", str(two))).load()
