from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.files import atomic_write_bytes, atomic_write_json, atomic_write_text, write_error
from harness.errors import NoSpaceError, OutputUnwritableError

# No file may grow beyond 1 KiB, so that writing really fails half-way; in a process of its own, as the limit is also that of
# whatever file the test run's own output goes to.
LIMITED = """
import resource, sys
from pathlib import Path
from harness.errors import NoSpaceError
from harness.core.files import atomic_write_bytes

resource.setrlimit(resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))
try:
    atomic_write_bytes(Path(sys.argv[1]), b"x" * 100_000)
except NoSpaceError as error:
    sys.exit(0 if "no space left" in str(error) else "another text")
sys.exit("it was written")
"""


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic_write_bytes(path, b"old")
    atomic_write_json(path, {"new": 1})

    assert json.loads(path.read_text()) == {"new": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    limited = subprocess.run([sys.executable, "-c", LIMITED, path], capture_output=True, text=True, check=False)

    assert limited.returncode == 0, limited.stderr
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
