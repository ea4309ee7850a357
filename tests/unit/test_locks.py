"""Locks, and file systems without them."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from harness.core import cache
from harness.core.cache import Cache, key_of, remove_abandoned
from harness.core.hardware import boot_id
from harness.core.locks import HeldError, NoLocksError, locked
from harness.errors import CacheError, OutputUnwritableError, UsageError
from harness.runners.images import build_context
from harness.runs.store import RunStore

INPUTS = {"what": "test"}
NO_LOCKS = [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK]


def _write(folder: Path) -> None:
    (folder / "value.txt").write_text("content")


@pytest.fixture(params=NO_LOCKS, ids=errno.errorcode.get)
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that answers flock(2) as those without locks do; none can be mounted without privileges."""

    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_lock_that_another_process_holds_is_refused_and_waited_for(tmp_path: Path) -> None:
    program = """
import pathlib, sys
from harness.core.locks import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""
    command = [sys.executable, "-c", program, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(HeldError), locked(tmp_path / "lock", wait=False):
            pass
        holder.kill()
    with locked(tmp_path / "lock"):  # the kernel ended it
        pass


def test_threads_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    held, seen = threading.Event(), []

    def second() -> None:
        held.wait()
        with locked(tmp_path / "lock"):
            seen.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with locked(tmp_path / "lock"):
        held.set()
        seen.append("first")
    thread.join()

    assert seen == ["first", "second"]


def test_the_lock_of_a_file_that_may_only_be_read_can_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock").touch()
    real = os.open

    def as_another_user(path: Path, flags: int, *more: int) -> int:  # root may write everything
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", as_another_user)
    with locked(tmp_path / "lock"), pytest.raises(HeldError), locked(tmp_path / "lock", wait=False):
        pass


@pytest.mark.usefixtures("without_locks")
def test_a_cache_without_locks_is_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path))

    with pytest.raises(CacheError, match=r"has no locks.*HARNESS_CACHE_DIR.*local disk"):
        Cache("things").get_or_build(INPUTS, _write)
    with pytest.raises(CacheError, match="local disk"), build_context.building():
        pass
    assert remove_abandoned() == []
    assert not list(tmp_path.rglob("value.txt"))


@pytest.mark.usefixtures("without_locks")
def test_a_run_folder_without_locks_is_told_with_what_to_do(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run")

    with pytest.raises(OutputUnwritableError, match=r"has no locks.*--output"), store.held():
        pass


def test_another_kind_of_error_is_not_taken_for_a_lack_of_locks(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as told, locked(tmp_path / "none" / "lock"):
        pass
    assert not isinstance(told.value, NoLocksError)
    first, second = RunStore.create(tmp_path / "run"), RunStore(tmp_path / "run")
    with first.held(), pytest.raises(UsageError, match="Another process is using"), second.held():
        pass


def _place(root: Path) -> Path:
    key = key_of(INPUTS)
    return root / "things" / key[:2] / key


def test_an_entry_that_another_host_puts_meanwhile_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slower(folder: Path) -> None:
        _write(folder)
        with monkeypatch.context() as other:  # whose locks are its own
            other.setattr(fcntl, "flock", lambda *_: None)
            other.setattr(cache, "boot_id", lambda: "another")
            Cache("things", tmp_path).get_or_build(INPUTS, lambda to: (to / "value.txt").write_text("theirs") and None)

    folder, _ = Cache("things", tmp_path).get_or_build(INPUTS, slower)

    assert (folder / "value.txt").read_text() == "theirs"
    assert [path for path in folder.parent.iterdir() if path.is_dir()] == [folder]


def test_what_another_host_is_building_is_left_alone(tmp_path: Path) -> None:
    place = _place(tmp_path)
    theirs = place.with_name(f".{place.name}-01234567-abcdef")
    ours = place.with_name(f".{place.name}-{boot_id()[:8]}-abcdef")
    theirs.mkdir(parents=True)
    ours.mkdir()

    Cache("things", tmp_path).get_or_build(INPUTS, _write)

    assert theirs.exists()
    assert not ours.exists()


def test_a_removal_that_is_killed_half_way_leaves_no_half_of_an_entry(tmp_path: Path) -> None:
    things = Cache("things", tmp_path)
    things.get_or_build(INPUTS, _write)
    program = """
import os, pathlib, shutil, signal, sys
from harness.core.cache import Cache
shutil.rmtree = lambda path, **_: (pathlib.Path(path, "value.txt").unlink(), os.kill(os.getpid(), signal.SIGKILL))
cache = Cache("things", pathlib.Path(sys.argv[1]))
cache.remove(next(cache.entries()))
"""
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)

    assert killed.returncode == -9
    assert not things.holds(INPUTS)
    assert len(remove_abandoned(tmp_path)) == 1


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"[" * 100_000,
        b"\xff\xfe",
        b"[]",
        b'{"files": []}',
        b'{"inputs": {}, "files": {}}',
        b'{"inputs": 5, "files": {}}',
    ],
)
def test_an_entry_whose_record_is_damaged_is_built_anew(tmp_path: Path, damage: bytes) -> None:
    things = Cache("things", tmp_path)
    things.get_or_build(INPUTS, _write)
    (_place(tmp_path) / "entry.json").write_bytes(damage)

    assert next(iter(things.entries())).size_bytes > 0
    _, hit = things.get_or_build(INPUTS, _write)

    assert not hit
    assert json.loads((_place(tmp_path) / "entry.json").read_text())["inputs"] == INPUTS
