"""Search paths of downloadable datasets, and the optional import of torchvision."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import platformdirs

from harness.errors import DatasetMissingError

DATA_DIR_VARIABLE = "HARNESS_DATA_DIR"
VISION_ADVICE = "pip install 'unlearning-harness[vision]', and 'download: true' under dataset in the task file"
SYSTEM_DIRECTORY = Path("/usr/share/datasets")


class TorchvisionUnavailableError(Exception):
    """torchvision cannot be imported; the message gives the reason. Internal to this package."""


def user_directory(name: str) -> Path:
    """Return the download folder of dataset ``name``, which is also searched."""
    return platformdirs.user_data_path("unlearning-harness") / "datasets" / name


def candidates(name: str) -> list[Path]:
    """Return the search path of dataset ``name``."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    return [*([Path(given) / name] if given else []), user_directory(name), SYSTEM_DIRECTORY / name]


def directories(name: str, given: Path | None) -> list[Path]:
    """Return the folders to search: only ``given``, if it is set, else :func:`candidates`.

    Raises:
        DatasetMissingError: the given directory does not exist.
    """
    if given is None:
        return candidates(name)
    if not given.is_dir():
        raise DatasetMissingError(f"dataset.directory: there is no directory {str(given)!r}; create it with {name}")
    return [given]


def torchvision_datasets() -> Any:
    """Return the module ``torchvision.datasets``.

    Raises:
        TorchvisionUnavailableError: it cannot be imported.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except ImportError as error:
        raise TorchvisionUnavailableError(f"torchvision cannot be imported ({error})") from error
    except (OSError, RuntimeError) as error:
        # A torchvision built for another torch (e.g. CUDA instead of CPU) fails on its shared libraries or operators.
        raise TorchvisionUnavailableError(
            f"torchvision is installed, but does not work with this torch ({type(error).__name__}: {error})"
        ) from error


def missing_message(name: str, looked_in: list[Path], advice: list[str]) -> str:
    """Return the message for a missing dataset: the searched folders and the ways to get it."""
    places = "".join(f"\n  searched {path}" for path in looked_in)
    ways = "".join(f"\n- {way}" for way in advice)
    return f"The dataset {name} is not on this machine.{places}\nDo one of the following:{ways}"
