"""Wheels of strangers are read with care."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from harness.errors import PluginPackagingError
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile
from tests.unit.bundles.wheels import INFO, metadata, write_wheel

TARGET = PythonTarget((3, 11, 2), "x86_64", (2, 36))


def test_name_version_and_entry_points_are_read(tmp_path: Path) -> None:
    wheel = WheelFile.read(write_wheel(tmp_path))
    assert (wheel.name, wheel.version, wheel.entry_points) == ("toy", "1.0", {"toy": "toy:plugin"})


@pytest.mark.parametrize("name", ["toy.whl", "toy-1.0.whl", "toy-one-py3-none-any.whl"])
def test_an_odd_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginPackagingError, match="NAME-VERSION-PYTHON-ABI-PLATFORM"):
        WheelFile.read(write_wheel(tmp_path, name=name))


@pytest.mark.parametrize("member", ["../out.py", "/etc/out.py", "toy/../../out.py", "toy\\out.py"])
def test_a_member_outside_its_folder_is_refused(tmp_path: Path, member: str) -> None:
    with pytest.raises(PluginPackagingError, match="outside the target folder"):
        WheelFile.read(write_wheel(tmp_path, {member: ""}))


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    path = write_wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("toy/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(PluginPackagingError, match="not a regular file"):
        WheelFile.read(path)


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = write_wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("toy/__init__.py", "X = 2\n")
    with pytest.raises(PluginPackagingError, match="twice"):
        WheelFile.read(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy-1.0-py3-none-any.whl"
    path.write_bytes(b"hello")
    with pytest.raises(PluginPackagingError, match="cannot be read as a wheel"):
        WheelFile.read(path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    path = write_wheel(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"X = 1\n", b"X = 2\n"))
    with pytest.raises(PluginPackagingError, match="cannot be read"):
        WheelFile.read(path).files()


def test_file_name_and_metadata_must_agree(tmp_path: Path) -> None:
    with pytest.raises(PluginPackagingError, match="disagree"):
        WheelFile.read(write_wheel(tmp_path, name="toy-2.0-py3-none-any.whl"))


def test_metadata_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(PluginPackagingError, match="no METADATA"):
        WheelFile.read(write_wheel(tmp_path, {f"{INFO}/METADATA": None}))


def test_metadata_must_be_valid(tmp_path: Path) -> None:
    with pytest.raises(PluginPackagingError, match="invalid metadata"):
        WheelFile.read(write_wheel(tmp_path, metadata("Requires-Dist: !!")))


def test_entry_points_must_be_valid(tmp_path: Path) -> None:
    with pytest.raises(PluginPackagingError, match="entry_points"):
        WheelFile.read(write_wheel(tmp_path, {f"{INFO}/entry_points.txt": "toy = toy\n"}))


def test_markers_are_judged_for_the_sandboxs_python(tmp_path: Path) -> None:
    lines = [
        "Requires-Dist: a; python_version >= '3.11'",
        "Requires-Dist: b; python_version < '3.11'",
        "Requires-Dist: c; extra == 'c'",
    ]
    wheel = WheelFile.read(write_wheel(tmp_path, metadata("Provides-Extra: c", *lines)))
    assert [item.name for item in wheel.requires(TARGET)] == ["a"]


def test_a_wheel_for_another_python_does_not_fit(tmp_path: Path) -> None:
    wheel = WheelFile.read(write_wheel(tmp_path, name="toy-1.0-cp39-cp39-manylinux_2_17_x86_64.whl"))
    with pytest.raises(PluginPackagingError, match=r"not compatible with the sandbox's Python 3\.11\.2"):
        wheel.check_fits(TARGET)


def test_a_wheel_for_this_python_and_an_older_system_fits(tmp_path: Path) -> None:
    WheelFile.read(write_wheel(tmp_path, name="toy-1.0-cp311-cp311-manylinux2014_x86_64.whl")).check_fits(TARGET)


def test_requires_python_is_heeded(tmp_path: Path) -> None:
    wheel = WheelFile.read(write_wheel(tmp_path, metadata("Requires-Python: >=3.12")))
    with pytest.raises(PluginPackagingError, match=r"requires Python >=3\.12"):
        wheel.check_fits(TARGET)


def test_files_have_digests_and_the_record_has_none(tmp_path: Path) -> None:
    files = WheelFile.read(write_wheel(tmp_path)).files()
    assert files["toy/__init__.py"] == hashlib.sha256(b"X = 1\n").hexdigest()
    assert f"{INFO}/RECORD" not in files


def test_unpacking_takes_modules_and_leaves_scripts(tmp_path: Path) -> None:
    changes = {"toy-1.0.data/purelib/extra.py": "Y = 2\n", "toy-1.0.data/scripts/tool": "#!python\n"}
    WheelFile.read(write_wheel(tmp_path, changes)).unpack(tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.py")}
    assert found == {"toy/__init__.py", "extra.py"}
    assert not list((tmp_path / "out").rglob("tool"))
