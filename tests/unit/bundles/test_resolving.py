"""From what the user named to a bundle, with nothing imported on the way."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.errors import DuplicatePluginError, PluginNotFoundError, PluginPackagingError
from harness.runners.bundles import materialise, resolve
from harness.runners.bundles.installed import repack_installed
from tests.unit.bundles.wheels import SOUND, entry_points, metadata, write_wheel

if TYPE_CHECKING:
    from tests.unit.conftest import Install

STRANGER = Path(__file__).parents[2] / "assets" / "stranger"
EXITS = "import os\nos._exit(3)\n"


def _record(site: Path, *files: str) -> None:
    info = next(site.glob("*.dist-info"))
    own = [f"{info.name}/METADATA", f"{info.name}/entry_points.txt", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in (*own, *files)))


def test_a_wheel_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write_wheel(tmp_path)
    bundle = resolve(str(path))
    assert bundle.wheels == (path,)
    facts = bundle.facts
    assert (facts.name, facts.value, facts.distribution, facts.version) == ("toy", "toy:plugin", "toy", "1.0")
    assert facts.origin == "wheel"


def test_the_digest_depends_on_every_byte(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = resolve(str(write_wheel(tmp_path / "one"))).facts.digest
    two = resolve(str(write_wheel(tmp_path / "two", {"toy/__init__.py": "X = 2\n"}))).facts.digest
    assert one != two


def test_of_several_unlearners_one_must_be_chosen(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, entry_points("first", "second"))
    with pytest.raises(PluginPackagingError, match=r"first, second.*#first"):
        resolve(str(path))


def test_one_of_several_unlearners_is_chosen_by_name(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, entry_points("first", "second"))
    assert resolve(f"{path}#second").facts.value == "toy:second"


def test_a_wrong_choice_names_what_is_there(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, entry_points("first", "second"))
    with pytest.raises(PluginNotFoundError, match="first, second"):
        resolve(f"{path}#third")


def test_a_wheel_without_an_unlearner_is_refused_with_an_example(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, {"toy-1.0.dist-info/entry_points.txt": None})
    with pytest.raises(PluginPackagingError, match=r"project\.entry-points"):
        resolve(str(path))


@pytest.mark.parametrize("spec", ["missing.whl", "./missing", "/missing/dir"])
def test_a_path_where_nothing_is_is_not_found(spec: str) -> None:
    with pytest.raises(PluginNotFoundError, match="missing"):
        resolve(spec)


def test_a_directory_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginPackagingError, match=r"no pyproject\.toml"):
        resolve(str(tmp_path))


def test_a_source_directory_is_not_built_on_the_host_unasked() -> None:
    with pytest.raises(PluginPackagingError, match="--runner docker"):
        resolve(str(STRANGER))


def test_a_source_directory_is_built_on_the_host_when_the_user_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No network: the build runs with what this environment has. (For pip, 0 in this variable means no isolation.)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")
    source = shutil.copytree(STRANGER, tmp_path / "stranger")
    bundle = resolve(str(source), allow_host_build=True)
    assert (bundle.facts.name, bundle.facts.origin) == ("ascent-repair", "source")
    assert sorted(path.name for path in source.iterdir()) == sorted(path.name for path in STRANGER.iterdir())


def test_an_unknown_name_is_not_found() -> None:
    with pytest.raises(PluginNotFoundError):
        resolve("no-such-method")


def test_an_installed_plugin_is_packed_without_being_imported(install: Install) -> None:
    site = install("exits", "1.0", {"harness.unlearners": {"exits": "exits"}}, {"exits.py": EXITS})
    _record(site, "exits.py", "../../bin/tool", "__pycache__/exits.cpython-311.pyc")
    bundle = resolve("exits")
    assert bundle.facts.origin == "installed"
    assert "exits.py" in bundle.facts.files
    assert not [name for name in bundle.facts.files if "tool" in name or name.endswith(".pyc")]
    assert "exits" not in sys.modules


def test_packing_an_installed_plugin_twice_gives_the_same_bytes(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = install("same", "1.0", {"harness.unlearners": {"same": "same"}}, {"same.py": "X = 1\n"})
    _record(site, "same.py")
    one = resolve("same").wheels[-1].read_bytes()
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "another-cache"))
    assert resolve("same").wheels[-1].read_bytes() == one


def test_an_installation_without_a_record_is_refused(install: Install) -> None:
    install("bare", "1.0", {"harness.unlearners": {"bare": "bare"}}, {"bare.py": "X = 1\n"})
    with pytest.raises(PluginPackagingError, match="RECORD"):
        resolve("bare")


def test_an_installation_with_a_missing_file_is_refused(install: Install) -> None:
    site = install("holes", "1.0", {"harness.unlearners": {"holes": "holes"}}, {"holes.py": "X = 1\n"})
    _record(site, "holes.py", "gone.py")
    with pytest.raises(PluginPackagingError, match=r"gone\.py is missing"):
        resolve("holes")


def test_a_missing_file_is_seen_where_python_lists_only_files_that_are_there(install: Install) -> None:
    class Listing(importlib.metadata.PathDistribution):
        """As from Python 3.12 on."""

        @property
        def files(self) -> list[importlib.metadata.PackagePath]:
            return [file for file in super().files or () if Path(str(file.locate())).exists()]

    site = install("holes", "1.0", {"harness.unlearners": {"holes": "holes"}}, {"holes.py": "X = 1\n"})
    _record(site, "holes.py", "gone.py")
    with pytest.raises(PluginPackagingError, match=r"gone\.py is missing"):
        repack_installed(Listing(next(site.glob("*.dist-info"))))


def test_an_editable_installation_is_built_from_its_sources(install: Install, tmp_path: Path) -> None:
    site = install("soft", "1.0", {"harness.unlearners": {"soft": "soft"}})
    source = tmp_path / "elsewhere"
    record = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (next(site.glob("*.dist-info")) / "direct_url.json").write_text(json.dumps(record))
    with pytest.raises(PluginPackagingError, match="no longer exists"):
        resolve("soft")
    shutil.copytree(STRANGER, source)
    with pytest.raises(PluginPackagingError, match=f"Building {source}"):
        resolve("soft")


def test_two_installed_plugins_of_one_name_are_refused(install: Install) -> None:
    install("one", "1.0", {"harness.unlearners": {"twin": "one"}})
    install("two", "1.0", {"harness.unlearners": {"twin": "two"}})
    with pytest.raises(DuplicatePluginError):
        resolve("twin")


def test_the_bundled_unlearners_are_packed_without_the_host(tmp_path: Path) -> None:
    bundle = resolve("finetune")
    tops = {name.split("/")[0] for name in bundle.facts.files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"harness_unlearners"}
    assert bundle.facts.origin == "bundled"
    assert (materialise(bundle, tmp_path / "out") / "harness_unlearners" / "finetune.py").is_file()


def test_a_requirement_that_the_sandbox_does_not_meet_is_refused(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, metadata("Requires-Dist: torch>=99"))
    with pytest.raises(PluginPackagingError, match=r"torch>=99.*--torch"):
        resolve(str(path))


def test_a_requirement_by_address_is_refused(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, metadata("Requires-Dist: other @ file:///nowhere/other.whl"))
    with pytest.raises(PluginPackagingError, match="URL requirements are not supported"):
        resolve(str(path))


def test_a_requirement_that_is_met_needs_no_wheel(tmp_path: Path) -> None:
    path = write_wheel(tmp_path, metadata("Requires-Dist: torch>=2.4", "Requires-Dist: pluggy"))
    assert resolve(str(path)).wheels == (path,)


def test_what_is_missing_is_collected_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = tmp_path / "links"
    links.mkdir()
    needed = {
        "harness_test_helper/__init__.py": "",
        "harness_test_helper-2.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: harness-test-helper\nVersion: 2.0\n",
        "harness_test_helper-2.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "harness_test_helper-2.0.dist-info/RECORD": "",
    }
    write_wheel(links, {**dict.fromkeys(SOUND), **needed}, name="harness_test_helper-2.0-py3-none-any.whl")
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path = write_wheel(tmp_path, metadata("Requires-Dist: harness-test-helper>=1"))
    bundle = resolve(str(path))
    assert bundle.facts.dependencies == {"harness-test-helper": "2.0"}
    assert [wheel.name for wheel in bundle.wheels] == ["harness_test_helper-2.0-py3-none-any.whl", path.name]
    out = materialise(bundle, tmp_path / "out")
    assert (out / "harness_test_helper" / "__init__.py").is_file()


def test_a_file_in_the_working_directory_is_not_taken_for_a_part_of_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path = write_wheel(tmp_path, metadata("Requires-Dist: harness-test-absent"))
    with pytest.raises(PluginPackagingError, match="harness-test-absent") as told:
        resolve(str(path))

    assert "shadowed" not in str(told.value)


def test_what_cannot_be_had_is_reported_with_pips_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    path = write_wheel(tmp_path, metadata("Requires-Dist: harness-test-absent"))
    with pytest.raises(PluginPackagingError, match="harness-test-absent"):
        resolve(str(path))


def test_a_requirement_with_a_version_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    facts = resolve("toy==1.0").facts
    assert (facts.origin, facts.location, facts.distribution) == ("requirement", "toy==1.0", "toy")


def test_materialising_leaves_path_files_unread(tmp_path: Path) -> None:
    bundle = resolve(str(write_wheel(tmp_path, {"evil.pth": "import sys; sys.harness_test_hooked = True\n"})))
    out = materialise(bundle, tmp_path / "out")
    assert (out / "evil.pth").is_file()
    assert not hasattr(sys, "harness_test_hooked")


def test_an_unpacked_plugin_has_byte_code_for_all_that_compiles(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, {"toy/broken.py": "x = = 1\n"})
    site = materialise(resolve(str(wheel)), tmp_path / "site")

    assert [path.name.partition(".")[0] for path in site.glob("toy/__pycache__/*.pyc")] == ["__init__"]


def test_a_build_has_one_time_for_all_files_whatever_the_user_s_variables_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    source = tmp_path / "timed"
    source.mkdir()
    (source / "timed.py").write_text("")
    (source / "setup.py").write_text(
        "import os, setuptools\n"
        "version = f\"{os.environ['SOURCE_DATE_EPOCH']}.{int(os.stat('timed.py').st_mtime)}\"\n"
        "points = {'harness.unlearners': ['timed = timed']}\n"
        "setuptools.setup(name='timed', version=version, py_modules=['timed'], entry_points=points)\n"
    )
    os.utime(source / "timed.py", (0, 0))

    assert resolve(str(source), allow_host_build=True).facts.version == "315532800.315532800"
