"""Safetensors files that are written in pieces and mapped: equal to the library's, and refused where damaged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from harness.core import rows
from harness.core.rows import Rows, chunks
from harness.core.tensors import DTYPES, TensorFileError, map_tensors, read_row, write_tensors


def arrays() -> dict[str, NDArray[np.generic]]:
    random = np.random.default_rng(0)
    made = {name: (100 * random.standard_normal((5, 3))).astype(name) for name in DTYPES.values()}
    return {**made, "scalar": np.array(3.5), "nothing": np.zeros((0, 4), np.float32)}


def same(found: dict[str, NDArray[np.generic]], expected: dict[str, NDArray[np.generic]]) -> bool:
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array) for name, array in expected.items()
    )


def test_the_library_reads_what_was_written(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", arrays())

    assert same(load_file(tmp_path / "a.safetensors"), arrays())


def test_what_the_library_wrote_can_be_mapped(tmp_path: Path) -> None:
    save_file(arrays(), tmp_path / "a.safetensors", {"made": "by a test"})

    found = map_tensors(tmp_path / "a.safetensors")

    assert same(found, arrays())
    assert isinstance(found["float32"], np.memmap)


def test_a_list_of_arrays_is_joined_and_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK_BYTES", 64)
    parts = [np.arange(60).reshape(20, 3), np.arange(6).reshape(2, 3)]

    write_tensors(tmp_path / "a.safetensors", {"x": list(parts)})

    np.testing.assert_array_equal(load_file(tmp_path / "a.safetensors")["x"], np.concatenate(parts))


def test_a_row_of_each_array_is_read_alone(tmp_path: Path) -> None:
    stacked = {name: array for name, array in arrays().items() if array.shape == (5, 3)} | {"counts": np.arange(5)}
    write_tensors(tmp_path / "a.safetensors", stacked)

    for row in range(5):
        assert same(read_row(tmp_path / "a.safetensors", row), {name: array[row] for name, array in stacked.items()})


@pytest.mark.parametrize("row", [-1, 5])
def test_a_row_that_is_not_there_is_refused(tmp_path: Path, row: int) -> None:
    write_tensors(tmp_path / "a.safetensors", {"x": np.zeros((5, 2), np.float32)})

    with pytest.raises(TensorFileError, match=r"has the shape \[5, 2\] and no row"):
        read_row(tmp_path / "a.safetensors", row)


def test_writing_to_a_mapped_array_leaves_the_file_alone(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a.safetensors", {"x": np.zeros(4)})

    map_tensors(tmp_path / "a.safetensors")["x"][0] = 1

    assert not map_tensors(tmp_path / "a.safetensors")["x"].any()


def entry(**changes: object) -> bytes:
    header = {"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **changes}}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(16)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\xff" * 40, "cut off or damaged"),
        ((4).to_bytes(8, "little") + b"nope", "cut off or damaged"),
        ((2).to_bytes(8, "little") + b"[]", "cut off or damaged"),
        (entry(dtype="BF16", shape=[8]), "'x' has dtype BF16"),
        (entry(dtype=["F32"]), "cut off or damaged"),
        (entry(data_offsets=[4, 20]), "cut off or damaged"),
        (entry(shape=[4.5]), "cut off or damaged"),
        (entry(shape=[4, *[1] * 100]), "maximum supported dimension"),
        (entry().replace(b"[4]", b"1e9"), "cut off or damaged"),
        (entry(shape=[5]), "cut off or damaged"),
        (entry(data_offsets=[0, 20], shape=[5]), "cut off or damaged"),
        (entry(data_offsets=[-16, 0]), "cut off or damaged"),
        (entry(shape=[-2, -2]), "cut off or damaged"),
        (entry(shape="four"), "cut off or damaged"),
        (entry(data_offsets=[0]), "cut off or damaged"),
        (entry()[:-1], "cut off or damaged"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.safetensors").write_bytes(content)

    with pytest.raises(TensorFileError, match=words):
        map_tensors(tmp_path / "a.safetensors")


def test_rows_of_a_mapped_array_are_those_of_the_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "CHUNK_BYTES", 100)
    whole = np.arange(40).reshape(20, 2)
    index = np.array([7, 3, 3, 19, 0])
    found, expected = Rows(whole).take(np.arange(1, 20)).take(index - (index > 0)), whole[1:][index - (index > 0)]

    assert (found.shape, found.dtype, len(found)) == ((5, 2), whole.dtype, 5)
    np.testing.assert_array_equal(found[:], expected)
    np.testing.assert_array_equal(found[2], expected[2])
    np.testing.assert_array_equal(found[np.array([4, 1])], expected[[4, 1]])
    np.testing.assert_array_equal(np.concatenate(list(chunks(found))), expected)
