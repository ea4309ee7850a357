"""The cache keeps whole entries only, verifies them on read, and survives kills and rivals."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.cache import Cache, key_of, take_rebuilt
from harness.errors import CacheError, NoSpaceError

INPUTS = {"what": "test", "number": 1}


def _write(folder: Path, text: str = "content") -> None:
    (folder / "value.txt").write_text(text)


def test_an_entry_is_built_once(tmp_path: Path) -> None:
    cache = Cache("things", tmp_path)
    first, hit_first = cache.get_or_build(INPUTS, _write)
    second, hit_second = cache.get_or_build(INPUTS, lambda folder: _write(folder, "other"))

    assert (first, hit_first, hit_second) == (second, False, True)
    assert (second / "value.txt").read_text() == "content"


def test_another_input_is_another_entry(tmp_path: Path) -> None:
    cache = Cache("things", tmp_path)
    first, _ = cache.get_or_build(INPUTS, _write)
    second, _ = cache.get_or_build({**INPUTS, "number": 2}, _write)

    assert first != second


def test_one_changed_byte_is_noticed_and_the_entry_built_anew(tmp_path: Path) -> None:
    cache = Cache("things", tmp_path)
    folder, _ = cache.get_or_build(INPUTS, _write)
    (folder / "value.txt").write_text("contenT")

    take_rebuilt()

    again, hit = cache.get_or_build(INPUTS, _write)

    assert not hit
    assert (again / "value.txt").read_text() == "content"
    (notice,) = take_rebuilt()
    assert f"things/{key_of(INPUTS)[:12]}" in notice
    assert take_rebuilt() == []


@pytest.mark.parametrize("damage", ["", "{", '{"files": 3}', "[]"])
def test_a_damaged_record_is_noticed(tmp_path: Path, damage: str) -> None:
    cache = Cache("things", tmp_path)
    folder, _ = cache.get_or_build(INPUTS, _write)
    (folder / "entry.json").write_text(damage)

    assert cache.get_or_build(INPUTS, _write)[1] is False


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    cache = Cache("things", tmp_path)
    folder, _ = cache.get_or_build(INPUTS, _write)
    (folder / "value.txt").unlink()

    assert cache.get_or_build(INPUTS, _write)[1] is False


def test_a_failing_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _write(folder)
        raise RuntimeError("half-way")

    cache = Cache("things", tmp_path)
    with pytest.raises(RuntimeError, match="half-way"):
        cache.get_or_build(INPUTS, fail)

    assert list(cache.entries()) == []
    assert [path for path in tmp_path.rglob("*") if path.name == "value.txt"] == []


def test_a_full_disk_is_told_with_what_to_do(tmp_path: Path) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))

    with pytest.raises(NoSpaceError, match="HARNESS_CACHE_DIR"):
        Cache("things", tmp_path).get_or_build(INPUTS, full)


def test_a_cache_below_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(CacheError, match="HARNESS_CACHE_DIR"):
        Cache("things", tmp_path / "file").get_or_build(INPUTS, _write)


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.core.cache import Cache

def build(folder):
    (folder / "value.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

Cache("things", Path(sys.argv[1])).get_or_build({"what": "test", "number": 1}, build)
"""


def test_a_build_killed_half_way_is_done_again_and_its_remains_are_removed(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL

    folder, hit = Cache("things", tmp_path).get_or_build(INPUTS, _write)

    assert not hit
    assert (folder / "value.txt").read_text() == "content"
    assert len(list(tmp_path.rglob("value.txt"))) == 1


def _rival(root: Path, barrier: object, builds: object) -> None:
    def build(folder: Path) -> None:
        with builds.get_lock():  # type: ignore[attr-defined]
            builds.value += 1  # type: ignore[attr-defined]
        _write(folder)

    barrier.wait()  # type: ignore[attr-defined]
    Cache("things", root).get_or_build(INPUTS, build)


def test_rivals_for_one_entry_build_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, builds = context.Barrier(4), context.Value("i", 0)
    rivals = [context.Process(target=_rival, args=(tmp_path, barrier, builds)) for _ in range(4)]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()

    assert [rival.exitcode for rival in rivals] == [0, 0, 0, 0]
    assert builds.value == 1


def test_entries_are_listed_with_inputs_and_size_and_can_be_removed(tmp_path: Path) -> None:
    cache = Cache("things", tmp_path)
    cache.get_or_build(INPUTS, _write)

    (entry,) = cache.entries()
    assert (entry.inputs, entry.size_bytes > len("content")) == (INPUTS, True)

    cache.remove(entry)
    assert list(cache.entries()) == []
