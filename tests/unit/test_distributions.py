"""Installed metadata of whatever quality: what is damaged is skipped and named, what is sound is found."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from harness.core.metadata import find_installed, installed_versions
from harness.errors import DuplicatePluginError, PluginNotFoundError, PluginPackagingError
from harness.plugins.discovery import UNLEARNERS, damaged_distributions, find_plugins, find_unlearner
from harness.runners.bundles import resolve
from tests.unit.bundles.wheels import write_wheel

OURS = b"[harness.unlearners]\nmine = m\n"


@pytest.fixture(autouse=True)
def _other_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def put(
    site: Path, monkeypatch: pytest.MonkeyPatch, points: bytes, name: str = "odd", metadata: bytes | None = None
) -> Path:
    """Install a distribution of these bytes at the beginning of ``sys.path``."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    (info / "METADATA").write_bytes(text if metadata is None else metadata)
    (info / "entry_points.txt").write_bytes(points)
    monkeypatch.syspath_prepend(str(site))
    return info


def mine() -> list[str]:
    return [found.value for found in find_plugins(UNLEARNERS) if found.name == "mine"]


@pytest.mark.parametrize(
    ("points", "metadata", "said", "found"),
    [
        (b"[console_scripts]\nmine\n", None, "line 2 of its entry_points.txt is not NAME = VALUE", []),
        (b"[console_scripts]\nmine\n" + OURS, None, "line 2", ["m"]),
        (OURS + b"= x\n", None, "line 3", ["m"]),
        (b"mine = m\n", None, "line 1", []),
        (b"\xff\xfe", None, "UnicodeDecodeError", []),
        (b"\xef\xbb\xbf" + OURS, None, "", ["m"]),
        (OURS.replace(b"\n", b"\r\n"), None, "", ["m"]),
        (OURS, b"\xff\xfe\x00", "UnicodeDecodeError", []),
        (OURS, b"Metadata-Version: 2.1\n", "its metadata has no Name", []),
        (OURS, b"", "its metadata has no Name", []),
    ],
)
def test_a_damaged_distribution_is_named_and_stops_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    points: bytes,
    metadata: bytes | None,
    said: str,
    found: list[str],
) -> None:
    info = put(tmp_path / "site", monkeypatch, points, metadata=metadata)
    told = [text for text in damaged_distributions() if str(info) in text]

    assert mine() == found
    assert find_unlearner("finetune").bundled
    assert "torch" in installed_versions()
    assert [said in text and "Reinstall its distribution" in text for text in told] == [True] * bool(said)


def test_empty_metadata_are_named_with_the_backport_in_the_standard_librarys_place_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backport = pytest.importorskip("importlib_metadata")
    info = put(tmp_path / "site", monkeypatch, OURS, metadata=b"")
    monkeypatch.setattr(importlib.metadata, "distributions", backport.distributions)

    assert [text for text in damaged_distributions() if str(info) in text and "its metadata has no Name" in text]


def test_names_are_one_in_all_their_forms_and_the_first_on_the_path_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "b", monkeypatch, OURS.replace(b"= m", b"= second"), "my_method")
    put(tmp_path / "a", monkeypatch, OURS.replace(b"= m", b"= first"), "My..method")

    assert mine() == ["first"]
    found = find_installed("my-METHOD")
    assert found is not None
    assert (found.name, found.canonical) == ("My..method", "my-method")


def test_a_name_that_one_distribution_registers_twice_is_told_with_both_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "a", monkeypatch, OURS + b"mine = n\nmine = m\n")

    with pytest.raises(DuplicatePluginError, match=r"several times by odd 1\.0 \(m and n\)\. Rename all but one"):
        find_unlearner("mine")


def test_a_wheel_that_registers_a_name_twice_is_refused(tmp_path: Path) -> None:
    points = {"toy-1.0.dist-info/entry_points.txt": "[harness.unlearners]\ntoy = toy\ntoy = toy:other\n"}
    with pytest.raises(PluginPackagingError, match="'toy' is registered twice, as 'toy' and 'toy:other'; rename one"):
        resolve(str(write_wheel(tmp_path, points)))


def test_what_lies_in_an_archive_on_the_path_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = write_wheel(tmp_path)
    monkeypatch.syspath_prepend(str(wheel))

    with pytest.raises(PluginPackagingError, match=rf"is in an archive on sys.path.*--plugin {wheel}"):
        resolve("toy")


def test_an_editable_installation_whose_source_is_gone_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = put(tmp_path / "a", monkeypatch, OURS)
    (info / "direct_url.json").write_text(
        json.dumps({"url": f"file://{tmp_path}/gone", "dir_info": {"editable": True}})
    )

    with pytest.raises(PluginPackagingError, match=r"gone, which no longer exists\. Reinstall it .*pip uninstall"):
        resolve("mine")


def test_an_editable_installation_older_than_its_source_is_told_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = put(tmp_path / "a", monkeypatch, OURS)
    source = tmp_path / "source"
    source.mkdir()
    (source / "other.py").write_text("")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "odd"\n'
        'version = "2"\n[project.entry-points."harness.unlearners"]\nother = "other"\n'
    )
    (info / "direct_url.json").write_text(json.dumps({"url": f"file://{source}", "dir_info": {"editable": True}}))

    with pytest.raises(PluginNotFoundError, match=r"it has: other\. The installation may be older .*pip install -e"):
        resolve("mine", allow_host_build=True)
