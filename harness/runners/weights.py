"""Weights on their way to and from the sandbox: safetensors only, checked against what the original implies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from harness.text import harmless
from harness_guest.names import difference

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
"""numpy's name of a dtype -> safetensors' name."""

HEADER_BYTES = 1 << 14
HEADER_BYTES_PER_TENSOR = 512
MAX_MESSAGE_CHARS = 2_000


class WeightsInvalid(Exception):  # noqa: N818 -- a verdict on a submission, not an error of ours
    """What came back cannot be accepted.

    Attributes:
        problem: "output_invalid" or "output_too_large".
    """

    def __init__(self, problem: WeightsProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True)
class TensorSpec:
    """dtype (numpy's name) and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        """Length of the data."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Manifest:
    """What an unlearned state must look like.

    Attributes:
        tensors: name -> dtype and shape, from the original's state.
    """

    tensors: Mapping[str, TensorSpec]

    @classmethod
    def of(cls, state: Mapping[str, NDArray[Any]]) -> Manifest:
        """The manifest of a state.

        Raises:
            ValueError: a dtype that is not exchanged with the sandbox, e.g. bfloat16, which numpy does not have.
        """
        tensors = {}
        for name, array in state.items():
            if array.dtype.name not in DTYPES:
                known = ", ".join(DTYPES)
                raise ValueError(f"{name!r} has dtype {array.dtype}; models may hold {known}: convert it to float32")
            tensors[name] = TensorSpec(array.dtype.name, tuple(array.shape))
        return cls(tensors)

    @property
    def max_bytes(self) -> int:
        """No honest safetensors document of such a state is longer: its data, and a generous header."""
        data = sum(spec.n_bytes for spec in self.tensors.values())
        names = sum(6 * len(name.encode()) for name in self.tensors)
        return data + names + HEADER_BYTES_PER_TENSOR * len(self.tensors) + HEADER_BYTES


def encode(state: Mapping[str, NDArray[Any]]) -> bytes:
    """A state as safetensors bytes."""
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in state.items()})


def decode(raw: bytes | bytearray, manifest: Manifest) -> State:
    """The state that came back: exactly the manifest's names, shapes and dtypes, and finite.

    Raises:
        WeightsInvalid: with the problem and a message for the author.
    """
    if len(raw) > manifest.max_bytes:
        message = f"{len(raw)} bytes came back; the original's state allows {manifest.max_bytes}"
        raise WeightsInvalid("output_too_large", message)
    try:
        entries = dict(safetensors.deserialize(bytes(raw)))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        message = f"what came back is no safetensors document: {harmless(str(error), 200)}"
        raise WeightsInvalid("output_invalid", message) from None
    if differs := difference(set(entries), set(manifest.tensors)):
        raise WeightsInvalid("output_invalid", harmless(differs, MAX_MESSAGE_CHARS))
    return {name: _array(name, entries[name], spec) for name, spec in manifest.tensors.items()}


def same_weights(one: State, other: State) -> bool:
    """Return True if two states of the same manifest are the same, bit for bit."""
    return all(np.asarray(array).tobytes() == np.asarray(other[name]).tobytes() for name, array in one.items())


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
