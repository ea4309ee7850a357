"""Encoding of model states as safetensors, and validation of the states that the sandbox returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from harness.core.rows import chunks
from harness.core.text import harmless
from harness_guest.names import difference
from harness_guest.protocol import STATE

State = dict[str, NDArray[Any]]
WeightsProblem = Literal["output_invalid", "output_too_large"]

DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}
"""NumPy dtype name -> safetensors dtype name."""

HEADER_BYTES = 1 << 14
HEADER_BYTES_PER_TENSOR = 512
MAX_MESSAGE_CHARS = 2_000


class WeightsInvalid(Exception):  # noqa: N818 -- a result about a submission, not an error of the harness
    """Raised for a returned state that is rejected.

    Attributes:
        problem: "output_invalid" or "output_too_large".
    """

    def __init__(self, problem: WeightsProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True)
class TensorSpec:
    """NumPy dtype name and shape of a tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Return the size of the data in bytes."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Manifest:
    """Names, dtypes and shapes that an unlearned state must have.

    Attributes:
        tensors: tensor name -> dtype and shape, from the original's state.
        max_state_bytes: largest state of the plugin for the next request, under the name
            :data:`harness_guest.protocol.STATE`; 0 if none is allowed.
    """

    tensors: Mapping[str, TensorSpec]
    max_state_bytes: int = 0

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]], max_state_bytes: int = 0) -> Manifest:
        """Return the manifest of a state.

        Raises:
            ValueError: if a dtype is not supported, e.g. bfloat16, which NumPy lacks.
        """
        tensors = {}
        for name, array in state.items():
            if array.dtype.name not in DTYPES:
                known = ", ".join(DTYPES)
                raise ValueError(
                    f"{name!r} has the unsupported dtype {array.dtype}; convert it to float32. Supported: {known}"
                )
            tensors[name] = TensorSpec(array.dtype.name, tuple(array.shape))
        return cls(tensors, max_state_bytes)

    @property
    def max_bytes(self) -> int:
        """Return an upper bound on the length of a valid safetensors document: the data plus a generous header."""
        data = sum(spec.n_bytes for spec in self.tensors.values())
        names = sum(6 * len(name.encode()) for name in self.tensors)
        return data + names + HEADER_BYTES_PER_TENSOR * len(self.tensors) + HEADER_BYTES + self.max_state_bytes


def encode(state: Mapping[str, NDArray[Any]]) -> bytes:
    """Return a state as a safetensors document."""
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in state.items()})


def decode(raw: bytes | bytearray, manifest: Manifest) -> State:
    """Decode a returned state; check that it is finite and has exactly the manifest's names, shapes and dtypes.

    If the manifest allows it, the result also has the plugin's own state, bytes that are not looked into.

    Raises:
        WeightsInvalid: if a check fails, with the problem and a message for the author.
    """
    if len(raw) > manifest.max_bytes:
        message = f"the returned state has {len(raw)} bytes; the original's allows {manifest.max_bytes}"
        raise WeightsInvalid("output_too_large", message)
    try:
        entries = dict(safetensors.deserialize(bytes(raw)))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        message = f"the returned state is not a safetensors document: {harmless(str(error), 200)}"
        raise WeightsInvalid("output_invalid", message) from None
    kept = {STATE: _kept(entries.pop(STATE), manifest)} if manifest.max_state_bytes and STATE in entries else {}
    if differs := difference(set(entries), set(manifest.tensors)):
        raise WeightsInvalid("output_invalid", harmless(differs, MAX_MESSAGE_CHARS))
    return {name: _array(name, entries[name], spec) for name, spec in manifest.tensors.items()} | kept


def same_weights(one: State, other: State) -> bool:
    """Return True if two states with the same manifest are bitwise equal."""
    return all(
        left.tobytes() == right.tobytes()
        for name, array in one.items()
        for left, right in zip(chunks(array), chunks(other[name]), strict=True)
    )


def _kept(entry: Mapping[str, Any], manifest: Manifest) -> NDArray[np.uint8]:
    """Return the plugin's state for the next request."""
    if entry["dtype"] != DTYPES["uint8"]:
        raise WeightsInvalid("output_invalid", f"the state for the next request has dtype {entry['dtype']}, not U8")
    if len(entry["data"]) > manifest.max_state_bytes:
        message = (
            f"the state for the next request has {len(entry['data'])} bytes; {manifest.max_state_bytes} are allowed"
        )
        raise WeightsInvalid("output_too_large", message)
    return np.frombuffer(entry["data"], dtype=np.uint8)


def _array(name: str, entry: Mapping[str, Any], spec: TensorSpec) -> NDArray[Any]:
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if dtype != DTYPES[spec.dtype]:
        raise WeightsInvalid("output_invalid", f"{name!r} has dtype {dtype}, not {DTYPES[spec.dtype]}")
    if shape != spec.shape:
        raise WeightsInvalid("output_invalid", f"{name!r} has shape {shape}, not {spec.shape}")
    array = np.frombuffer(entry["data"], dtype=spec.dtype).reshape(spec.shape)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise WeightsInvalid("output_invalid", f"{name!r} has {bad} NaN or infinite values out of {array.size}")
    return array
