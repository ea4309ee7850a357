"""Requests to forget data that was never trained on: validation examples, or altered copies of retained examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.core.rows import chunks
from harness.errors import DatasetInvalidError
from harness.tasks.splitting import Index, pick, seeded_order
from harness.tasks.task import Split, TaskData

PURPOSE = "never_trained"


def held_out(validation: Split, amount: float, *, seed: int) -> Index:
    """Return the positions of a seeded choice of validation examples.

    Raises:
        DatasetInvalidError: no validation example would be left.
    """
    chosen = pick(validation.ids, amount, seed=seed, purpose=PURPOSE)
    if len(chosen) == len(validation):
        raise DatasetInvalidError(
            f"never_trained: {len(chosen)} of {len(validation)} validation examples leave none for validation; reduce it, or "
            "increase splits.validation"
        )
    return chosen


def altered_copies(retain: Split, amount: float, noise: float, *, seed: int) -> Split:
    """Return copies, with Gaussian noise, of a seeded choice of retained examples; they keep their labels.

    Args:
        retain: the retain set.
        amount: number of copies (an int) or fraction of the retain set (a float).
        noise: standard deviation of the noise, in standard deviations of the inputs: of all values of pictures, of each column
            of other inputs. Bytes are rounded and clipped.
        seed: of the choice and of the noise.

    Raises:
        DatasetInvalidError: inputs are token ids, or a copy would equal its example.
    """
    kind = np.dtype(retain.inputs.dtype)
    if kind.kind not in "uf" or kind.itemsize > 8 or (kind.kind == "u" and kind != np.uint8):
        raise DatasetInvalidError(
            f"never_trained.noise: inputs of type {kind} cannot be altered by noise; leave it out, for validation examples"
        )
    chosen = retain.take(pick(retain.ids, amount, seed=seed, purpose=PURPOSE))
    before = np.asarray(chosen.inputs[:]).astype(np.float64)
    # NumPy may change Generator's streams between versions but never RandomState's.
    drawn = np.random.RandomState(seed % 2**32).standard_normal(before.shape)
    after = before + noise * _spread(retain) * drawn
    after = np.clip(np.rint(after), 0, 255).astype(kind) if kind == np.uint8 else after.astype(kind)
    axes = tuple(range(1, before.ndim))
    if (unaltered := int((after == before).all(axis=axes).sum())) > 0:
        raise DatasetInvalidError(
            f"never_trained.noise: {noise:g} leaves {unaltered} of {len(before)} copies as they were; increase it"
        )
    ids = np.array([f"{name} altered" for name in chosen.ids.tolist()])
    return Split(ids, after, chosen.labels)


def _spread(split: Split) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the standard deviation of the inputs: of all values of pictures, shape (), or of each column, shape (d,)."""
    axes = None if len(split.inputs.shape) > 2 else 0
    count, total, squares = 0, np.zeros(()), np.zeros(())
    for chunk in chunks(split.inputs):
        values = np.asarray(chunk, dtype=np.float64)
        count += values.size if axes is None else len(values)
        total = total + values.sum(axis=axes)
        squares = squares + (values**2).sum(axis=axes)
    return np.asarray(np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0)))


def handed_over(data: TaskData) -> TaskData:
    """Return the data that methods get: examples that were never trained on are in the forget set, at random places in it."""
    if data.altered is not None:
        extra, rest = data.altered, data.validation
    elif data.never_trained is not None:
        extra = data.validation.take(data.never_trained)
        rest = data.validation.take(np.setdiff1d(np.arange(len(data.validation)), data.never_trained))
    else:
        return data
    ids = np.concatenate([data.forget.ids, extra.ids])
    order = seeded_order(ids, seed=0, purpose="handed over")
    inputs = np.concatenate([np.asarray(data.forget.inputs[:]), np.asarray(extra.inputs[:])])[order]
    labels = np.concatenate([data.forget.labels, extra.labels])[order]
    forget = Split(ids[order], inputs, labels)
    return replace(data, forget=forget, validation=rest, never_trained=None, altered=None)
