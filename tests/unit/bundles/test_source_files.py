"""One rule for links in a source directory: inside they are followed, outside they are named and refused."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from harness.errors import PluginPackagingError
from harness.runners.bundles.source import _tar
from harness.runners.bundles.source_files import source_files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    (folder / "core").mkdir(parents=True)
    (folder / "core" / "a.py").write_text("a")
    (folder / "pyproject.toml").write_text("")
    return folder


def names(source: Path) -> list[str]:
    return [name for name, _ in source_files(source)]


def test_links_to_files_and_folders_inside_are_what_they_lead_to(source: Path) -> None:
    (source / "src").mkdir()
    (source / "src" / "m").symlink_to("../core")
    (source / "b.py").symlink_to(source / "src" / "m" / "a.py")  # absolute, and by way of another link

    files = dict(source_files(source))
    assert list(files) == ["b.py", "core/a.py", "pyproject.toml", "src/m/a.py"]
    with tarfile.open(fileobj=io.BytesIO(_tar(files))) as tar:
        assert all(member.isreg() for member in tar)
        assert {member.mtime for member in tar} == {315_532_800}
        content = tar.extractfile("src/m/a.py")
        assert content is not None
        assert content.read() == b"a"


def test_a_directory_that_is_named_by_a_link_is_walked_as_what_it_is(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source)
    (source / "l.py").symlink_to("core/a.py")

    assert names(tmp_path / "link") == ["core/a.py", "l.py", "pyproject.toml"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("../outside.py", r"l links to .*outside\.py, which is outside .*p and is not copied\. Copy it"),
        ("../other", "l links to .*other, which is outside"),
        ("nowhere", "l links to nowhere, which does not exist"),
        ("l", "l links to l, which does not exist"),
        (".", "l links to .*p, one of its parent folders"),
        ("core/../core/up", "core/up links to|l links to .*p, one of its parent folders"),
    ],
)
def test_a_link_that_cannot_travel_is_named(source: Path, tmp_path: Path, target: str, message: str) -> None:
    (tmp_path / "outside.py").write_text("")
    (tmp_path / "other").mkdir()
    (source / "core" / "up").symlink_to("..") if "up" in target else None
    (source / "l").symlink_to(target)

    with pytest.raises(PluginPackagingError, match=message):
        names(source)


def test_what_is_no_part_of_the_package_is_left_out_links_too(source: Path) -> None:
    for folder in (".git", ".venv", "build", "m.egg-info", "core/__pycache__"):
        (source / folder).mkdir()
        (source / folder / "x").symlink_to("/etc/passwd")
    (source / ".#a.py").symlink_to("user@host.1234:1")
    os.mkfifo(source / "pipe")
    (source / "core" / "build").mkdir()
    (source / "core" / "build" / "kept.py").write_text("")

    assert names(source) == ["core/a.py", "core/build/kept.py", "pyproject.toml"]
