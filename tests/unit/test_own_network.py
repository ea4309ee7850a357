"""What a task brings for its network: where its modules come from, in this process and in guests."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import TaskInvalidError
from harness.references.own_network import OwnNetwork, import_from
from harness.runners.wheels.target import PythonTarget
from harness.tasks.task import Task, TaskData
from reference_models.networks.recipe import ArchitectureSpec, Recipe
from tests.wheels import write_wheel

MODULE = "odd_net"


@pytest.fixture(autouse=True)
def _restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "real").mkdir()
    (tmp_path / "cache").symlink_to("real")  # sites are known by where they are, whatever the cache is called
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    yield
    import_from(None, frozenset({MODULE}))


def no_data() -> TaskData:
    raise AssertionError("no data is needed")


def task(folder: Path, source: str, **members: str) -> Task:
    folder.mkdir()
    wheel = write_wheel(folder, "odd-net", {MODULE: source}, {}, **members)
    return Task("odd", "", no_data, ArchitectureSpec(f"{MODULE}:net", package=wheel.name), Recipe(), folder=folder)


def test_of_two_tasks_each_gets_its_own_package(tmp_path: Path) -> None:
    one, two = task(tmp_path / "one", "NUMBER = 1\n"), task(tmp_path / "two", "NUMBER = 2\n")

    found = []
    for own in (one, two, one):
        digest = OwnNetwork.of(own).task.architecture.digest
        found.append((digest, importlib.import_module(MODULE).NUMBER))

    assert [number for _, number in found] == [1, 2, 1]
    assert found[0][0] == found[2][0] != found[1][0]
    assert sum("/architectures/" in entry for entry in sys.path) == 1


def test_a_copy_on_the_path_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{MODULE}.py").write_text("NUMBER = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.import_module(MODULE).NUMBER == 7

    OwnNetwork.of(task(tmp_path / "one", "NUMBER = 1\n"))

    assert importlib.import_module(MODULE).NUMBER == 1


def test_a_guest_gets_the_dependencies_that_it_lacks_and_this_process_those_that_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "links").mkdir()
    write_wheel(tmp_path / "links", "odd-helper", {"odd_helper": ""}, {})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    metadata = "Metadata-Version: 2.1\nName: odd-net\nVersion: 1.0\nRequires-Dist: odd-helper\nRequires-Dist: numpy\n"
    own = OwnNetwork.of(task(tmp_path / "one", "", **{"odd_net-1.0.dist-info/METADATA": metadata}))
    here = own.here
    has_both = own.site(PythonTarget.current(), {"odd-helper": "1.0", "numpy": "2.0"})

    assert here is not None
    assert has_both is not None
    assert {path.name for path in here.glob("*.py")} == {f"{MODULE}.py", "odd_helper.py"}
    assert {path.name for path in has_both.glob("*.py")} == {f"{MODULE}.py"}
    assert own.site() == here  # a guest in this environment lacks what this process lacks, though it has the site now


@pytest.mark.parametrize("name", ["torch", "numpy", "unlearning-harness"])
def test_a_package_by_the_name_of_a_library_of_the_harness_is_refused(name: str, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, name, {MODULE: "", "numpy": ""}, {})
    own = Task("odd", "", no_data, ArchitectureSpec(f"{MODULE}:net", package=wheel.name), Recipe(), folder=tmp_path)
    library = sys.modules["numpy"]

    with pytest.raises(TaskInvalidError, match="has the name of a library that the harness itself needs"):
        OwnNetwork.of(own)

    assert sys.modules["numpy"] is library
