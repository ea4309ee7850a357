"""Choice of held-out and forgotten examples: pure functions of ids, labels and subjects.

Every random choice sorts the keys (example ids or subjects) by SHA-256 of purpose, seed and key, and takes the first. So it
depends only on the seed and the keys, not on the order of files, the platform or a library's random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetInvalidError
from harness.tasks.task import Split, TaskData, Undivided
from harness.tasks.yaml.wording import listed, near_match

Index = NDArray[np.int64]


def seeded_order(keys: NDArray[np.str_], *, seed: int, purpose: str) -> Index:
    """Return the positions of ``keys`` (unique), shape (n,), in a pseudo-random order that depends on seed and keys."""
    prefix = hashlib.sha256(f"{purpose}:{seed}:".encode())
    digests = []
    for key in keys.tolist():
        sha = prefix.copy()
        sha.update(key.encode())
        digests.append(sha.digest())
    return np.asarray(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def amount_of(amount: float, total: int, *, what: str) -> int:
    """Return ``amount`` as a count: an int is a count, a float a fraction of ``total``, rounded to the nearest.

    Raises:
        DatasetInvalidError: the count is 0 or above ``total``.
    """
    count = amount if isinstance(amount, int) else round(amount * total)
    if count > total:
        raise DatasetInvalidError(f"{what}: {count} were requested, but there are only {total}; reduce it")
    if count < 1:
        raise DatasetInvalidError(f"{what}: {amount} of {total} selects 0; increase it, or use a larger dataset")
    return count


def pick(keys: NDArray[np.str_], amount: float, *, seed: int, purpose: str) -> Index:
    """Return the positions of a seeded choice among ``keys``, ascending, shape (count,)."""
    count = amount_of(amount, len(keys), what=purpose)
    return np.sort(seeded_order(keys, seed=seed, purpose=purpose)[:count])


def subset(split: Split, amount: float | None, *, seed: int, purpose: str) -> Split:
    """Return a seeded choice of a split's examples in their original order; all of them if ``amount`` is None."""
    return split if amount is None else split.take(pick(split.ids, amount, seed=seed, purpose=purpose))


def hold_out(
    pool: Split, *, validation: float, test: float, by_subject: bool, seed: int, keep: NDArray[np.bool_] | None = None
) -> tuple[Index, Index, Index]:
    """Return the positions of (validation, test, rest) in ``pool``, each ascending; they partition the pool.

    Args:
        pool: examples to divide.
        validation: an int is a count, a float a fraction of the pool; of its subjects if ``by_subject``.
        test: likewise.
        by_subject: hold out whole subjects, so that no subject is in two parts.
        seed: seed of the choice.
        keep: mask, shape (n,), of examples that must stay in the rest, e.g. those that the task names as forget set.

    Raises:
        DatasetInvalidError: the data has no subjects, or too few examples can be held out.
    """
    subjects = _subjects(pool, "splits.by: subject") if by_subject else None
    units = pool.ids if subjects is None else subjects
    unit_names = np.unique(units)
    n_validation = amount_of(validation, len(unit_names), what="splits.validation")
    n_test = amount_of(test, len(unit_names), what="splits.test")
    free = unit_names if keep is None else np.setdiff1d(unit_names, units[keep])
    if n_validation + n_test > len(free):
        noun = "subjects" if by_subject else "examples"
        raise DatasetInvalidError(
            f"splits: validation ({n_validation}) and test ({n_test}) need {n_validation + n_test} {noun}, but only "
            f"{len(free)} may be held out; reduce them"
        )
    order = free[seeded_order(free, seed=seed, purpose="held out")]
    in_validation = np.isin(units, order[:n_validation])
    in_test = np.isin(units, order[n_validation : n_validation + n_test])
    rest = ~(in_validation | in_test)
    return np.flatnonzero(in_validation), np.flatnonzero(in_test), np.flatnonzero(rest)


def forget_random(train: Split, amount: float, *, seed: int) -> Index:
    """Return the positions of a uniformly random choice of examples; an int is a count, a float a fraction."""
    return pick(train.ids, amount, seed=seed, purpose="forget")


def forget_classes(
    train: Split, classes: Iterable[int], amount: float | None, *, seed: int, class_names: Sequence[str] = ()
) -> Index:
    """Return the positions of the examples of ``classes``: all, or a seeded choice of ``amount`` of them.

    Raises:
        DatasetInvalidError: a class has no example in the training set.
    """
    wanted = sorted(set(classes))
    for label in wanted:
        if not np.any(train.labels == label):
            name = class_names[label] if label < len(class_names) else str(label)
            raise DatasetInvalidError(f"forget.classes: class {name!r} has no example in the training set")
    members = np.flatnonzero(np.isin(train.labels, wanted))
    if amount is None:
        return members
    return members[pick(train.ids[members], amount, seed=seed, purpose="forget")]


