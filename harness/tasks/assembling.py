"""Build a task's data from its definition: read the dataset, split it, choose the forget set, normalise."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.keys import KeyTextError, key, shown
from harness.core.reading import reason
from harness.core.rows import Inputs, chunks
from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks import dataset_sections, forget_sections, never_trained, schema, splitting
from harness.tasks.datasets import corrupting
from harness.tasks.deletions import deletion_numbers
from harness.tasks.examples import Examples
from harness.tasks.fitting import Kind, misfits
from harness.tasks.normalisation import statistics
from harness.tasks.task import Split, TaskData, Undivided
from harness.tasks.yaml.wording import with_faults

PICTURE_DIMS = 4
"""Dimensions of pictures (n, C, H, W)."""


def assemble(definition: schema.TaskFile, base_dir: Path, requests: int | None = None) -> TaskData:
    """Return a task's data, deterministic for the same definition and files.

    Args:
        definition: a valid task file.
        base_dir: base of relative paths in it.
        requests: of a stream, the number of requests whose examples are the forget set; None for all.

    Raises:
        DatasetMissingError: the data is not on this machine; the message names the expected path.
        DatasetInvalidError: the data is invalid, or lacks examples that the task requires.
    """
    whole = undivided(definition, base_dir)
    numbers = deletion_numbers(
        whole.train, definition.rules, lambda some, rule: _forget(some, rule, whole.class_names, base_dir)
    )
    forget = np.flatnonzero((numbers > 0) & (numbers <= (requests or len(definition.rules))))
    found = splitting.divided(whole, forget)
    return found if definition.deletions is None else replace(found, requests=numbers[forget])


def undivided(definition: schema.TaskFile, base_dir: Path) -> Undivided:
    """Return a task's data before the forget set is chosen.

    Only training labels are corrupted, since held-out examples are split off before.

    Args:
        definition: a valid task file.
        base_dir: base of relative paths in it.

    Raises:
        DatasetMissingError: the data is not on this machine; the message names the expected path.
        DatasetInvalidError: the data is invalid, or lacks examples that the task requires.
    """
    examples = read_examples(definition.dataset, base_dir)
    held_out = _held_out(examples, definition, base_dir)
    (train, validation, test), vocabulary = _encoded(examples, held_out)
    if reason := misfits(_kind(train, vocabulary), definition.architecture.network, definition.recipe.augment):
        raise DatasetInvalidError(reason)
    noise = definition.dataset
    if not isinstance(noise, dataset_sections.FacesDataset):
        n_classes = len(examples.class_names)
        train = splitting.with_label_noise(train, noise.label_noise, n_classes=n_classes, seed=noise.seed)
    if _constant(train.inputs):
        raise DatasetInvalidError(
            "all training inputs are constant: every example is the same, and nothing can be learned; use other inputs"
        )
    train = corrupting.corrupted(train, definition.corrupt, examples.class_names)
    wanted = examples.normalise or definition.normalization is not None
    mean, std = statistics(train, definition.normalization) if wanted else ((), ())
    asked = definition.never_trained
    return Undivided(
        train=train,
        validation=validation,
        test=test,
        class_names=examples.class_names,
        mean=mean,
        std=std,
        vocabulary=vocabulary,
        never_trained=None
        if asked is None or asked.noise is not None
        else never_trained.held_out(validation, asked.amount or 0, seed=asked.seed),
        altered=None
        if asked is None or asked.noise is None
        else functools.partial(
            never_trained.altered_copies, amount=asked.amount or 0, noise=asked.noise, seed=asked.seed
        ),
    )


def _constant(inputs: Inputs) -> bool:
    """Return True if all examples have the same inputs."""
    first = inputs[:1]
    return all(np.array_equal(chunk, np.broadcast_to(first, chunk.shape)) for chunk in chunks(inputs))


def _kind(train: Split, vocabulary: int | None) -> Kind:
    if vocabulary is not None:
        return "tokens"
    return "pictures" if len(train.inputs.shape) == PICTURE_DIMS else "numbers"


def _encoded(examples: Examples, parts: tuple[Split, Split, Split]) -> tuple[tuple[Split, Split, Split], int | None]:
    """Return (train, validation, test) with encoded inputs, and the number of token ids."""
    if examples.fit is None:
        return parts, examples.vocabulary
    encoding = examples.fit(parts[0].inputs)
    train, validation, test = (replace(part, inputs=encoding.apply(part.inputs)) for part in parts)
    return (train, validation, test), encoding.vocabulary


def read_examples(dataset: dataset_sections.Dataset, base_dir: Path) -> Examples:
    """Return a dataset's examples at the requested size; import the dataset's module only here."""
    if isinstance(dataset, dataset_sections.FacesDataset):
        return _faces(dataset)
    if isinstance(dataset, dataset_sections.FashionMnistDataset):
        from harness.tasks.datasets.fashion_mnist import fashion_mnist_examples

        directory = _directory(dataset.directory, base_dir)
        return _sized(fashion_mnist_examples(directory, download=dataset.download), dataset)
    if isinstance(dataset, dataset_sections.Cifar10Dataset):
        from harness.tasks.datasets.cifar10 import cifar10_examples

        directory = _directory(dataset.directory, base_dir)
        return _sized(cifar10_examples(directory, download=dataset.download), dataset)
    if isinstance(dataset, dataset_sections.ImageFolderDataset):
        from harness.tasks.datasets.image_folder import image_folder_examples

        labels, directory = resolved(dataset.labels, base_dir), _directory(dataset.directory, base_dir)
        return image_folder_examples(directory, labels, size=dataset.size, grey=dataset.grey)
    if isinstance(dataset, dataset_sections.ScikitLearnDataset):
        from harness.tasks.datasets.scikit_learn import scikit_learn_examples

        return scikit_learn_examples(dataset.name)
    if isinstance(dataset, dataset_sections.PluginDataset):
        from harness.tasks.datasets.installed import plugin_examples

        return plugin_examples(dataset.kind, dataset.options, base_dir)
    return _users_own(dataset, base_dir)


def _users_own(
    dataset: dataset_sections.ArraysDataset
    | dataset_sections.TableDataset
    | dataset_sections.TextDataset
    | dataset_sections.HuggingfaceDataset,
    base_dir: Path,
) -> Examples:
    """Return the examples of a user's own file or folder."""
    if isinstance(dataset, dataset_sections.ArraysDataset):
        from harness.tasks.datasets.arrays import array_examples

        path = resolved(dataset.file, base_dir)
        return array_examples(path, normalise=dataset.normalise, vocabulary=dataset.vocabulary)
    from harness.tasks.datasets.columns import KeyColumns

    keys = KeyColumns(dataset.label, dataset.id, dataset.subject, dataset.split)
    if isinstance(dataset, dataset_sections.TableDataset):
        from harness.tasks.datasets.table import table_examples

        columns = dataset.model_dump(include={"numeric", "categorical", "ignore", "missing"})
        return table_examples(resolved(dataset.file, base_dir), keys, **columns)
    if isinstance(dataset, dataset_sections.TextDataset):
        from harness.tasks.datasets.text import text_examples

        sizes = {"length": dataset.length, "vocabulary": dataset.vocabulary}
        return text_examples(resolved(dataset.file, base_dir), keys, column=dataset.text, **sizes)
    from harness.tasks.datasets.huggingface import Reading, saved_examples

    reading = dataset.model_dump(include=set(Reading.__dataclass_fields__))
    return saved_examples(resolved(dataset.directory, base_dir), keys, Reading(**reading))


