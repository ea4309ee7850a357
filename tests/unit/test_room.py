"""Arrays that may be larger than memory: the same as others, and in a file that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.core import room as rooms
from harness.core.cache import cache_root
from harness.core.room import room, stacked
from harness.errors import NoSpaceError


def test_a_small_array_is_in_memory() -> None:
    assert not isinstance(room((3, 2), np.float32), np.memmap)


def test_a_large_array_lies_in_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "IN_MEMORY_BYTES", 8)

    found = room((3, 2), np.float32)
    found[:] = 1.5
    found[1] = 2.5

    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, [[1.5, 1.5], [2.5, 2.5], [1.5, 1.5]])
    assert not [path for path in Path(cache_root()).iterdir() if path.is_file()]


def test_a_disk_without_room_is_told_at_once() -> None:
    with pytest.raises(NoSpaceError, match="no space left"):
        room((1 << 50,), np.uint8)


def test_rows_are_stacked_one_after_another_and_a_name_that_one_lacks_is_left_out() -> None:
    read: list[int] = []

    def rows() -> Iterator[dict[str, NDArray[np.generic]]]:
        for number in range(3):
            read.append(number)
            yield {"a": np.full((2,), number, np.float32), "s": np.int64(number)} | (
                {"b": np.ones(1)} if number else {}
            )

    found = stacked(({**row, "b": row.get("b", np.zeros(1))} for row in rows()), 3)
    np.testing.assert_array_equal(found["a"], [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(found["s"], [0, 1, 2])
    assert (found["a"].dtype, found["s"].dtype, read) == (np.float32, np.int64, [0, 1, 2])
    assert set(stacked(rows(), 3)) == {"a", "s"}
    assert stacked(iter(()), 0) == {}
