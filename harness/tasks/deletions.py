"""Streams of requests: which request deletes each training example, and the data of one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.core.keys import shown
from harness.errors import DatasetInvalidError
from harness.tasks import forget_sections
from harness.tasks.splitting import Index
from harness.tasks.task import Request, Split, TaskData


def deletion_numbers(
    train: Split, rules: Sequence[forget_sections.Forget], choose: Callable[[Split, forget_sections.Forget], Index]
) -> Index:
    """Return the number of the request, from 1, that deletes each training example, shape (n,); 0 for those that stay.

    Each request chooses among the examples that the requests before it left, so that random choices are disjoint.

    Args:
        train: the training set.
        rules: a rule for each request, at least one.
        choose: returns the positions in a split that a rule chooses.

    Raises:
        DatasetInvalidError: a request deletes nothing, names an example that an earlier one deletes, or nothing would be left.
    """
    numbers = np.zeros(len(train), dtype=np.int64)
    for number, rule in enumerate(rules, start=1):
        left = np.flatnonzero(numbers == 0)
        if not len(left):
            raise DatasetInvalidError(f"deletions: request {number} has nothing to delete; remove it")
        if number > 1 and _named(rule):
            _check_new(train, numbers, number, choose(train, rule))
        try:
            chosen = left[choose(train.take(left) if number > 1 else train, rule)]
        except DatasetInvalidError as error:
            raise (error if len(rules) == 1 else DatasetInvalidError(f"deletions, request {number}: {error}")) from None
        if not len(chosen) and len(rules) > 1:
            raise DatasetInvalidError(f"deletions: request {number} deletes nothing; remove it")
        numbers[chosen] = number
    if len(rules) > 1 and numbers.all():
        raise DatasetInvalidError("deletions: the retain set is empty after the last request; delete less")
    return numbers


def rows_of(data: TaskData, request: Request | None) -> Index | slice:
    """Return which rows of the forget set a request deletes; all of them unless the task is a request of a stream."""
    if request is None or data.requests is None:
        return slice(None)
    return np.flatnonzero(data.requests == request.number)


def data_of(data: TaskData, request: Request | None) -> TaskData:
    """Return the data that the plugin gets at a request: the forget set is what this request alone deletes."""
    rows = rows_of(data, request)
    return data if isinstance(rows, slice) else replace(data, forget=data.forget.take(rows), requests=None)


def _named(rule: forget_sections.Forget) -> bool:
    """Return True if a rule names its examples or their subjects, so that they must be there."""
    return isinstance(rule, forget_sections.ForgetIds) or (
        isinstance(rule, forget_sections.ForgetSubject) and rule.subjects is not None
    )


def _check_new(train: Split, numbers: Index, number: int, chosen: Index) -> None:
    """Raise DatasetInvalidError if an example was deleted before."""
    again = chosen[numbers[chosen] > 0]
    if len(again):
        first = int(again[0])
        raise DatasetInvalidError(
            f"deletions: request {number} deletes {len(again)} examples that request {numbers[first]} has deleted, the first is "
            f"{shown(str(train.ids[first]))}; remove them from one of the two"
        )
