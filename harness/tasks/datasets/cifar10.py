"""CIFAR-10: the binary version is read directly, the Python version only through torchvision.

The Python version consists of pickles. Only torchvision unpickles them, after it has checked their MD5.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.examples import Examples
from harness.tasks.task import Split
from harness.tasks.yaml.locating import (
    DATA_DIR_VARIABLE,
    VISION_ADVICE,
    TorchvisionUnavailableError,
    directories,
    missing_message,
    torchvision_datasets,
    user_directory,
)

NAME = "cifar10"
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SHAPE = (3, 32, 32)
_ROW_BYTES = 1 + 3 * 32 * 32
_BINARY = "cifar-10-batches-bin"
_PICKLED = "cifar-10-batches-py"
_PARTS = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}


def cifar10_examples(directory: Path | None = None, *, download: bool = False) -> Examples:
    """Return all examples of the files (normally 50,000 + 10,000), images of shape (n, 3, 32, 32).

    Args:
        directory: ``cifar-10-batches-bin`` or ``cifar-10-batches-py``, or a folder that contains one of these; None:
            search :func:`~harness.tasks.yaml.locating.candidates`.
        download: let torchvision download the Python version if no files are found.

    Raises:
        DatasetMissingError: no readable files are found, and they cannot be downloaded.
        DatasetInvalidError: the files are invalid.
    """
    places = directories(NAME, directory)
    for place in places:
        for folder in (place, place / _BINARY):
            if all((folder / name).is_file() for names in _PARTS.values() for name in names):
                return _read_binary(folder)
    for place in places:
        for root in (place, place.parent):
            if (root / _PICKLED / "batches.meta").is_file():
                return _through_torchvision(root, places, download=False)
    if download:
        return _through_torchvision(directory or user_directory(NAME), places, download=True)
    raise DatasetMissingError(missing_message(NAME, places, _advice()))


def _advice(reason: str = "") -> list[str]:
    return [
        f"name the folder that contains the 'binary version' of CIFAR-10 ({_BINARY}) in dataset.directory",
        f"or set {DATA_DIR_VARIABLE}=DIR and copy it to DIR/{NAME}",
        f"let torchvision read or download the 'Python version': {VISION_ADVICE}" + (f" ({reason})" if reason else ""),
    ]


def _read_binary(folder: Path) -> Examples:
    splits = []
    for part, names in _PARTS.items():
        rows = np.concatenate([_rows(folder / name) for name in names])
        splits.append(_split(part, rows[:, 1:].reshape(-1, *_SHAPE), rows[:, 0], str(folder)))
    return Examples(train=splits[0], test=splits[1], class_names=CLASS_NAMES)


def _rows(path: Path) -> NDArray[np.uint8]:
    """Return a batch's rows, shape (n, 3073): the label, then red, green and blue, each 32 rows of 32 bytes."""
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DatasetInvalidError(f"{path} cannot be read: {error}; download it again") from error
    if len(data) == 0 or len(data) % _ROW_BYTES:
        raise DatasetInvalidError(
            f"{path} has {len(data)} bytes, which is not a multiple of the row size {_ROW_BYTES}; download it again"
        )
    return data.reshape(-1, _ROW_BYTES)


def _split(part: str, images: NDArray[np.uint8], labels: NDArray[Any], where: str) -> Split:
    if labels.max() >= len(CLASS_NAMES):
        raise DatasetInvalidError(
            f"{where}: {part} has label {labels.max()}; the highest class is {len(CLASS_NAMES) - 1}"
        )
    ids = np.asarray([f"{part}-{index:05d}" for index in range(len(labels))], dtype=np.str_)
    return Split(ids=ids, inputs=np.ascontiguousarray(images), labels=labels.astype(np.int64))


def _through_torchvision(root: Path, places: list[Path], *, download: bool) -> Examples:
    try:
        loader = torchvision_datasets().CIFAR10
        root.mkdir(parents=True, exist_ok=True)
        parts = [loader(root, train=part == "train", download=download) for part in _PARTS]
    except TorchvisionUnavailableError as error:
        raise DatasetMissingError(missing_message(NAME, places, _advice(str(error)))) from error
    except (OSError, RuntimeError) as error:
        raise DatasetMissingError(missing_message(NAME, places, _advice(f"torchvision: {error}"))) from error
    splits = [
        _split(part, loaded.data.transpose(0, 3, 1, 2), np.asarray(loaded.targets), str(root))
        for part, loaded in zip(_PARTS, parts, strict=True)
    ]
    return Examples(train=splits[0], test=splits[1], class_names=CLASS_NAMES)
