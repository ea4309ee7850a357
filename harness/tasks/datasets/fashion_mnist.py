"""Fashion-MNIST, from four local IDX files or through torchvision's loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DatasetInvalidError, DatasetMissingError
from harness.tasks.datasets.idx import read_idx
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

NAME = "fashion-mnist"
CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
_SIDE = 28
_STEMS = {"train": "train", "test": "t10k"}
_TORCHVISION_LAYOUT = Path("FashionMNIST/raw")


def fashion_mnist_examples(directory: Path | None = None, *, download: bool = False) -> Examples:
    """Return all examples of the files (normally 60,000 + 10,000), images of shape (n, 1, 28, 28).

    Args:
        directory: folder of the four files, or the root of torchvision's layout; None: search
            :func:`~harness.tasks.yaml.locating.candidates`.
        download: let torchvision download the files if they are not found.

    Raises:
        DatasetMissingError: no files are found, and they cannot be downloaded.
        DatasetInvalidError: the files are invalid.
    """
    places = directories(NAME, directory)
    for place in places:
        for folder in (place, place / _TORCHVISION_LAYOUT):
            files = _files(folder)
            if files is not None:
                return _read(files)
    if download:
        return through_torchvision(directory or user_directory(NAME), places)
    raise DatasetMissingError(missing_message(NAME, places, _advice()))


def _advice(reason: str = "") -> list[str]:
    return [
        "on Debian and Ubuntu: apt install dataset-fashion-mnist",
        "name the folder of the four files *-ubyte.gz in the task file: dataset.directory",
        f"or set {DATA_DIR_VARIABLE}=DIR and copy them to DIR/{NAME}",
        f"let torchvision download them: {VISION_ADVICE}" + (f" ({reason})" if reason else ""),
    ]


def _files(folder: Path) -> dict[str, Path] | None:
    """Return the four files by name, or None if one is missing."""
    found = {}
    for part, stem in _STEMS.items():
        for what in ("images-idx3", "labels-idx1"):
            name = f"{stem}-{what}-ubyte"
            path = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
            if path is None:
                return None
            found[f"{part}-{what[:6]}"] = path
    return found


def _read(files: dict[str, Path]) -> Examples:
    parts = []
    for part in ("train", "test"):
        images = read_idx(files[f"{part}-images"], dimensions=3)
        labels = read_idx(files[f"{part}-labels"], dimensions=1)
        parts.append(_split(part, images, labels, str(files[f"{part}-images"].parent)))
    return Examples(train=parts[0], test=parts[1], class_names=CLASS_NAMES)


def _split(part: str, images: NDArray[np.uint8], labels: NDArray[Any], where: str) -> Split:
    if images.shape[1:] != (_SIDE, _SIDE):
        raise DatasetInvalidError(f"{where}: {part} images have shape {images.shape[1:]}, not {(_SIDE, _SIDE)}")
    if len(images) != len(labels):
        raise DatasetInvalidError(f"{where}: {part} has {len(images)} images but {len(labels)} labels")
    if len(labels) and labels.max() >= len(CLASS_NAMES):
        raise DatasetInvalidError(
            f"{where}: {part} has label {labels.max()}; the highest class is {len(CLASS_NAMES) - 1}"
        )
    ids = np.asarray([f"{part}-{index:05d}" for index in range(len(labels))], dtype=np.str_)
    return Split(ids=ids, inputs=images[:, None], labels=labels.astype(np.int64))


def through_torchvision(root: Path, places: list[Path]) -> Examples:
    """Return the examples of torchvision's loader, which downloads missing files to ``root``.

    ``places`` are the searched folders, for the error message.
    """
    try:
        loader = torchvision_datasets().FashionMNIST
        root.mkdir(parents=True, exist_ok=True)
        parts = [loader(root, train=part == "train", download=True) for part in _STEMS]
    except TorchvisionUnavailableError as error:
        raise DatasetMissingError(missing_message(NAME, places, _advice(str(error)))) from error
    except (OSError, RuntimeError) as error:
        raise DatasetMissingError(missing_message(NAME, places, _advice(f"the download failed: {error}"))) from error
    splits = [
        _split(part, loaded.data.numpy(), loaded.targets.numpy(), str(root))
        for part, loaded in zip(_STEMS, parts, strict=True)
    ]
    return Examples(train=splits[0], test=splits[1], class_names=CLASS_NAMES)
