from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from harness.doctor.checks import Check, guarded
from harness.doctor.diagnosis import diagnose, disk_check, print_checks
from harness.doctor.docker import docker_checks
from harness.errors import DockerUnavailableError, DuplicatePluginError
from harness.runners.engine.types import EngineInfo, ImageInfo

GOOD = EngineInfo(
    version="27.0",
    api="1.46",
    cgroup_version="2",
    storage_driver="overlay2",
    root_dir="/",
    security_options=("seccomp",),
    cpus=2,
    memory_mib=8000,
)
GUEST = ImageInfo("sha256:1", ("unlearning-harness/guest:1",), {"harness": "guest"}, 1, "2026-01-01")


class KnownEngine:
    """An engine that says what it was told to say."""

    def __init__(self, info: EngineInfo = GOOD, images: dict[str, ImageInfo] | None = None) -> None:
        self._info, self._images = info, images or {}

    def info(self) -> EngineInfo:
        return self._info

    def image(self, reference: str) -> ImageInfo | None:
        return self._images.get(reference)

    def images(self, labels: dict[str, str | None]) -> list[ImageInfo]:
        return [image for image in self._images.values() if labels.items() <= image.labels.items()]


def no_engine() -> KnownEngine:
    raise DockerUnavailableError("No Docker engine answers. Start it with `sudo systemctl start docker`.")


def found(engine: KnownEngine) -> dict[str, Check]:
    return {check.name: check for check in docker_checks(lambda: engine)}  # type: ignore[arg-type, return-value]


def test_without_docker_the_user_is_told_what_to_do_and_nothing_fails() -> None:
    checks = list(docker_checks(no_engine))  # type: ignore[arg-type]

    assert [check.status for check in checks] == ["warn"]
    assert "systemctl start docker" in checks[0].advice


def test_a_good_engine_with_a_guest_image_has_nothing_to_warn_of() -> None:
    statuses = {name: check.status for name, check in found(KnownEngine(images={"guest": GUEST})).items()}

    assert statuses["Docker"] == "ok"
    assert statuses["Sandbox image"] == "ok"
    assert "Docker cgroups" not in statuses
    assert "Base image" not in statuses


@pytest.mark.parametrize(
    ("change", "name", "status"),
    [
        ({"cgroup_version": "1"}, "Docker cgroups", "warn"),
        ({"security_options": ()}, "Docker seccomp", "warn"),
        ({"cgroup_version": "1", "security_options": ("seccomp", "rootless")}, "Docker limits", "fail"),
    ],
)
def test_known_weaknesses_of_an_engine_are_told(change: dict[str, object], name: str, status: str) -> None:
    check = found(KnownEngine(replace(GOOD, **change)))[name]  # type: ignore[arg-type]

    assert check.status == status
    assert check.advice


def test_many_guest_images_are_counted_instead_of_listed() -> None:
    images = {str(number): replace(GUEST, tags=(f"unlearning-harness/guest:{number}",)) for number in range(9)}

    assert found(KnownEngine(images=images))["Sandbox image"].detail.startswith("9 images; ")


def test_a_missing_guest_image_is_told_with_the_command_that_builds_it() -> None:
    assert "harness image build" in found(KnownEngine())["Sandbox image"].advice


@pytest.mark.parametrize(("images", "status"), [({}, "warn"), ({"mine:1": replace(GUEST, labels={})}, "ok")])
def test_the_base_image_named_by_the_user_is_looked_for(
    images: dict[str, ImageInfo], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_BASE_IMAGE", "mine:1")

    assert found(KnownEngine(images=images))["Base image"].status == status


def test_a_whole_diagnosis_covers_every_subject() -> None:
    names = [check.name for check in diagnose(no_engine)]  # type: ignore[arg-type]

    for name in ("Python", "Libraries", "Unlearners", "Evaluators", "Tasks", "Cache", "Disk of runs", "GPU", "Docker"):
        assert name in names


def test_every_check_that_is_not_ok_has_one_line_of_advice() -> None:
    checks = [check for check in diagnose(no_engine) if check.status != "ok"]  # type: ignore[arg-type]

    assert [check.name for check in checks if not check.advice or "\n" in check.advice] == []


def test_a_cache_that_cannot_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "file"))
    check = next(check for check in diagnose(no_engine) if check.name == "Cache")  # type: ignore[arg-type]

    assert check.status == "fail"
    assert "HARNESS_CACHE_DIR" in check.advice


def test_looking_leaves_nothing_behind_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))
    diagnose(no_engine)  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_datasets_are_found_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "data_batch_1.bin").write_bytes(b"")
    monkeypatch.setenv("HARNESS_DATA_DIR", str(tmp_path))
    check = next(check for check in diagnose(no_engine) if check.name == "Dataset cifar10")  # type: ignore[arg-type]

    assert (check.status, check.detail) == ("ok", str(tmp_path / "cifar10"))


def test_a_disk_without_room_fails_or_warns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    statuses = []
    for free in (100, 1000, 10_000):
        monkeypatch.setattr("harness.doctor.diagnosis.free_mib", lambda _place, free=free: free)
        statuses.append(disk_check("Disk", tmp_path, "advice").status)

    assert statuses == ["fail", "warn", "ok"]


def test_a_check_that_breaks_keeps_what_it_found_and_stops_nothing() -> None:
    def step() -> Iterator[Check]:
        yield Check("First", "ok", "")
        raise RuntimeError("boom")

    checks = guarded("Step", step)

    assert [(check.name, check.status) for check in checks] == [("First", "ok"), ("Step", "fail")]
    assert "boom" in checks[1].detail


def test_our_own_errors_are_shown_as_they_are() -> None:
    def step() -> Iterator[Check]:
        raise DuplicatePluginError("Uninstall one of them.")

    assert guarded("Step", step) == [Check("Step", "fail", "Uninstall one of them.")]


def test_checks_print_with_status_name_and_advice_and_without_terminal_codes() -> None:
    console = Console(file=io.StringIO(), width=80)
    print_checks([Check("Docker", "warn", "[b]no\x1b[31m", "Start it."), Check("Disk", "ok", "x")], console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    assert [line.rstrip() for line in lines] == [
        "warn Docker: [b]no\\x1b[31m",
        "     -> Start it.",
        "ok   Disk: x",
    ]


def test_the_kernels_in_force_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx2")
    check = next(one for one in diagnose(no_engine) if one.name == "CPU kernels")

    assert check.status == "ok"
    assert torch.backends.cpu.get_cpu_capability() in check.detail
    assert "oneDNN AVX2" in check.detail
    assert "openblas" in check.detail
    assert "(ONEDNN_MAX_CPU_ISA=avx2" in check.detail