def _faces(dataset: dataset_sections.FacesDataset) -> Examples:
    from harness.tasks.datasets.faces import faces

    options = dataset.model_dump(exclude={"kind"})
    return Examples(train=faces.faces_examples(**options), test=None, class_names=faces.CLASS_NAMES)


def _sized(
    examples: Examples, dataset: dataset_sections.FashionMnistDataset | dataset_sections.Cifar10Dataset
) -> Examples:
    train = splitting.subset(examples.train, dataset.train_size, seed=dataset.seed, purpose="dataset.train_size")
    test = examples.test
    if test is not None:
        test = splitting.subset(test, dataset.test_size, seed=dataset.seed, purpose="dataset.test_size")
    return replace(examples, train=train, test=test)


def resolved(path: Path, base_dir: Path) -> Path:
    """Return ``path`` resolved against the task file's folder; ``~`` is the home directory.

    Raises:
        DatasetMissingError: no file can have this path, or there is no such user.
    """
    try:
        found = base_dir / path.expanduser()
        found.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetMissingError(f"the path {shown(str(path))} cannot be used: {reason(error)}") from error
    return found


def _directory(path: Path | None, base_dir: Path) -> Path | None:
    return None if path is None else resolved(path, base_dir)


def _held_out(examples: Examples, definition: schema.TaskFile, base_dir: Path) -> tuple[Split, Split, Split]:
    """Return (train, validation, test), held out from the official test set if there is one, else from all examples."""
    splits = definition.splits
    pool = examples.train if examples.test is None else examples.test
    keep = _named_to_forget(pool, definition, base_dir) if examples.test is None else None
    validation, test, rest = splitting.hold_out(
        pool,
        validation=splits.validation,
        test=splits.test,
        by_subject=splits.by == "subject",
        seed=splits.seed,
        keep=keep,
    )
    train = pool.take(rest) if examples.test is None else examples.train
    return train, pool.take(validation), pool.take(test)


