"""A new package is on disk as a whole, or nothing of it is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from harness.errors import FolderOccupiedError, HarnessError, OutputUnwritableError
from harness.newplugin.writing import write_package

FILES = {PurePosixPath("a.txt"): "ä\n", PurePosixPath("b/c.txt"): ""}


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_files_are_written_below_a_folder_that_is_made(tmp_path: Path) -> None:
    write_package(tmp_path / "deep" / "new", FILES)

    assert everything(tmp_path) == ["deep", "deep/new", "deep/new/a.txt", "deep/new/b", "deep/new/b/c.txt"]
    assert (tmp_path / "deep" / "new" / "a.txt").read_text(encoding="utf-8") == "ä\n"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    write_package(tmp_path / "new", FILES)

    assert everything(tmp_path / "new") == ["a.txt", "b", "b/c.txt"]


def test_a_folder_with_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".hidden").write_text("mine")
    with pytest.raises(FolderOccupiedError, match="new already"):
        write_package(tmp_path / "new", FILES)

    assert everything(tmp_path) == ["new", "new/.hidden"]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_is_no_folder_is_left_as_it_is(tmp_path: Path, kind: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    if kind == "file":
        (tmp_path / "new").write_text("mine")
    else:
        (tmp_path / "new").symlink_to("elsewhere" if kind == "link" else "nowhere")
    with pytest.raises(FolderOccupiedError):
        write_package(tmp_path / "new", FILES)

    assert everything(tmp_path) == ["elsewhere", "new"]


def test_nothing_is_left_of_a_package_that_could_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(HarnessError):
        write_package(tmp_path / "new", {**FILES, PurePosixPath("z" * 300): ""})

    assert everything(tmp_path) == []


def test_a_file_where_the_folder_above_should_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritableError, match="cannot be written"):
        write_package(tmp_path / "file" / "new", FILES)
