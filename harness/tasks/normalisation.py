"""Mean and standard deviation by which a task's inputs are normalised."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.rows import Inputs, chunks
from harness.errors import DatasetInvalidError
from harness.tasks import schema
from harness.tasks.task import TOKEN_DTYPES, Split

Constants = tuple[float, ...]


def statistics(train: Split, given: schema.Normalization | None) -> tuple[Constants, Constants]:
    """Return the mean and standard deviation of each index of an example's first dimension: channel or column.

    Both are computed from the training set (retain and forget) and used for every population, so that retrained models
    differ from originals only in their training examples. Bytes are scaled to [0, 1] before; their sums are exact
    (integers), so rounding does not depend on the order of examples. A constant channel gets the standard deviation 1.

    Raises:
        DatasetInvalidError: the constants given do not fit the inputs, or all inputs are equal.
    """
    inputs = train.inputs
    if str(inputs.dtype) in TOKEN_DTYPES:
        raise DatasetInvalidError(
            f"normalization: inputs of dtype {inputs.dtype} are token ids, which are not normalised; remove it, or store the "
            "inputs as float32"
        )
    channels = inputs.shape[1]
    if given is not None:
        if len(given.mean) != channels or len(given.std) != channels:
            raise DatasetInvalidError(
                f"normalization: an example has {channels} channels or columns; give as many means and stds"
            )
        return given.mean, given.std
    moments = list(_byte_moments(inputs) if inputs.dtype == np.uint8 else _moments(inputs))
    if not any(std for _, std in moments):
        raise DatasetInvalidError("all training inputs are constant: every value is the same; use inputs that differ")
    return tuple(mean for mean, _ in moments), tuple(std or 1.0 for _, std in moments)


def _byte_moments(inputs: Inputs) -> Iterable[tuple[float, float]]:
    """Return mean and standard deviation of bytes / 255, per index of the first dimension."""
    counts = np.zeros((inputs.shape[1], 256), dtype=np.int64)
    for chunk in chunks(inputs):
        counts += [np.bincount(chunk[:, channel].ravel(), minlength=256) for channel in range(len(counts))]
    byte = np.arange(256, dtype=np.int64)
    for count in counts:
        total, first, second = (int((count * byte**power).sum()) for power in (0, 1, 2))
        variance = (total * second - first * first) / (total * total)
        yield first / total / 255, float(np.sqrt(variance)) / 255


def _moments(inputs: Inputs) -> Iterable[tuple[float, float]]:
    """Return mean and standard deviation in float64, per index of the first dimension, in two passes."""
    size = len(inputs) * int(np.prod(inputs.shape[2:], dtype=np.int64))
    mean = _sums(inputs, lambda values: values) / size
    variance = _sums(inputs, lambda values: (values - mean[:, None]) ** 2) / size
    return zip(mean.tolist(), np.sqrt(variance).tolist(), strict=True)


def _sums(inputs: Inputs, of: Any) -> NDArray[np.float64]:
    """Return the sum of ``of(values)`` per index of the first dimension; values have the shape (n, C, m), float64."""
    total = np.zeros(inputs.shape[1])
    for chunk in chunks(inputs):
        total += of(chunk.astype(np.float64).reshape(len(chunk), inputs.shape[1], -1)).sum(axis=(0, 2))
    return total
