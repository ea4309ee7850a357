"""Where a downloadable dataset may lie on this machine, and torchvision, which may not import."""

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
    """torchvision is not installed or does not import; the text says why. Never leaves this package."""


def user_directory(name: str) -> Path:
    """Where downloads of dataset ``name`` go, and where it is looked for."""
    return platformdirs.user_data_path("unlearning-harness") / "datasets" / name


def candidates(name: str) -> list[Path]:
    """Directories in which dataset ``name`` is looked for, first found first taken."""
    given = os.environ.get(DATA_DIR_VARIABLE)
    return [*([Path(given) / name] if given else []), user_directory(name), SYSTEM_DIRECTORY / name]


def directories(name: str, given: Path | None) -> list[Path]:
    """Directories to look in: the one the task gives, and no other, else :func:`candidates`.

    Raises:
        DatasetMissingError: the given directory does not exist.
    """
    if given is None:
        return candidates(name)
    if not given.is_dir():
        raise DatasetMissingError(f"dataset.directory: there is no directory {str(given)!r}; put {name} there")
    return [given]


def torchvision_datasets() -> Any:
    """The module ``torchvision.datasets``.

    Raises:
        TorchvisionUnavailableError: with the reason.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except ImportError as error:
        raise TorchvisionUnavailableError(f"torchvision cannot be imported ({error})") from error
    except (OSError, RuntimeError) as error:
        # A torchvision built for another torch (CUDA beside CPU) fails on its shared libraries or operators.
        raise TorchvisionUnavailableError(
            f"torchvision is installed, but does not work beside this torch ({type(error).__name__}: {error})"
        ) from error


def missing_message(name: str, looked_in: list[Path], advice: list[str]) -> str:
    """What to say where a dataset is nowhere: the places and the ways to get it."""
    places = "".join(f"\n  looked in {path}" for path in looked_in)
    ways = "".join(f"\n- {way}" for way in advice)
    return f"The dataset {name} is not on this machine.{places}\nOne of these helps:{ways}"
