"""Who is held out and who is forgotten: pure functions of ids, labels and subjects.

Every random choice ranks keys (example ids or subjects) by SHA-256 of purpose, seed and key, and takes the first. So a
choice depends on nothing but the seed and the keys themselves: not on the order of files, the platform or a library's
random generator.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetInvalidError
from harness.tasks.model import Split
from harness.tasks.wording import listed, near_match

Index = NDArray[np.int64]


def seeded_order(keys: NDArray[np.str_], *, seed: int, purpose: str) -> Index:
    """Positions of ``keys`` (unique), shape (n,), in an order that looks random, set by seed and keys alone."""
    prefix = hashlib.sha256(f"{purpose}:{seed}:".encode())
    digests = []
    for key in keys.tolist():
        sha = prefix.copy()
        sha.update(key.encode())
        digests.append(sha.digest())
    return np.asarray(sorted(range(len(digests)), key=digests.__getitem__), dtype=np.int64)


def amount_of(amount: float, total: int, *, what: str) -> int:
    """How many of ``total`` are meant: an int is a count, a float a fraction of the total, rounded to the nearest.

    Raises:
        DatasetInvalidError: more than there are, or none.
    """
    count = amount if isinstance(amount, int) else round(amount * total)
    if count > total:
        raise DatasetInvalidError(f"{what}: {count} were asked for, but there are only {total}; ask for fewer")
    if count < 1:
        raise DatasetInvalidError(f"{what}: {amount} of {total} is none; ask for more, or for a larger dataset")
    return count


def pick(keys: NDArray[np.str_], amount: float, *, seed: int, purpose: str) -> Index:
    """Positions of a seeded choice among ``keys``, ascending, shape (count,)."""
    count = amount_of(amount, len(keys), what=purpose)
    return np.sort(seeded_order(keys, seed=seed, purpose=purpose)[:count])


def subset(split: Split, amount: float | None, *, seed: int, purpose: str) -> Split:
    """A seeded choice of a split's examples, in their first order; all of them where ``amount`` is None."""
    return split if amount is None else split.take(pick(split.ids, amount, seed=seed, purpose=purpose))


def hold_out(
    pool: Split, *, validation: float, test: float, by_subject: bool, seed: int, keep: NDArray[np.bool_] | None = None
) -> tuple[Index, Index, Index]:
    """Positions of (validation, test, the rest) in ``pool``, each ascending; disjoint, together all of it.

    Args:
        pool: what is divided.
        validation: an int is a count, a float a fraction of the pool; of subjects where ``by_subject``.
        test: likewise.
        by_subject: whole subjects are held out, so that no subject stands on two sides.
        seed: of the choice.
        keep: shape (n,); examples that must stay in the rest, e.g. those the task names as forget set.

    Raises:
        DatasetInvalidError: no subjects in this data, or not enough left to hold out.
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
            f"{len(free)} may be held out; ask for fewer"
        )
    order = free[seeded_order(free, seed=seed, purpose="held out")]
    in_validation = np.isin(units, order[:n_validation])
    in_test = np.isin(units, order[n_validation : n_validation + n_test])
    rest = ~(in_validation | in_test)
    return np.flatnonzero(in_validation), np.flatnonzero(in_test), np.flatnonzero(rest)


def forget_random(train: Split, amount: float, *, seed: int) -> Index:
    """Positions of a uniformly random choice of examples; an int is a count, a float a fraction."""
    return pick(train.ids, amount, seed=seed, purpose="forget")


def forget_classes(
    train: Split, classes: Iterable[int], amount: float | None, *, seed: int, class_names: Sequence[str] = ()
) -> Index:
    """Positions of the examples of ``classes``: all, or a seeded choice of ``amount`` of them.

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
    """Positions of all examples of certain subjects: those named, or a seeded choice of ``amount`` among all.

    Raises:
        DatasetInvalidError: the data has no subjects, or not this one.
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
    """Positions of the examples of these ids.

    Raises:
        DatasetInvalidError: an id that is not in the training set.
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
    """(retain, forget): the training set in two parts, neither empty.

    Raises:
        DatasetInvalidError: one part is empty.
    """
    chosen = np.zeros(len(train), dtype=np.bool_)
    chosen[forget] = True
    if not chosen.any():
        raise DatasetInvalidError("forget: the forget set is empty; name or count at least one example to forget")
    if chosen.all():
        raise DatasetInvalidError("forget: the retain set is empty, since every training example is to be forgotten")
    return train.take(np.flatnonzero(~chosen)), train.take(np.flatnonzero(chosen))


def with_label_noise(split: Split, fraction: float, *, n_classes: int, seed: int) -> Split:
    """The split with ``fraction`` of its labels (a seeded choice) changed to another class.

    A wrong label can only be learned by heart, so it shows membership plainly.
    """
    if fraction == 0:
        return split
    wrong = seeded_order(split.ids, seed=seed, purpose="label noise")[: round(fraction * len(split))]
    labels = split.labels.copy()
    shift = np.random.RandomState(seed % 2**32).randint(1, n_classes, size=len(wrong))
    labels[wrong] = (labels[wrong] + shift) % n_classes
    return Split(ids=split.ids, images=split.images, labels=labels, subjects=split.subjects)


def _subjects(split: Split, what: str) -> NDArray[np.str_]:
    if split.subjects is None:
        raise DatasetInvalidError(
            f"{what}: this data has no subjects; choose another way, or give the pictures subjects (image-folder's CSV "
            "has a column for them)"
        )
    return split.subjects


def _sample(names: NDArray[np.str_]) -> str:
    shown = ", ".join(repr(name) for name in names[:3].tolist())
    return f"there are {len(names)}, e.g. {shown}"


def class_number(name: str | int, class_names: Sequence[str], *, what: str = "forget.classes") -> int:
    """The label of a class given by name or number; ``what`` is the key that names it.

    Raises:
        DatasetInvalidError: no such class, or a number that is the name of one class and the number of another.
    """
    if isinstance(name, int) and str(name) in class_names and list(class_names).index(str(name)) != name:
        raise DatasetInvalidError(
            f"{what}: {name} is the name of class number {list(class_names).index(str(name))}, and numbers count classes "
            f"from 0; put it in quotes ('{name}') for the class of that name"
        )
    if isinstance(name, str) and name in class_names:
        return list(class_names).index(name)
    if isinstance(name, int) and name < len(class_names):
        return name
    guess = near_match(name, class_names) if isinstance(name, str) else ""
    raise DatasetInvalidError(
        f"{what}: no class {name!r}{guess}; allowed: {listed(class_names)}, or 0 to {len(class_names) - 1}"
    )
