"""Weights are accepted only when they are exactly what the original implies."""

from __future__ import annotations

import json
import pickle
import struct

import numpy as np
import pytest

from harness.runners.session.weights import (
    DTYPES,
    Manifest,
    State,
    TensorSpec,
    WeightsInvalid,
    decode,
    encode,
    same_weights,
)
from harness_guest.protocol import STATE


def state() -> State:
    return {
        "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "bn.num_batches_tracked": np.array(7, dtype=np.int64),
        "empty": np.zeros((0, 3), dtype=np.float32),
    }


MANIFEST = Manifest.of(state())


def refused(raw: bytes) -> WeightsInvalid:
    with pytest.raises(WeightsInvalid) as caught:
        decode(raw, MANIFEST)
    return caught.value


def changed(**arrays: np.ndarray) -> bytes:
    return encode({**state(), **{name.replace("__", "."): array for name, array in arrays.items()}})


def test_what_was_encoded_is_decoded() -> None:
    got = decode(encode(state()), MANIFEST)

    assert list(got) == list(state())
    for name, array in state().items():
        np.testing.assert_array_equal(got[name], array)
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)


def test_a_transposed_array_keeps_its_values() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T

    np.testing.assert_array_equal(decode(encode({"a": array}), Manifest.of({"a": array}))["a"], array)


@pytest.mark.parametrize("dtype", list(DTYPES))
def test_every_exchanged_dtype_survives(dtype: str) -> None:
    original = {"x": np.ones(3, dtype=dtype)}

    assert decode(encode(original), Manifest.of(original))["x"].dtype == np.dtype(dtype)


def test_a_dtype_that_is_not_exchanged_is_refused_with_advice() -> None:
    with pytest.raises(ValueError, match=r"complex64; convert it to float32"):
        Manifest.of({"x": np.ones(2, dtype=np.complex64)})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (encode({"conv.weight": state()["conv.weight"]}), "lacks bn.num_batches_tracked, empty"),
        (changed(extra=np.ones(1, np.float32)), "has unexpected extra"),
        (changed(**{"\x1b[31m": np.ones(1, np.float32)}), r"has unexpected \x1b[31m"),
        (changed(conv__weight=np.zeros((2, 3, 5), np.float32)), "has shape (2, 3, 5), not (2, 3, 4)"),
        (changed(conv__weight=np.zeros(24, np.float32)), "has shape (24,)"),
        (changed(conv__weight=np.zeros((2, 3, 4), np.float64)), "has dtype F64, not F32"),
        (changed(conv__weight=np.full((2, 3, 4), np.nan, np.float32)), "has 24 NaN or infinite values out of 24"),
        (changed(conv__weight=np.full((2, 3, 4), -np.inf, np.float32)), "has 24 NaN or infinite values"),
        (pickle.dumps(state()), "not a safetensors document"),
        (b"", "not a safetensors document"),
        (encode(state())[:-1], "not a safetensors document"),
        (encode(state()) + b"\0", "not a safetensors document"),
        (struct.pack("<Q", 1 << 60) + b"{}", "not a safetensors document"),
    ],
)
def test_anything_else_is_invalid(raw: bytes, message: str) -> None:
    error = refused(raw)

    assert error.problem == "output_invalid"
    assert message in str(error)


def test_overlapping_tensors_are_invalid() -> None:
    """Two names for the same bytes would pass a naive reader's checks of shape and length."""
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    head = json.dumps({"a": entry, "b": entry}).encode()

    with pytest.raises(WeightsInvalid):
        decode(struct.pack("<Q", len(head)) + head + bytes(8), Manifest.of({n: np.zeros(2, np.float32) for n in "ab"}))


def test_more_bytes_than_the_manifest_implies_are_refused_unread() -> None:
    error = refused(bytes(MANIFEST.max_bytes + 1))

    assert error.problem == "output_too_large"


def test_the_cap_leaves_room_for_every_honest_document() -> None:
    many = {f"a.very.long.name.of.a.layer.\u00e9{i:04d}": np.zeros(1, np.float32) for i in range(500)}

    assert len(encode(many)) <= Manifest.of(many).max_bytes
    assert len(encode(state())) <= MANIFEST.max_bytes


def test_many_wrong_names_are_counted_not_listed() -> None:
    assert "and 15 more" in str(refused(changed(**{f"x{i:02d}": np.ones(1, np.float32) for i in range(20)})))


def test_a_spec_knows_its_bytes() -> None:
    assert [TensorSpec("float32", shape).n_bytes for shape in ((), (0, 3), (2, 3))] == [4, 0, 24]


def test_weights_are_the_same_only_if_every_bit_is() -> None:
    zeros = {"w": np.zeros(3, np.float32), "n": np.array(1, np.int64)}

    assert same_weights({name: array.copy() for name, array in zeros.items()}, zeros)
    assert not same_weights({**zeros, "w": np.array([0, 0, -0.0], np.float32)}, zeros)
    assert not same_weights({**zeros, "n": np.array(2, np.int64)}, zeros)


STATEFUL = Manifest.of(state(), max_state_bytes=4)


def test_bytes_that_a_plugin_keeps_come_back_as_they_are_where_they_are_allowed() -> None:
    kept = np.frombuffer(pickle.dumps(1)[:4], dtype=np.uint8)
    raw = encode(state() | {STATE: kept})

    assert decode(raw, STATEFUL)[STATE].tobytes() == kept.tobytes()
    assert STATE not in decode(encode(state()), STATEFUL)
    assert decode(encode(state() | {STATE: kept[:0]}), STATEFUL)[STATE].tobytes() == b""
    assert "unexpected" in str(refused(raw))


@pytest.mark.parametrize(
    ("kept", "problem"),
    [(np.zeros(5, dtype=np.uint8), "output_too_large"), (np.zeros(1, dtype=np.float32), "output_invalid")],
)
def test_another_state_than_a_few_bytes_is_refused(kept: np.ndarray, problem: str) -> None:
    with pytest.raises(WeightsInvalid, match="state for the next request") as caught:
        decode(encode(state() | {STATE: kept}), STATEFUL)
    assert caught.value.problem == problem


def test_the_limit_of_a_document_has_room_for_the_state() -> None:
    assert STATEFUL.max_bytes == MANIFEST.max_bytes + 4
