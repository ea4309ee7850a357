"""Adapters: call a function that was written for another interface as the hook ``unlearn``.

This file is copied into the wheel of a single file (``harness run --plugin method.py``) and into a package made by
``harness new --from``; therefore it imports nothing of the harness.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pluggy
import torch
from torch.utils.data import DataLoader, Dataset

hookimpl = pluggy.HookimplMarker("harness")


class Examples(Dataset[Any]):
    """The examples of a split in CPU memory, where worker processes of a ``DataLoader`` can read them.

    Item ``i`` is (input, label), or with ``ids`` a dict of "image", "age_group" (the label) and "image_id". Inputs are what the
    network reads, for pictures float32 of shape (C, H, W); labels and ids are ints.

    Args:
        split: ``retain``, ``forget`` or ``validation``, as passed to the hook.
        ids: ids of the examples; None for pairs.
    """

    def __init__(self, split: Any, ids: Sequence[int] | None = None) -> None:
        self._split, self._ids = split, ids
        self._inputs, self._labels = split.inputs.cpu(), split.labels.tolist()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return the examples of a batch; a ``DataLoader`` calls this, and one call normalises all of its inputs."""
        self._split.meter.draw(len(indices))
        inputs = self._split.normalised(self._inputs[torch.as_tensor(indices)])
        labels = [self._labels[index] for index in indices]
        if self._ids is None:
            return list(zip(inputs, labels, strict=True))
        return [
            {"image": image, "age_group": label, "image_id": self._ids[index]}
            for image, label, index in zip(inputs, labels, indices, strict=True)
        ]


def adapt(function: Callable[..., Any], adapter: str, roles: Mapping[str, str]) -> Callable[..., Any]:
    """Return an implementation of the hook ``unlearn`` that calls ``function``.

    Args:
        function: changes its model in place, or returns one.
        adapter: form of the splits: "hook" (as passed to the hook), "kit" (``DataLoader`` of (images, labels)) or "challenge"
            (``DataLoader`` of dicts).
        roles: parameter of ``function`` -> argument of the hook that it gets. Options of the run set its other parameters.
    """

    @hookimpl
    def unlearn(model: Any, retain: Any, forget: Any, validation: Any, context: Any) -> Any:
        splits = {"retain": retain, "forget": forget, "validation": validation}
        if adapter != "hook":
            splits = _loaders(splits, context.recipe.batch_size, adapter == "challenge")
        given = {"model": model, "context": context, **splits}
        options = _options(function, roles, context.options)
        return function(**{parameter: given[role] for parameter, role in roles.items()}, **options)

    return unlearn


def _loaders(splits: Mapping[str, Any], batch_size: int, with_ids: bool) -> dict[str, Any]:
    """Return a loader for each split; ids count through the splits, so that they are unique."""
    loaders, first = {}, 0
    for name, split in splits.items():
        examples = Examples(split, range(first, first + len(split)) if with_ids else None)
        first += len(split)
        trained = name != "validation"
        # BatchNorm fails on a batch of one in training, and the function cannot choose drop_last.
        drop_last = trained and len(split) > batch_size and len(split) % batch_size == 1
        loaders[name] = DataLoader(examples, batch_size, shuffle=trained, drop_last=drop_last)
    return loaders


def _options(function: Callable[..., Any], roles: Mapping[str, str], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the run that the function takes as keyword arguments.

    Raises:
        ValueError: it has no parameter of that name, and does not take the context, from which it could read the option.
    """
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return dict(options)
    known = [one.name for one in parameters if one.name not in roles and one.kind is not one.VAR_POSITIONAL]
    unknown = sorted(set(options) - set(known))
    if unknown and "context" not in roles.values():
        raise ValueError(f"unknown option {unknown[0]!r}; {function.__name__} has: {', '.join(known) or 'none'}")
    return {name: value for name, value in options.items() if name in known}
