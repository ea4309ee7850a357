"""Networks of torchvision and timm, by the names that the libraries have for them; neither is imported before it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from reference_models.networks.naming import near_match
from reference_models.networks.recipe import LIBRARIES


def library_factory(library: str, name: str) -> Callable[..., nn.Module]:
    """Return the factory of a library's network, without pretrained weights.

    Raises:
        ValueError: the library cannot be imported or has no network of this name.
    """
    if library == "torchvision":
        models = _imported("torchvision", "torchvision.models")
        _check_name("torchvision", name, models.list_models(module=models))

        def from_torchvision(n_classes: int, **options: Any) -> nn.Module:
            model: nn.Module = models.get_model(name, weights=None, num_classes=n_classes, **options)
            return model

        return from_torchvision
    timm = _imported("timm", "timm")
    _check_name("timm", name.partition(".")[0], timm.list_models())

    def from_timm(n_classes: int, in_channels: int, **options: Any) -> nn.Module:
        model: nn.Module = timm.create_model(
            name, pretrained=False, num_classes=n_classes, in_chans=in_channels, **options
        )
        return model

    return from_timm


def _imported(library: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{library} cannot be imported ({error}). Install it: pip install 'unlearning-harness[{LIBRARIES[library]}]'"
        ) from error
    except Exception as error:  # a build for another torch fails in many ways
        raise ValueError(
            f"{library} cannot be imported beside torch {torch.__version__}: {type(error).__name__}: {error}. Install the build "
            "of torchvision that belongs to this torch, from the same index"
        ) from error


def _check_name(library: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise ValueError(f"{library} has no network {name!r}{near_match(name, known)}")
