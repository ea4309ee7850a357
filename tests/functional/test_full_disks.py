"""A disk that fills up under a run ends it with a message; with room made, it goes on to the very numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.full_disks import SmallDisk, possible
from tests.functional.ground import Ground
from tests.functional.killing import leftovers
from tests.program import TASK, numbers_of, report_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not possible(), reason="needs root and mount namespaces"),
]
FULL = 41
START_KIB = 220 << 10  # a run does not begin with less than 200 MiB

# Fills the disk in its first model, but for so many KiB as a file says, where there is such a file.
FILLER = """
import os, pathlib
import pluggy, torch
ORDER, DISK = pathlib.Path({order!r}), {disk!r}
@pluggy.HookimplMarker("harness")
def unlearn(model):
    if ORDER.exists():
        free = os.statvfs(DISK)
        with open(DISK + "/filler", "xb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - 1024 * int(ORDER.read_text()))
        ORDER.unlink()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
"""


def _kib(folder: Path) -> int:
    """Return the size of a folder's files in KiB on a disk with 4 KiB pages."""
    return sum((file.stat().st_size + 4095) // 4096 * 4 for file in folder.rglob("*") if file.is_file())


def test_a_run_whose_cache_is_full_again_and_again_ends_with_the_numbers_of_an_undisturbed_one(
    new_ground: Callable[[str], Ground],
) -> None:
    ground = new_ground(TASK)
    place = ground.folder / "cache"
    needed_kib = _kib(Path(ground.program.environment["HARNESS_CACHE_DIR"]))
    program = ground.elsewhere("full", place)
    run = program.folder / "r"
    with SmallDisk.mounted(place, 4) as disk:
        for share in (0.01, 0.2, 0.4, 0.6, 0.8, 0.95):
            disk.enlarge(int(share * needed_kib) // 4 * 4)
            ended = disk.run(program, *(("resume", run) if run.exists() else ("run", *ground.order, "--output", run)))
            assert ended.code == FULL, (share, ended.err)
            assert "HARNESS_CACHE_DIR" in ended.err
            assert f"harness resume {run}" in ended.err
        disk.enlarge(4 * needed_kib)
        ended = disk.run(program, "resume", run)
        assert ended.code == 0, ended.err
        assert list(disk.seen(place).glob("*/??/.*")) == []

    assert numbers_of(run) == ground.numbers
    assert leftovers(program, run) == []


def test_a_run_whose_folder_is_full_again_and_again_ends_with_the_numbers_of_an_undisturbed_one(
    new_ground: Callable[..., Ground], tmp_path: Path
) -> None:
    order, place = tmp_path / "order", tmp_path / "disk"
    ground = new_ground(TASK, FILLER.format(order=str(order), disk=str(place)))
    program = ground.elsewhere("full")
    run = place / "r"
    with SmallDisk.mounted(place, START_KIB) as disk:
        for free_kib in (0, 4, 12, 20, 40):
            order.write_text(str(free_kib))
            begun = (disk.seen(run) / "run.json").exists()
            ended = disk.run(program, *(("resume", run) if begun else ("run", *ground.order, "--output", run)))
            assert ended.code == FULL, (free_kib, ended.err)
            assert f"harness resume {run}" in ended.err
            (disk.seen(place) / "filler").unlink()
        order.write_text("0")
        assert disk.run(program, "resume", run).code == FULL
        disk.enlarge(2 * START_KIB)
        ended = disk.run(program, "resume", run)
        assert ended.code == 0, ended.err

        seen = disk.seen(run)
        assert numbers_of(seen) == ground.numbers
        assert report_of(seen)["status"] == "complete"
        assert leftovers(program, seen) == []
