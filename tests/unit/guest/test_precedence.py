"""A plugin that is also installed is imported from the folder that was asked for, and only a plugin is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness_guest.plugin import PluginSetupError, load_unlearner
from tests.unit.guest.lab import write_distribution

SOURCE = """
import pluggy
{imports}

@pluggy.HookimplMarker("harness")
def unlearn(model):
    return {value}
"""


@pytest.fixture(autouse=True)
def _own_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the import system after each test."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    for module in ("toy_method", "toy_helper"):
        monkeypatch.delitem(sys.modules, module, raising=False)


def write_plugin(folder: Path, value: str, *, distribution: str = "toy", imports: str = "") -> str:
    write_distribution(folder, distribution, "toy_method", "toy")
    (folder / "toy_method.py").write_text(SOURCE.format(value=value, imports=imports))
    return str(folder)


def answer(plugin_path: str, distribution: str = "toy") -> str:
    hook = load_unlearner("toy", distribution, plugin_path)
    return str(hook(model=None, retain=None, forget=None, validation=None, context=None))


def test_the_folder_comes_before_an_installed_copy(tmp_path: Path) -> None:
    sys.path.insert(0, write_plugin(tmp_path / "installed", "'old'"))

    assert answer(write_plugin(tmp_path / "asked", "'new'")) == "new"


def test_other_modules_of_the_plugin_come_from_the_folder_too(tmp_path: Path) -> None:
    folders = [tmp_path / "installed", tmp_path / "asked"]
    for folder in folders:
        write_plugin(folder, "toy_helper.VALUE", imports="import toy_helper")
        (folder / "toy_helper.py").write_text(f"VALUE = {folder.name!r}\n")
        (folder / "toy-1.0.dist-info" / "RECORD").write_text("toy_method.py,,\ntoy_helper.py,,\n")
    sys.path.insert(0, str(folders[0]))

    assert answer(str(folders[1])) == "asked"


def test_a_module_of_another_distribution_is_not_stood_before(tmp_path: Path) -> None:
    sys.path.insert(0, write_plugin(tmp_path / "installed", "'old'", distribution="another"))

    with pytest.raises(PluginSetupError, match="another package of that name"):
        answer(write_plugin(tmp_path / "asked", "'new'"))


def test_the_name_of_a_distribution_alone_gives_no_precedence(tmp_path: Path) -> None:
    installed = write_plugin(tmp_path / "installed", "'old'")
    (tmp_path / "installed" / "toy-1.0.dist-info" / "entry_points.txt").write_text("")
    sys.path.insert(0, installed)

    with pytest.raises(PluginSetupError, match="another package of that name"):
        answer(write_plugin(tmp_path / "asked", "'new'"))
