"""Tables: numeric columns are standardised and categorical ones one-hot encoded, by statistics of the training set alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import ordered, shown
from harness.core.rows import Inputs
from harness.errors import DatasetInvalidError
from harness.tasks.datasets.columns import (
    KeyColumns,
    Numbers,
    Source,
    cells_of,
    doubtful,
    number_of,
    numbers,
    read_columns,
    require,
)
from harness.tasks.datasets.labelled import labelled
from harness.tasks.examples import Encoding, Examples

MOST_CATEGORIES = 100
"""Distinct values of a column that becomes categorical without being listed in ``categorical``."""


def table_examples(
    path: Path,
    keys: KeyColumns,
    *,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    ignore: Sequence[str] = (),
    missing: Sequence[str] = (),
) -> Examples:
    """Return the rows of a CSV or Parquet file, to be encoded once the training set is known.

    Columns in no argument are numeric if all values present are numbers (Parquet: if it stores numbers), else categorical.

    Args:
        path: the file.
        keys: the columns that are no features.
        numeric: columns of numbers.
        categorical: columns of categories.
        ignore: columns to leave out.
        missing: texts that, like the empty one, stand for a missing value.

    Raises:
        DatasetMissingError, DatasetInvalidError: see :func:`~harness.tasks.datasets.columns.read_columns`; a column does not
            exist or has two roles, or a cell is invalid. The message names line and column.
    """
    source = read_columns(path)
    roles = {"numeric": numeric, "categorical": categorical, "ignore": ignore}
    for what, names in roles.items():
        for name in names:
            require(source, name, f"dataset.{what}")
    named = [name for names in roles.values() for name in names]
    # A column 'id' that is listed as a feature is none of the keys' defaults.
    columns = {
        what: name for what, name in keys.found(source).items() if name not in named or getattr(keys, what) is not None
    }
    _refuse_two_roles([*named, *columns.values()])
    absent = frozenset(("", *missing))
    rest = [name for name in source.names if name not in named and name not in columns.values()]
    as_numbers = {name: _all_numbers(source, name, absent) for name in rest}
    measured = [name for name in source.names if name in numeric or as_numbers.get(name)]
    grouped = [name for name in source.names if name in categorical or as_numbers.get(name) is False]
    if not measured and not grouped:
        raise DatasetInvalidError(f"{path}: no column is left as a feature besides {', '.join(columns.values())}")
    source.faults.refuse()
    parts = [numbers(source, name, absent) for name in measured]
    parts += [_codes(source, name, absent, listed=name in categorical) for name in grouped]
    cells = cells_of(source, columns)
    for row, text in enumerate(cells.label):
        if text in missing:
            source.faults.add(
                row, f"the label {shown(text)} is a missing value (dataset.missing); remove the row, or give its class"
            )
    encode = partial(fit, n_numeric=len(measured))
    return labelled(np.stack(parts, axis=1), cells, source.faults, normalise=False, fit=encode)


def _refuse_two_roles(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DatasetInvalidError(f"dataset: the column {name!r} is named twice; give each column one role")


def _all_numbers(source: Source, name: str, absent: frozenset[str]) -> bool:
    known = source.numeric(name)
    if known is not None:
        return known
    texts = source.texts(name)
    if all(text in absent or number_of(text) is not None for text in texts):
        return True
    if (row := doubtful(texts, absent)) is not None:
        source.faults.add(
            row,
            f"column {name!r}: {shown(texts[row])} is neither a number, as 1234.5 is, nor surely a category: rewrite it (a date "
            "as a number of days), list such texts in dataset.missing, or the column in dataset.categorical or dataset.ignore",
        )
    return False


def _codes(source: Source, name: str, absent: frozenset[str], *, listed: bool) -> Numbers:
    """Return the position of each category among the ordered ones; all missing values are one category."""
    texts = ["" if text in absent else text for text in source.texts(name)]
    found = ordered(texts)
    if len(found) > MOST_CATEGORIES and not listed:
        row = next(row for row, text in enumerate(texts) if text and number_of(text) is None) if any(texts) else 0
        source.faults.add(
            row,
            f"column {name!r} has {len(found)} distinct values and is not numeric, since {shown(texts[row])} is no number; list "
            "it in dataset.numeric (and such texts in dataset.missing), dataset.categorical or dataset.ignore",
        )
    code = {text: float(index) for index, text in enumerate(found)}
    return np.asarray([code[text] for text in texts])


def fit(train: Inputs, *, n_numeric: int) -> Encoding:
    """Return the encoding of rows, shape (n, columns) with the numeric columns first, fitted to those of the training set.

    The result is float32 of shape (n, features): the numbers minus mean, divided by standard deviation (1 if that is 0), a
    missing one being 0; a column of 0 and 1 for each numeric column with missing values in the training set; and a column of 0
    and 1 for each category in the training set.
    """
    values = np.asarray(train[:])
    numeric = values[:, :n_numeric]
    known = ~np.isnan(numeric)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, numeric, 0).sum(axis=0) / count
    std = np.sqrt((np.where(known, numeric - mean, 0) ** 2).sum(axis=0) / count)
    gaps = np.flatnonzero(~known.all(axis=0))
    categories = [np.unique(column) for column in values[:, n_numeric:].T]
    return Encoding(partial(_encoded, mean=mean, std=np.where(std > 0, std, 1.0), gaps=gaps, categories=categories))


def _encoded(
    rows: Inputs, *, mean: Numbers, std: Numbers, gaps: NDArray[np.int64], categories: Sequence[Numbers]
) -> NDArray[np.float32]:
    values = np.asarray(rows[:])
    numeric = values[:, : len(mean)]
    absent = np.isnan(numeric)
    parts = [np.where(absent, 0.0, (numeric - mean) / std), absent[:, gaps]]
    parts += [column[:, None] == found for column, found in zip(values[:, len(mean) :].T, categories, strict=True)]
    return np.concatenate(parts, axis=1, dtype=np.float32)