def forget_subjects(train: Split, subjects: Sequence[str] | None, amount: float | None, *, seed: int) -> Index:
    """Return the positions of all examples of certain subjects: the named ones, or a seeded choice of ``amount``.

    Raises:
        DatasetInvalidError: the data has no subjects, or a named subject does not occur.
    """
    of_example = _subjects(train, "forget.by: subject")
    known = np.unique(of_example)
    if subjects is not None:
        missing = [name for name in subjects if name not in set(known.tolist())]
        if missing:
            raise DatasetInvalidError(
                f"forget.subjects: no training example shows {missing[0]!r}"
                f"{near_match(missing[0], known.tolist())}; {_sample(known)}"
            )
        return np.flatnonzero(np.isin(of_example, np.asarray(subjects, dtype=np.str_)))
    if amount is None:
        raise DatasetInvalidError("forget: by subject needs subjects, count or fraction")
    chosen = known[pick(known, amount, seed=seed, purpose="forget")]
    return np.flatnonzero(np.isin(of_example, chosen))


def forget_ids(train: Split, ids: Sequence[str]) -> Index:
    """Return the positions of the examples with these ids.

    Raises:
        DatasetInvalidError: an id is not in the training set.
    """
    position = {name: index for index, name in enumerate(train.ids.tolist())}
    missing = [name for name in ids if name not in position]
    if missing:
        raise DatasetInvalidError(
            f"forget.ids: {len(missing)} of {len(ids)} ids are not in the training set, the first is {missing[0]!r}; "
            f"{_sample(train.ids)}"
        )
    return np.unique(np.asarray([position[name] for name in ids], dtype=np.int64))


def part_forget(train: Split, forget: Index) -> tuple[Split, Split]:
    """Divide the training set and return (retain, forget).

    Raises:
        DatasetInvalidError: a part would be empty.
    """
    chosen = np.zeros(len(train), dtype=np.bool_)
    chosen[forget] = True
    if not chosen.any():
        raise DatasetInvalidError("forget: the forget set is empty; name or count at least one example to forget")
    if chosen.all():
        raise DatasetInvalidError("forget: the retain set is empty, since every training example is to be forgotten")
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))


def divided(whole: Undivided, forget: Index) -> TaskData:
    """Return data with the training examples at ``forget`` as forget set.

    Raises:
        DatasetInvalidError: the retain or the forget set would be empty, or altered copies cannot be made.
    """
    retain_part, forget_part = part_forget(whole.train, forget)
    return TaskData(
        retain=retain_part,
        forget=forget_part,
        validation=whole.validation,
        test=whole.test,
        class_names=whole.class_names,
        mean=whole.mean,
        std=whole.std,
        vocabulary=whole.vocabulary,
        never_trained=whole.never_trained,
        altered=None if whole.altered is None else whole.altered(retain_part),
    )


def with_label_noise(split: Split, fraction: float, *, n_classes: int, seed: int) -> Split:
    """Return the split with ``fraction`` of its labels (a seeded choice) changed to another class.

    A model can only memorise a wrong label, so label noise makes membership visible.
    """
    if fraction == 0:
        return split
    wrong = seeded_order(split.ids, seed=seed, purpose="label noise")[: round(fraction * len(split))]
    labels = split.labels.copy()
    shift = np.random.RandomState(seed % 2**32).randint(1, n_classes, size=len(wrong))
    labels[wrong] = (labels[wrong] + shift) % n_classes
    return replace(split, labels=labels)


def _subjects(split: Split, what: str) -> NDArray[np.str_]:
    if split.subjects is None:
        raise DatasetInvalidError(
            f"{what}: this data has no subjects; choose by another key, or add subjects: a column 'subject' of a "
            "CSV, or an array 'subjects'"
        )
    return split.subjects


def _sample(names: NDArray[np.str_]) -> str:
    shown = ", ".join(repr(name) for name in names[:3].tolist())
    return f"there are {len(names)}, e.g. {shown}"


def class_number(name: str | int, class_names: Sequence[str], *, what: str = "forget.classes") -> int:
    """Return the label of a class given by name or number; ``what`` is the task file's key, for messages.

    Raises:
        DatasetInvalidError: if the class does not exist, or the number is also the name of another class.
    """
    if isinstance(name, int) and str(name) in class_names and list(class_names).index(str(name)) != name:
        raise DatasetInvalidError(
            f"{what}: {name} is ambiguous: it is also the name of class number {list(class_names).index(str(name))}; "
            f"put it in quotes ('{name}') for the class of that name"
        )
    if isinstance(name, str) and name in class_names:
        return list(class_names).index(name)
    if isinstance(name, int) and name < len(class_names):
        return name
    guess = near_match(name, class_names) if isinstance(name, str) else ""
    raise DatasetInvalidError(
        f"{what}: no class {name!r}{guess}; allowed: {listed(class_names)}, or 0 to {len(class_names) - 1}"
    )
