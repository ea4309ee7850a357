"""What is wrong with a machine's cards is told before anything is timed, each thing by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.core import gpu
from harness.core.gpu import Card, GpuFacts
from harness.core.progress import SilentProgress
from harness.errors import GpuUnavailableError
from harness.runs.config import RunConfig
from harness.runs.prepare import check_gpu

CARD = Card("NVIDIA H200", "580.159.03", 143771, 4, 0, False)
GOOD = GpuFacts((CARD,), "2.13.0+cu130", "13.0", "", (9, 0), ("sm_80", "sm_90", "compute_90"))


@pytest.mark.parametrize(
    ("facts", "kinds", "words"),
    [
        (GOOD, [], ""),
        (GpuFacts((), "2.13.0+cpu", None), [], ""),
        (replace(GOOD, cuda=None, capability=None), ["cpu_build"], "CPU build, and there is NVIDIA H200"),
        (
            replace(GOOD, error="The NVIDIA driver on your system is too old (found version 11040).", capability=None),
            ["driver"],
            "too old",
        ),
        (
            replace(GOOD, capability=(12, 0), built_for=("sm_80", "sm_90")),
            ["kernels"],
            "no kernels for NVIDIA H200 (sm_120)",
        ),
        (replace(GOOD, cards=(replace(CARD, used_mib=70_000, busy_percent=93),)), ["in_use"], "70000 MiB"),
        (replace(GOOD, cards=(replace(CARD, mig=True),)), ["mig"], "instances"),
    ],
    ids=["good", "no card", "CPU build", "old driver", "no kernels", "in use", "MIG"],
)
def test_each_fault_is_a_finding_of_its_own_with_advice(facts: GpuFacts, kinds: list[str], words: str) -> None:
    found = gpu.findings(facts)

    assert [one.kind for one in found] == kinds
    assert all(words in one.detail and one.advice for one in found)
    assert all(one.serious == (one.kind in ("cpu_build", "driver", "kernels")) for one in found)


@pytest.mark.parametrize(
    ("capability", "built_for", "works"),
    [
        ((8, 6), ("sm_80",), True),
        ((8, 0), ("sm_86",), False),
        ((9, 0), ("sm_80",), False),
        ((9, 0), ("sm_80", "compute_80"), True),
        ((9, 0), ("sm_90a",), True),
        ((12, 0), ("sm_120",), True),
        ((7, 0), ("sm_75", "compute_90", "something"), False),
    ],
)
def test_kernels_are_of_the_same_major_version_or_compiled_by_the_driver(
    capability: tuple[int, int], built_for: tuple[str, ...], works: bool
) -> None:
    assert gpu.has_kernels(capability, built_for) is works


@pytest.mark.parametrize(
    ("line", "card"),
    [
        ("NVIDIA H200, 580.159.03, 143771, 4, 0, Disabled", CARD),
        (
            "NVIDIA GeForce GTX 1080, 470.1, 8117, 300, [N/A], [N/A]",
            Card("NVIDIA GeForce GTX 1080", "470.1", 8117, 300, None, False),
        ),
        ("No devices were found", None),
    ],
)
def test_lines_of_nvidia_smi_are_read(line: str, card: Card | None) -> None:
    assert gpu.parse_card(line) == card


class Notices(SilentProgress):
    def __init__(self) -> None:
        self.told: list[str] = []

    def notice(self, text: str) -> None:
        self.told.append(text)


def _told(facts: GpuFacts, gpus: str) -> list[str]:
    progress = Notices()
    check_gpu(RunConfig("noop", gpus=gpus), facts, progress)
    return progress.told


def test_a_run_is_told_before_anything_is_trained() -> None:
    without_kernels = replace(GOOD, capability=(12, 0))
    cpu_build = replace(GOOD, cuda=None, capability=None)
    busy = replace(GOOD, cards=(replace(CARD, busy_percent=93),))

    assert _told(GOOD, "auto") == _told(without_kernels, "none") == []
    assert _told(cpu_build, "auto")[0].endswith("This run computes on the CPU.")
    assert "not be dependable" in _told(busy, "1")[0]
    with pytest.raises(GpuUnavailableError, match=r"no kernels .* --gpus none"):
        _told(replace(without_kernels, built_for=("sm_90",)), "auto")
    with pytest.raises(GpuUnavailableError, match="CPU build"):
        _told(cpu_build, "all")
