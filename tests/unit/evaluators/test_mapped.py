"""Large intermediate results in files: the same numbers in the same order in memory, and memory that is not the process's own."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from harness_evaluators.common import mapped

VALUES = np.arange(12.0).reshape(3, 4)


@pytest.fixture(params=[0, mapped.IN_MEMORY_BYTES], ids=["in a file", "in memory"], autouse=True)
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Hold all arrays in files, or none."""
    monkeypatch.setattr(mapped, "IN_MEMORY_BYTES", request.param)
    return int(request.param)


@pytest.mark.parametrize("values", [VALUES, VALUES.T, VALUES.astype(np.float32), VALUES[0]], ids=str)
def test_copies_have_the_numbers_and_the_order_in_memory(values: mapped.NDArray[np.float64]) -> None:
    for found in (mapped.copied(values), mapped.kept(values), mapped.joined([values, values])[: len(values)]):
        np.testing.assert_array_equal(found, values)
        assert (found.dtype, found.strides[0] < found.strides[-1]) == (
            values.dtype,
            values.strides[0] < values.strides[-1],
        )
    np.testing.assert_array_equal(mapped.taken(values, np.array([2, 0])), values[[2, 0]])
    np.testing.assert_array_equal(mapped.joined([values, values]), np.concatenate([values, values]))


def test_files_have_no_name_and_are_no_memory_of_the_process(
    limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = _anonymous()
    found = mapped.full((64, 1 << 16), 1.0)  # 32 MiB

    assert mapped.kept(found) is found or not limit
    assert not list(tmp_path.iterdir())
    assert found.sum() == 1 << 22
    if not limit:
        assert _anonymous() - before < 8 << 20


def test_a_disk_without_room_leaves_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped.os, "posix_fallocate", full)

    np.testing.assert_array_equal(mapped.copied(VALUES), VALUES)


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text().partition("RssAnon:")[2]
    return int(status.split()[0]) << 10
