"""What dead runs have left is removed; what a living run holds is not."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from harness.core.cache import Cache, key_of, remove_abandoned
from harness.core.hardware import boot_id
from harness.core.locks import locked
from harness.runners.engine.owners import Owner
from harness.runners.images import build_context
from harness.runners.orphans import reap_guest_folders
from harness.runners.process import FOLDER
from harness.runners.process_handle import MARK_VARIABLE
from harness.runs.reaping import BUILD_LOCK, reap_build_contexts

INPUTS = {"what": "test"}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a temporary folder for this test's temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _abandoned_entry(root: Path) -> Path:
    key = key_of(INPUTS)
    partial = root / "things" / key[:2] / f".{key}-{boot_id()[:8]}-abcd1234"
    partial.mkdir(parents=True)
    (partial / "half").write_text("x")
    return partial


def test_a_half_built_entry_that_nobody_builds_is_removed(tmp_path: Path) -> None:
    partial = _abandoned_entry(tmp_path)

    assert remove_abandoned(tmp_path) == [partial]
    assert not partial.exists()


def test_what_another_host_builds_is_left_alone_until_it_is_a_day_old(tmp_path: Path) -> None:
    ours = _abandoned_entry(tmp_path)
    theirs = ours.rename(ours.with_name(ours.name.replace(boot_id()[:8], "01234567")))

    assert remove_abandoned(tmp_path) == []
    assert (theirs / "half").exists()

    for path in (theirs / "half", theirs):
        os.utime(path, (1, 1))
    assert remove_abandoned(tmp_path) == [theirs]


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    partial = _abandoned_entry(tmp_path)

    assert remove_abandoned(tmp_path, dry_run=True) == [partial]
    assert partial.exists()


def test_an_entry_that_is_being_built_is_left_alone(tmp_path: Path) -> None:
    found: list[list[Path]] = []

    def build(folder: Path) -> None:
        (folder / "half").write_text("x")
        found.append(remove_abandoned(tmp_path))
        (folder / "other half").write_text("x")

    place, _ = Cache("things", tmp_path).get_or_build(INPUTS, build)

    assert found == [[]]
    assert sorted(file.name for file in place.iterdir()) == ["entry.json", "half", "other half"]


def test_finished_entries_are_left_alone(tmp_path: Path) -> None:
    place, _ = Cache("things", tmp_path).get_or_build(INPUTS, lambda folder: (folder / "x").touch())

    assert remove_abandoned(tmp_path) == []
    assert (place / "x").exists()


def test_a_guests_folder_that_nobody_holds_is_removed_with_the_process_that_runs_in_it(tmp_path: Path) -> None:
    folder = tmp_path / f"{FOLDER}dead"
    folder.mkdir()
    survivor = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={MARK_VARIABLE: str(folder)}, start_new_session=True
    )

    assert reap_guest_folders() == [folder]
    assert survivor.wait() == -9
    assert not folder.exists()


def test_a_guests_folder_that_its_run_holds_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / f"{FOLDER}alive"
    folder.mkdir()
    hold = os.open(folder, os.O_RDONLY)
    fcntl.flock(hold, fcntl.LOCK_EX)

    assert reap_guest_folders() == []
    assert folder.exists()
    os.close(hold)


def test_a_guests_folder_in_the_making_goes_by_its_process_and_not_by_the_clock(tmp_path: Path) -> None:
    me = Owner.current()
    with subprocess.Popen(["true"]) as ended:
        pass
    makers = {
        "living": me,
        "dead": replace(me, pid=str(ended.pid)),
        "another with its number": replace(me, start="1"),
        "before a reboot": replace(me, boot="another"),
        "in another container": replace(me, pid_namespace="pid:[1]"),
    }
    folders = {name: tmp_path / f".{FOLDER}{','.join(astuple(one))},x" for name, one in makers.items()}
    for folder in folders.values():
        folder.mkdir()
        os.utime(folder, (1, 1))  # as after a step of the clock

    gone = {folders[name] for name in ("dead", "another with its number", "before a reboot")}
    assert set(reap_guest_folders()) == gone


def test_a_link_in_the_place_of_a_guests_folder_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (tmp_path / f"{FOLDER}link").symlink_to(precious)

    assert reap_guest_folders() == []
    assert precious.exists()


def test_a_build_context_is_removed_unless_a_build_is_under_way(tmp_path: Path) -> None:
    context = tmp_path / "tmpabcd1234"
    context.touch()

    with locked(tmp_path / BUILD_LOCK):
        assert reap_build_contexts(tmp_path) == []
    assert reap_build_contexts(tmp_path) == [context]
    assert not context.exists()


def test_the_builds_lock_is_the_one_that_builds_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path))
    context = tmp_path / "tmpabcd1234"
    context.touch()

    with build_context.building():
        assert reap_build_contexts(tmp_path) == []
