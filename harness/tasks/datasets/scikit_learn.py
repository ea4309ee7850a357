"""Real data sets that are part of scikit-learn: nothing is downloaded."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from harness.errors import DatasetMissingError
from harness.tasks.datasets.labelled import Cells, Faults, labelled, row_from_0
from harness.tasks.datasets.table import fit
from harness.tasks.examples import Examples

GREY_LEVELS = 16
"""Largest value of a pixel of the digits."""
_LOADERS = {"digits": "load_digits", "breast-cancer": "load_breast_cancer", "wine": "load_wine", "iris": "load_iris"}


def scikit_learn_examples(name: str) -> Examples:
    """Return the digits as pictures, uint8 of shape (n, 1, 8, 8), or a table with standardised columns, float32 (n, columns).

    Args:
        name: a key of the reference page: digits, breast-cancer, wine or iris.

    Raises:
        DatasetMissingError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DatasetMissingError(
            f"The dataset {name!r} is part of scikit-learn, which cannot be imported ({error}): "
            "pip install 'unlearning-harness[scikit-learn]'"
        ) from error
    found: Any = getattr(datasets, _LOADERS[name])()
    classes = tuple(str(text) for text in found.target_names)
    cells = Cells(label=[classes[number] for number in found.target], class_names=classes)
    faults = Faults(f"scikit-learn's {name}", row_from_0)
    if name == "digits":
        pixels = np.round(found.images * (255 / GREY_LEVELS)).astype(np.uint8)
        return labelled(pixels[:, None], cells, faults)
    values = np.asarray(found.data, dtype=np.float64)
    return labelled(values, cells, faults, normalise=False, fit=partial(fit, n_numeric=values.shape[1]))
