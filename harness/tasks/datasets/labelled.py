"""Classes, ids, subjects and splits of the examples of any file, checked row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import KeyTextError, key, look_alike, ordered, shown
from harness.core.rows import Inputs
from harness.errors import DatasetInvalidError
from harness.tasks.examples import Examples
from harness.tasks.task import Split
from harness.tasks.yaml.wording import listed, near_match, with_faults

PARTS = ("train", "test")
"""What a row can belong to: the training set, or the official test set."""
MOST_SPARSE_CLASSES = 20
"""Classes of which the average one may have fewer than two training examples."""


class Faults:
    """The faults of a file's rows, sorted by row.

    Args:
        file: the file or folder, for the message.
        place: returns the name of a row's place, e.g. "line 7", given its index.
    """

    def __init__(self, file: object, place: Callable[[int], str]) -> None:
        self.file = file
        self.place = place
        self._found: list[tuple[int, str]] = []

    def add(self, row: int, text: str) -> None:
        """Record a fault of a row."""
        self._found.append((row, text))

    def refuse(self) -> None:
        """Raise DatasetInvalidError with all faults, if there are any."""
        if self._found:
            faults = [f"{self.place(row)}: {text}" for row, text in sorted(self._found)]
            raise DatasetInvalidError(with_faults(str(self.file), faults))


def row_from_0(row: int) -> str:
    """Return the place of a row in a file without lines."""
    return f"row {row} (counted from 0)"


@dataclass(frozen=True)
class Cells:
    """What a file says of each example besides its inputs, as text, one entry per row.

    Attributes:
        label: the class.
        id: None for ids made of the row's number: ``00000``, ``00001``, ….
        subject: the person or object that the example belongs to; None if the file has none.
        split: one of :data:`PARTS`, or empty for the training set; None if all rows belong to it.
        class_names: all classes in the order of their numbers; None for those of the labels, ordered.
    """

    label: Sequence[str]
    id: Sequence[str] | None = None
    subject: Sequence[str] | None = None
    split: Sequence[str] | None = None
    class_names: tuple[str, ...] | None = None


def labelled(inputs: Inputs, cells: Cells, faults: Faults, **options: Any) -> Examples:
    """Return the examples of a file.

    Args:
        inputs: shape (n, ...).
        cells: n entries each.
        faults: those found before; others are added.
        options: further fields of :class:`~harness.tasks.examples.Examples`.

    Raises:
        DatasetInvalidError: a row is invalid, there are no training examples or fewer than two classes among them.
    """
    labels = _keys(cells.label, "label", faults)
    ids = np.asarray([f"{row:05d}" for row in range(len(labels))]) if cells.id is None else _ids(cells.id, faults)
    subjects = None if cells.subject is None else _keys(cells.subject, "subject", faults)
    train = _trained_on(cells.split, len(labels), faults)
    if not train.any():
        faults.refuse()
        raise DatasetInvalidError(
            f"{faults.file}: no row belongs to the training set; leave 'split' empty or set it to 'train'"
        )
    names = ordered(labels[train].tolist()) if cells.class_names is None else cells.class_names
    rule = (
        "a test example's label must occur in the training set, which has"
        if cells.class_names is None
        else "class_names has"
    )
    numbers = _numbers(labels, names, rule, faults)
    faults.refuse()
    if cells.class_names is None and len(names) > max(MOST_SPARSE_CLASSES, np.count_nonzero(train) // 2):
        raise DatasetInvalidError(
            f"{faults.file}: {len(names)} different labels in {np.count_nonzero(train)} training examples, e.g. "
            f"{listed(map(shown, names[:3]))}: name the column of a class, or turn numbers into few classes. Arrays may have "
            "class_names"
        )
    if len(found := set(labels[train].tolist())) == 1:
        raise DatasetInvalidError(f"{faults.file}: all labels are {found.pop()!r}; at least two classes are needed")
    every = Split(ids, inputs, numbers, subjects)
    if train.all():
        return Examples(train=every, test=None, class_names=names, **options)
    parts = [every.take(np.flatnonzero(chosen)) for chosen in (train, ~train)]
    return Examples(train=parts[0], test=parts[1], class_names=names, **options)


def _keys(cells: Sequence[str], what: str, faults: Faults) -> NDArray[np.str_]:
    """Return the cells as keys; add a fault for each text that is none, or can be confused with another."""
    count = Counter(cells)
    first: dict[str, int] = {}
    for row, text in enumerate(cells):
        first.setdefault(text, row)
    normal = {}
    for text, row in first.items():
        try:
            normal[text] = key(text)
        except KeyTextError as error:
            normal[text] = ""
            more = f"; and in {count[text] - 1} more rows" if count[text] > 1 else ""
            faults.add(row, f"the {what} {error}{more}")
    places: dict[str, int] = {}
    for text, row in first.items():
        places.setdefault(normal[text], row)
    for text, earlier in look_alike(filter(None, places)).items():
        faults.add(
            places[text],
            f"the {what} {text!a} can be confused with {earlier!a} on {faults.place(places[earlier])}; "
            "write both in the same way",
        )
    return np.asarray([normal[text] for text in cells], dtype=np.str_)


def _ids(cells: Sequence[str], faults: Faults) -> NDArray[np.str_]:
    first: dict[str, int] = {}
    found = []
    for row, text in enumerate(cells):
        try:
            found.append(key(text))
        except KeyTextError as error:
            found.append("")
            faults.add(row, f"the id {error}")
            continue
        if (earlier := first.setdefault(found[-1], row)) != row:
            faults.add(row, _twice(text, cells[earlier], faults.place(earlier)))
    return np.asarray(found, dtype=np.str_)


def _twice(text: str, earlier: str, place: str) -> str:
    if text == earlier:
        return f"the id {shown(text)} occurs twice; the first is on {place}"
    return f"the id {text!a} is {earlier!a} on {place} in another Unicode form; rename one of the two"


def _trained_on(cells: Sequence[str] | None, count: int, faults: Faults) -> NDArray[np.bool_]:
    if cells is None:
        return np.ones(count, dtype=np.bool_)
    for row, text in enumerate(cells):
        if text not in ("", *PARTS):
            faults.add(row, f"found split {shown(text)}; allowed: {listed(PARTS)}, or empty")
    return np.asarray([text != "test" for text in cells], dtype=np.bool_)


def _numbers(labels: NDArray[np.str_], names: tuple[str, ...], rule: str, faults: Faults) -> NDArray[np.int64]:
    """Return the number of each label; add a fault for each label that is not among ``names``."""
    number = {name: index for index, name in enumerate(names)}
    for label, row in zip(*np.unique(labels, return_index=True), strict=True):
        if label not in number and label:
            faults.add(
                int(row),
                f"unknown label {shown(str(label))}{near_match(str(label), names)}; {rule} {listed(names[:10])}",
            )
    return np.asarray([number.get(label, 0) for label in labels.tolist()], dtype=np.int64)
