"""Scratch folders are emptied whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path

from harness_guest.scratch import wipe
from tests.unit.guest.lab import Lab


def test_files_folders_links_and_pipes_go_and_the_folder_stays(tmp_path: Path) -> None:
    scratch, outside = tmp_path / "scratch", tmp_path / "outside"
    (scratch / "a" / "b").mkdir(parents=True)
    (scratch / "a" / "b" / "file").write_text("x")
    outside.mkdir()
    (outside / "kept").write_text("x")
    (scratch / "link").symlink_to(outside)
    (scratch / "a" / "link").symlink_to(outside / "kept")
    os.mkfifo(scratch / "pipe")

    assert wipe(str(scratch))
    assert list(scratch.iterdir()) == []
    assert (outside / "kept").read_text() == "x"


def test_folders_without_permissions_go(tmp_path: Path) -> None:
    locked = tmp_path / "x" / "locked"
    (locked / "inner").mkdir(parents=True)
    locked.chmod(0)
    (tmp_path / "x").chmod(0)

    assert wipe(str(tmp_path))


def test_a_tree_deeper_than_any_path_may_be_goes(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("deeper", dir_fd=fd)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)

    assert wipe(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_home_and_temporary_folder_are_there_and_empty_for_every_model(lab: Lab) -> None:
    look = "home = os.path.expanduser('~')\nprint(sorted(os.listdir(home)), os.listdir(os.environ['TMPDIR']))\n"
    for _ in range(2):
        outcome, _ = lab.body(look + "open(home + '/x', 'w').write('x')\nopen(os.environ['TMPDIR'] + '/y', 'w')")

        assert outcome.log.head == "['.cache'] ['home']\n"
