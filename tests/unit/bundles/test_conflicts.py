"""Requirements that cannot be met, made of real wheels and told by the real pip: the first line names the one at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PluginPackagingError
from harness.runners.bundles.conflicts import reason
from harness.runners.bundles.dependencies import collect_dependencies
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile
from tests.unit.bundles.wheels import metadata, write_wheel

PRESENT = {"torch": "2.13.0"}


def library(folder: Path, name: str, version: str, *requires: str) -> None:
    """Write a wheel of a library."""
    info = f"{name}-{version}.dist-info"
    lines = "".join(f"Requires-Dist: {one}\n" for one in requires)
    write_wheel(
        folder,
        {
            "toy-1.0.dist-info/METADATA": None,
            "toy-1.0.dist-info/WHEEL": None,
            "toy-1.0.dist-info/RECORD": None,
            "toy-1.0.dist-info/entry_points.txt": None,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        },
        f"{name}-{version}-py3-none-any.whl",
    )


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def complaint(tmp_path: Path, *requires: str) -> str:
    """Return the message on a plugin with these requirements."""
    wheel = WheelFile.read(write_wheel(tmp_path, metadata(*(f"Requires-Dist: {one}" for one in requires))))
    with pytest.raises(PluginPackagingError) as caught:
        collect_dependencies(wheel, PythonTarget.current(), PRESENT, lambda _text: None)
    return str(caught.value)


def test_a_requirement_that_conflicts_with_the_sandbox_is_named_first(links: Path, tmp_path: Path) -> None:
    library(links, "pinned", "0.1.5", "torch ==2.1.0")

    first, _, rest = complaint(tmp_path, "pinned").partition("\n")

    assert first == (
        "Dependencies of toy 1.0 are not available: pinned 0.1.5 needs torch==2.1.0, but the sandbox has torch 2.13.0."
    )
    assert "ResolutionImpossible" in rest


def test_two_libraries_that_conflict_are_both_named_first(links: Path, tmp_path: Path) -> None:
    library(links, "left", "1.0", "shared ==1.0")
    library(links, "right", "1.0", "shared ==2.0")
    library(links, "shared", "1.0")
    library(links, "shared", "2.0")

    first = complaint(tmp_path, "left", "right").partition("\n")[0]

    assert first.endswith("left 1.0 needs shared==1.0, and right 1.0 needs shared==2.0.")


def test_a_library_that_is_nowhere_is_named_first_with_who_needs_it(links: Path, tmp_path: Path) -> None:
    library(links, "needy", "1.0", "absent >=3")
    python = PythonTarget.current().python

    first = complaint(tmp_path, "needy").partition("\n")[0]

    # pip says since 24 who needs it.
    assert first.replace(", which needy needs", "").endswith(f"there is no wheel of absent>=3, for Python {python}.")


@pytest.mark.parametrize("said", ["", "ERROR: something else", "The conflict is caused by:\n    nothing of the kind\n"])
def test_where_pip_says_something_else_no_reason_is_made_up(said: str) -> None:
    assert reason(said, "3.11", PRESENT) == ""