def _named_to_forget(pool: Split, definition: schema.TaskFile, base_dir: Path) -> NDArray[np.bool_] | None:
    """Return a mask of examples that must be trained on, because the forget rule names them or their subject."""
    found = []
    for rule in definition.rules:
        if isinstance(rule, forget_sections.ForgetIds):
            found.append(np.isin(pool.ids, np.asarray(_ids(rule, base_dir), dtype=np.str_)))
        if isinstance(rule, forget_sections.ForgetSubject) and rule.subjects is not None and pool.subjects is not None:
            found.append(np.isin(pool.subjects, np.asarray(rule.subjects, dtype=np.str_)))
    return np.any(found, axis=0) if found else None


def _forget(
    train: Split, rule: forget_sections.Forget, class_names: tuple[str, ...], base_dir: Path
) -> splitting.Index:
    """Return the positions of the forget set in the training set."""
    if isinstance(rule, forget_sections.ForgetRandom):
        return splitting.forget_random(train, rule.amount or 0, seed=rule.seed)
    if isinstance(rule, forget_sections.ForgetClass):
        classes = [splitting.class_number(name, class_names) for name in rule.classes]
        return splitting.forget_classes(train, classes, rule.amount, seed=rule.seed, class_names=class_names)
    if isinstance(rule, forget_sections.ForgetSubject):
        return splitting.forget_subjects(train, rule.subjects, rule.amount, seed=rule.seed)
    if isinstance(rule, forget_sections.ForgetCorrupted):
        return corrupting.corrupted_examples(train)
    if isinstance(rule, forget_sections.BY_MODELS):
        raise DatasetInvalidError(f"forget.by: {rule.by}: the forget set is not known before it is chosen by models")
    return splitting.forget_ids(train, _ids(rule, base_dir))


def _ids(rule: forget_sections.ForgetIds, base_dir: Path) -> tuple[str, ...]:
    """Return the ids in the task file, or in its ids file, one per line."""
    if rule.ids_file is None:
        return rule.ids or ()
    path = resolved(rule.ids_file, base_dir)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise DatasetMissingError(
            f"forget.ids_file: there is no file {str(path)!r}; create it with one id per line"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetInvalidError(f"forget.ids_file: {path} cannot be read as UTF-8 text: {error}") from error
    return tuple(_ids_in(lines, path))


def _ids_in(lines: list[str], path: Path) -> Iterator[str]:
    faults = []
    for number, line in enumerate(lines, start=1):
        try:
            if text := line.strip(" \t"):
                yield key(text)
        except KeyTextError as error:
            faults.append(f"line {number}: the id {error}")
    if faults:
        raise DatasetInvalidError(with_faults(f"forget.ids_file: {path}", faults))
