from __future__ import annotations

import errno
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import NoSpaceError, OutputUnwritableError
from harness.files import atomic_write_bytes, atomic_write_json, atomic_write_text, write_error


@pytest.fixture(name="one_kib_limit")
def _one_kib_limit() -> Iterator[None]:
    """No file may grow beyond 1 KiB, so that writing really fails half-way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic_write_bytes(path, b"old")
    atomic_write_json(path, {"new": 1})

    assert json.loads(path.read_text()) == {"new": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path, one_kib_limit: None) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(NoSpaceError, match="no space left"):
        atomic_write_bytes(path, b"x" * 100_000)

    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_missing_folder_is_unwritable(tmp_path: Path) -> None:
    with pytest.raises(OutputUnwritableError, match="cannot be written"):
        atomic_write_bytes(tmp_path / "missing" / "a.json", b"")


def test_a_folder_in_the_place_of_the_file_is_unwritable_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputUnwritableError):
        atomic_write_bytes(tmp_path / "a.json", b"")

    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_nan_is_refused_before_the_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic_write_json(path, {"x": float("nan")})

    assert path.read_bytes() == b"old"


def test_lone_surrogates_of_undecodable_file_names_are_written_as_escapes(tmp_path: Path) -> None:
    atomic_write_text(tmp_path / "a", "name-\udcff")

    assert (tmp_path / "a").read_bytes() == b"name-\\udcff"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_no_space(number: int) -> None:
    assert isinstance(write_error(Path("a"), OSError(number, "full")), NoSpaceError)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT])
def test_other_failures_to_write_are_unwritable(number: int) -> None:
    assert isinstance(write_error(Path("a"), OSError(number, "no")), OutputUnwritableError)
