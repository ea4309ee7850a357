"""Initial weights from files, for fine-tuning.

The files lie in a folder :data:`INITIAL_WEIGHTS` of an entry of ``sys.path``, beside the modules of a task's own network, so that
they are found in the same way wherever a network is built: on the host, in its workers, and in a guest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from reference_models.networks.naming import near_match
from reference_models.networks.recipe import INITIAL_WEIGHTS

MOST_FAULTS = 10


def load_initial(model: nn.Module, name: str, left_out: Sequence[str]) -> None:
    """Load the weights in a file into a network.

    Args:
        model: the network.
        name: of a safetensors file in :data:`INITIAL_WEIGHTS`.
        left_out: beginnings of names of tensors that stay as they are.

    Raises:
        ValueError: the file is not there, or names, shapes or dtypes are not those of the network; each fault is named.
    """
    path = _place(name)
    state: dict[str, Tensor] = model.state_dict()
    wanted = {key: value for key, value in state.items() if not key.startswith(tuple(left_out))}
    for beginning in left_out:
        if not any(key.startswith(beginning) for key in state):
            layers = sorted({f"{key.rpartition('.')[0]}." for key in state if "." in key})
            raise ValueError(
                f"init_except: no tensor of the network begins with {beginning!r}{near_match(beginning, layers)}"
            )
    faults = list(_faults(path, wanted, tuple(left_out)))
    if faults:
        more = f"; and {len(faults) - MOST_FAULTS} more" if len(faults) > MOST_FAULTS else ""
        raise ValueError(f"the initial weights are not those of the network: {'; '.join(faults[:MOST_FAULTS])}{more}")
    found = load_file(path)
    for key, twin in _twins(wanted, found.keys()).items():
        found[key] = found[twin]
    model.load_state_dict({**state, **{key: found[key] for key in wanted}})


def _place(name: str) -> Path:
    for entry in sys.path:
        place = Path(entry) / INITIAL_WEIGHTS / name
        if place.is_file():
            return place
    raise ValueError(f"there is no file of initial weights {name} beside the network's modules")


def _twins(state: dict[str, Tensor], found: Iterable[str]) -> dict[str, str]:
    """Return tensor -> another name of the same tensor that is in a file; files have tied weights under one name."""
    names = set(found)
    stored = {(value.data_ptr(), value.shape): key for key, value in state.items() if key in names and value.numel()}
    tied = {key: stored.get((value.data_ptr(), value.shape)) for key, value in state.items() if key not in names}
    return {key: twin for key, twin in tied.items() if twin is not None}


def _faults(path: Path, state: dict[str, Tensor], left_out: tuple[str, ...]) -> Iterator[str]:
    with safe_open(path, framework="pt") as file:
        found = {
            name: (tuple(part.get_shape()), file.get_tensor(name).dtype)
            for name in file.keys()  # noqa: SIM118 -- it is no mapping
            if not (left_out and name.startswith(left_out))
            for part in [file.get_slice(name)]
        }
    twins = _twins(state, found)
    surplus = [name for name in found if name not in state]
    missing = [name for name in state if name not in found and name not in twins]
    for name in missing:
        yield f"{name!r} of the network is not in the file{near_match(name, surplus)}"
    for name in surplus:
        yield f"{name!r} of the file is not in the network{near_match(name, missing)}"
    for name, (shape, dtype) in found.items():
        if name not in state:
            continue
        own = state[name]
        if shape != tuple(own.shape):
            layer = name.rpartition(".")[0] or name
            yield (
                f"{name!r} has shape {shape} in the file and {tuple(own.shape)} in the network; to train the layer {layer!r} "
                f"from scratch: init_except: [{layer}.]"
            )
        elif dtype != own.dtype:
            yield f"{name!r} is {dtype} in the file and {own.dtype} in the network"
