"""A stranger's package reaches the sandbox, and nothing of it runs on the host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.core.outcomes import Status
from harness.errors import PluginPackagingError
from harness.runners.bundles import resolve
from harness.runners.images.listing import ensure_guest_image, ensure_plugin_image, list_images
from tests.docker.conftest import Bench

pytestmark = pytest.mark.docker

STRANGER = Path(__file__).parent.parent / "assets" / "stranger"


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    """Copy the third-party plugin's sources into a folder of this test."""
    return Path(shutil.copytree(STRANGER, tmp_path / "stranger"))


def test_a_strangers_source_directory_is_built_in_the_sandbox_and_unlearns(bench: Bench, stranger: Path) -> None:
    outcome, original, unlearned = bench.unlearn(str(stranger))
    assert outcome.status is Status.OK
    assert any(not np.array_equal(unlearned[name], original[name]) for name in original)


def test_a_strangers_wheel_unlearns_though_it_is_not_installed(bench: Bench, stranger: Path, tmp_path: Path) -> None:
    built = resolve(str(stranger), engine=bench.engine, guest=bench.guest).wheels[-1]
    wheel = Path(shutil.copy(built, tmp_path))
    outcome, _, _ = bench.unlearn(str(wheel))
    assert outcome.status is Status.OK


def test_building_leaves_the_source_directory_as_it_was(bench: Bench, stranger: Path) -> None:
    before = sorted(stranger.rglob("*"))
    resolve(str(stranger), engine=bench.engine, guest=bench.guest)
    assert sorted(stranger.rglob("*")) == before


def test_build_code_runs_in_the_sandbox_alone(bench: Bench, stranger: Path, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    (stranger / "setup.py").write_text(
        "import pathlib, setuptools\n"
        f"for place in ({str(marker)!r}, 'ran-here', '/tmp/harness-test-ran-here'):\n"
        "    try:\n        pathlib.Path(place).write_text('ran')\n"
        "    except OSError as error:\n        print('refused:', error)\n"
        "setuptools.setup()\n"
    )
    bundle = resolve(str(stranger), engine=bench.engine, guest=bench.guest)
    assert bundle.facts.version == "0.3.1"
    assert not marker.exists()
    assert not (stranger / "ran-here").exists()
    assert not Path("/tmp/harness-test-ran-here").exists()


def test_a_build_that_fails_is_reported_with_what_it_said(bench: Bench, stranger: Path) -> None:
    (stranger / "setup.py").write_text("raise SystemExit('the dog ate it')\n")
    with pytest.raises(PluginPackagingError, match="the dog ate it"):
        resolve(str(stranger), engine=bench.engine, guest=bench.guest)


def test_a_link_out_of_the_source_directory_is_not_followed(bench: Bench, stranger: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("SECRET = 1\n")
    (stranger / "src" / "ascent_repair" / "secret.py").symlink_to(tmp_path / "secret.py")
    with pytest.raises(PluginPackagingError):
        resolve(str(stranger), engine=bench.engine, guest=bench.guest)


def test_path_files_in_a_wheel_are_never_read(bench: Bench, plugin: Callable[..., str]) -> None:
    source = "import sys\n@hookimpl\ndef unlearn(model):\n    print('HOOKED' if hasattr(sys, 'hooked') else 'clean')\n"
    wheel = plugin(source, files={"evil.pth": "import sys; sys.hooked = True\n"})
    outcome, _, _ = bench.unlearn(wheel)
    assert outcome.log.head.strip() == "clean"


def test_a_plugin_cannot_stand_before_the_sandboxs_own_modules(bench: Bench, plugin: Callable[..., str]) -> None:
    source = "import torch, json\n@hookimpl\ndef unlearn(model):\n    print(torch.__file__, json.__file__)\n"
    wheel = plugin(source, files={"torch.py": "raise SystemExit(9)\n", "json.py": "raise SystemExit(9)\n"})
    outcome, _, _ = bench.unlearn(wheel)
    assert outcome.status is Status.OK
    assert "/opt/plugin" not in outcome.log.head


def test_a_plugin_that_ends_the_interpreter_on_import_is_its_own_failure(
    bench: Bench, plugin: Callable[..., str]
) -> None:
    outcome, _, _ = bench.unlearn(plugin("import os\nos._exit(3)\n"))
    assert outcome.status is not Status.OK


def test_the_bundled_unlearners_reach_the_sandbox_without_the_host(bench: Bench) -> None:
    bundle = resolve("noop", engine=bench.engine, guest=bench.guest)
    assert bundle.facts.origin == "bundled"
    assert {name.split("/")[0].partition("-")[0] for name in bundle.facts.files} == {
        "harness_unlearners",
        "unlearning_harness",
    }
    outcome, _, _ = bench.unlearn("noop")
    assert outcome.status is Status.OK


def test_images_are_found_again(bench: Bench, plugin: Callable[..., str]) -> None:
    told: list[str] = []
    again = ensure_guest_image(bench.engine, progress=told.append)
    assert again.id == bench.guest.id
    bundle = resolve(plugin("@hookimpl\ndef unlearn(model):\n    pass\n"), engine=bench.engine, guest=bench.guest)
    first = ensure_plugin_image(bench.engine, bench.guest, bundle)
    bench.tags.append(first.tag)
    assert ensure_plugin_image(bench.engine, bench.guest, bundle, told.append) == first
    assert told == []


def test_one_changed_byte_of_the_plugin_makes_another_image(bench: Bench, plugin: Callable[..., str]) -> None:
    one, _ = bench.runner(plugin("@hookimpl\ndef unlearn(model):\n    a = 1\n"))
    two, _ = bench.runner(plugin("@hookimpl\ndef unlearn(model):\n    a = 2\n"))
    assert one.facts.image != two.facts.image


def test_images_are_listed_with_what_is_in_them(bench: Bench) -> None:
    bench.runner("noop")
    listed = list_images(bench.engine)
    guests = [image for image in listed if image.id == bench.guest.id]
    assert [(image.kind, image.torch, image.python) for image in guests] == [
        ("guest", bench.guest.torch, bench.guest.python)
    ]
    assert any(image.kind == "plugin" and image.content.startswith("unlearning-harness ") for image in listed)


@pytest.mark.parametrize("runner", ["docker", "process"])
def test_a_link_to_a_folder_and_a_version_from_git_are_in_the_wheel(bench: Bench, tmp_path: Path, runner: str) -> None:
    source = tmp_path / "linked"
    (source / "core").mkdir(parents=True)
    (source / "src").mkdir()
    (source / "core" / "__init__.py").write_text("")
    (source / "src" / "linked").symlink_to("../core")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=77", "setuptools-scm"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "linked"\ndynamic = ["version"]\n[tool.setuptools_scm]\n'
        '[project.entry-points."harness.unlearners"]\nlinked = "linked"\n'
    )
    git = ["git", "-C", str(source), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"], ["tag", "v7.1"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    sandbox = {"engine": bench.engine, "guest": bench.guest} if runner == "docker" else {}
    bundle = resolve(str(source), allow_host_build=True, **sandbox)  # type: ignore[arg-type]

    assert bundle.facts.version == "7.1"
    assert "linked/__init__.py" in bundle.facts.files
