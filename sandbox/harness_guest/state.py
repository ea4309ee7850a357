"""Serialisation of weights and reading of the data file; safetensors only."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor, nn

from harness_guest.names import difference
from harness_guest.protocol import STATE

SPLITS = ("retain", "forget", "validation")


class OutputInvalidError(Exception):
    """The unlearner's result is not a model that can be returned."""

    problem = "output_invalid"


class OutputTooLargeError(Exception):
    """The unlearned state is larger than the original's limit."""

    problem = "output_too_large"


def read_splits(path: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Return inputs (n, ...) and labels (n,) int64 of each split, memory-mapped."""
    with safe_open(path, framework="pt") as file:
        return {name: (file.get_tensor(f"{name}.inputs"), file.get_tensor(f"{name}.labels")) for name in SPLITS}


def read_state(path: str) -> dict[str, Tensor]:
    """Return the weights in a safetensors file, memory-mapped."""
    return {name: tensor for name, tensor in safetensors.torch.load_file(path).items() if name != STATE}


def read_kept(path: str) -> bytes:
    """Return the plugin's state beside the weights in a safetensors file; empty if there is none."""
    with safe_open(path, framework="np") as file:
        return file.get_tensor(STATE).tobytes() if STATE in file.keys() else b""  # noqa: SIM118 -- it is no dict


def chosen_model(model: nn.Module, returned: object) -> nn.Module:
    """Return the hook's result, or ``model`` if the hook returned None.

    Raises:
        OutputInvalidError: the result is not a model.
    """
    if returned is None:
        return model
    if not isinstance(returned, nn.Module):
        kind = type(returned).__name__
        raise OutputInvalidError(
            f"unlearn() returned a {kind}; it must return a torch.nn.Module, or None when it changed the model in place"
        )
    return returned


def serialise(
    model: nn.Module, max_bytes: int, names: AbstractSet[str] = frozenset(), kept: bytes | None = None
) -> bytes:
    """Return the state of ``model`` as safetensors bytes: on the CPU, contiguous, without shared storage.

    Args:
        model: to be serialised.
        max_bytes: limit on the result.
        names: names of the original's state, for the message about a state that is too large.
        kept: the plugin's state for the next request; None for none.

    Raises:
        OutputInvalidError: the state contains something other than ordinary tensors.
        OutputTooLargeError: more than ``max_bytes``.
    """
    try:
        state = model.state_dict()
        plain = _plain(state)
        if kept is not None:
            plain[STATE] = (
                torch.frombuffer(bytearray(kept), dtype=torch.uint8) if kept else torch.empty(0, dtype=torch.uint8)
            )
        raw = safetensors.torch.save(plain)
    except OutputInvalidError:
        raise
    except Exception as error:
        raise OutputInvalidError(f"the model's state cannot be written: {type(error).__name__}: {error}") from error
    if len(raw) > max_bytes:
        differs = difference(set(state), names) if names else None
        raise OutputTooLargeError(
            f"the model's state takes {len(raw)} bytes; the original's allows {max_bytes}"
            + (f"; {differs}" if differs else "")
        )
    return raw


def _plain(state: Mapping[str, object]) -> dict[str, Tensor]:
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise OutputInvalidError(f"{name!r} in the model's state is a {type(value).__name__}, not a tensor")
        tensor = value.detach().to("cpu", copy=False).contiguous()
        storage = tensor.untyped_storage()
        if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
            tensor = tensor.clone(memory_format=torch.contiguous_format)
        seen.add(storage.data_ptr())
        plain[str(name)] = tensor
    return plain
