"""Packages that are refused before anything is done with them, and with words that are harmless in a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.core.text import harmless
from harness.errors import PluginPackagingError
from harness.runners.bundles import resolve
from tests.hostile.packages import HOOK, INFO, understate, write_hostile_wheel


@pytest.mark.parametrize(
    "member", ["hostile.py/inner.py", "a" * 300 + ".py"], ids=["a file that is a folder too", "a name too long"]
)
def test_a_wheel_that_no_disk_could_hold_is_refused(tmp_path: Path, member: str) -> None:
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, **{member: "X = 1\n"})

    with pytest.raises(PluginPackagingError):
        resolve(str(path))


@pytest.mark.parametrize(
    "name",
    ["a\x1b[2J", "../../x", "<script>", "--help", "a\u202eb", "", "a#b", "A" * 300],
    ids=ascii,
)
def test_an_entry_point_of_an_odd_name_is_refused(tmp_path: Path, name: str) -> None:
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, points={name: "hostile"})

    with pytest.raises(PluginPackagingError) as caught:
        resolve(str(path))
    assert harmless(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize("value", ["hostile\x1b[2J", "import os; os._exit(1)", "../x", "", "<script>"], ids=ascii)
def test_an_entry_point_of_an_odd_value_is_refused(tmp_path: Path, value: str) -> None:
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, points={"hostile": value})

    with pytest.raises(PluginPackagingError):
        resolve(str(path))


@pytest.mark.parametrize("member", ["a\x1b[2J.py", "a\u202eb.py", "new\nline.py"], ids=ascii)
def test_a_file_of_an_odd_name_is_refused(tmp_path: Path, member: str) -> None:
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, **{member: "X = 1\n"})

    with pytest.raises(PluginPackagingError) as caught:
        resolve(str(path))
    assert harmless(str(caught.value)) == str(caught.value)


def test_metadata_of_megabytes_is_refused(tmp_path: Path) -> None:
    text = "Metadata-Version: 2.1\nName: hostile-plugin\nVersion: 1.0\n\n" + "A" * 5_000_000
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, **{f"{INFO}/METADATA": text})

    with pytest.raises(PluginPackagingError, match="bytes"):
        resolve(str(path))


@pytest.mark.parametrize("said", [10, 0xFFFFFFF0], ids=["less", "more"])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path, said: int) -> None:
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, **{"zeros.bin": bytes(20_000_000)})
    understate(path, "zeros.bin", said)

    with pytest.raises(PluginPackagingError):
        resolve(str(path))


def test_members_of_too_many_bytes_together_are_refused_unread(tmp_path: Path) -> None:
    path = write_hostile_wheel(tmp_path, {"hostile": HOOK}, **{f"zeros{number}.bin": b"0" for number in range(3)})
    for number in range(3):
        understate(path, f"zeros{number}.bin", 0xFFFFFFF0)

    with pytest.raises(PluginPackagingError, match="exceed the limits for a plugin"):
        resolve(str(path))
