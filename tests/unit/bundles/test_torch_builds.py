"""Wheels whose native code was built for another torch than the sandbox's."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import PluginPackagingError
from harness.runners.bundles.dependencies import collect_dependencies, needs_cuda
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile
from tests.unit.bundles.wheels import SOUND, metadata, write_wheel

CUDA = "\x7fELF libc10.so\0libtorch_cpu.so\0libtorch_cuda.so\0"
CPU = "\x7fELF libc10.so\0libtorch_cpu.so\0"


@pytest.mark.parametrize(
    ("libraries", "expected"),
    [
        ({"_C.so": CUDA, "image.so": CUDA}, True),
        ({"_C.so": CPU}, False),
        ({"_cpu.so": CPU, "_cuda.so": CUDA}, False),  # such a package chooses when it is imported
        ({"_other.so": "\x7fELF libcudart.so.12\0"}, False),
        ({}, False),
    ],
)
def test_what_all_native_modules_are_linked_with_decides(
    tmp_path: Path, libraries: dict[str, str], expected: bool
) -> None:
    assert needs_cuda(write_wheel(tmp_path, {f"toy/{name}": code for name, code in libraries.items()})) is expected


@pytest.mark.parametrize(("torch", "refused"), [("2.13.0+cpu", True), ("2.13.0", False), ("2.13.0+cu128", False)])
def test_a_build_for_cuda_beside_a_torch_without_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torch: str, refused: bool
) -> None:
    (tmp_path / "links").mkdir()
    info = "fakevision-1.0.dist-info"
    other = {name.replace("toy-1.0.dist-info", info): text.replace("toy", "fakevision") for name, text in SOUND.items()}
    write_wheel(
        tmp_path / "links",
        {**dict.fromkeys(SOUND), **other, "fakevision/_C.so": CUDA},
        "fakevision-1.0-py3-none-any.whl",
    )
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    wheel = WheelFile.read(write_wheel(tmp_path, metadata("Requires-Dist: fakevision")))
    heard: list[str] = []

    if not refused:
        found = collect_dependencies(wheel, PythonTarget.current(), {"torch": torch}, heard.append)
        assert [path.name for path in found] == ["fakevision-1.0-py3-none-any.whl"]
        return
    with pytest.raises(
        PluginPackagingError, match=r"fakevision 1\.0 was built for a torch with CUDA.*PIP_EXTRA_INDEX_URL"
    ):
        collect_dependencies(wheel, PythonTarget.current(), {"torch": torch}, heard.append)
