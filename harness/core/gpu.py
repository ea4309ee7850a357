"""What is known of the machine's NVIDIA cards, and why they cannot be used, or not alone."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Literal

Kind = Literal["cpu_build", "driver", "kernels", "in_use", "mig"]
QUERY = "name,driver_version,memory.total,memory.used,utilization.gpu,mig.mode.current"
IN_USE_MIB = 1024
"""Memory of a card that is used before this program has begun; a display or a persistence daemon needs less."""
IN_USE_PERCENT = 10


@dataclass(frozen=True)
class Card:
    """A card as ``nvidia-smi`` lists it.

    Attributes:
        name: model.
        driver: version of the driver.
        memory_mib, used_mib: its memory, and how much of it is taken; None if it does not say.
        busy_percent: share of the last second in which a kernel ran; None if it does not say.
        mig: whether it is divided into instances.
    """

    name: str
    driver: str
    memory_mib: int | None
    used_mib: int | None
    busy_percent: int | None
    mig: bool


@dataclass(frozen=True)
class GpuFacts:
    """What ``nvidia-smi`` and torch say.

    Attributes:
        cards: of the machine.
        torch: version of torch.
        cuda: CUDA version that torch was built for; None for a CPU build.
        error: why torch cannot use a card; empty if it can.
        capability: of the first card that torch can use, e.g. (9, 0); None if it can use none.
        built_for: what torch has kernels for, e.g. "sm_90", or code to compile, "compute_90".
    """

    cards: tuple[Card, ...]
    torch: str
    cuda: str | None
    error: str = ""
    capability: tuple[int, int] | None = None
    built_for: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with the machine's cards.

    Attributes:
        kind: what.
        serious: whether nothing can be computed on a card; else results are not affected, but times may be.
        detail: what was found.
        advice: what to do.
    """

    kind: Kind
    serious: bool
    detail: str
    advice: str


def read() -> GpuFacts:
    """Return what is known; without a driver this asks torch alone."""
    import torch

    cards, cuda = read_cards(), torch.version.cuda
    if cuda is None:
        return GpuFacts(cards, torch.__version__, None)
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return GpuFacts(cards, torch.__version__, cuda, str(error).strip().splitlines()[0])
    built_for = tuple(torch.cuda.get_arch_list())
    return GpuFacts(cards, torch.__version__, cuda, "", torch.cuda.get_device_capability(), built_for)


def read_cards() -> tuple[Card, ...]:
    """Return the cards that ``nvidia-smi`` lists; none if it is missing or fails."""
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(found for line in ended.stdout.splitlines() if (found := parse_card(line)) is not None)


def parse_card(line: str) -> Card | None:
    """Return the card in a line of QUERY; None for other lines."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(QUERY.split(",")):
        return None
    name, driver, *numbers, mig = cells
    memory, used, busy = (int(number) if number.isdigit() else None for number in numbers)
    return Card(name, driver, memory, used, busy, mig == "Enabled")


def findings(facts: GpuFacts) -> list[Finding]:
    """Return what is wrong, the most serious first; nothing for a machine without cards."""
    if not facts.cards and not facts.capability:
        return []
    driver = facts.cards[0].driver if facts.cards else "unknown"
    if facts.cuda is None:
        detail = f"torch {facts.torch} is a CPU build, and there is {_names(facts)}"
        return [Finding("cpu_build", True, detail, f"Install a CUDA build of torch that driver {driver} supports.")]
    if facts.error:
        advice = (
            f"The driver is {driver}, and torch was built for CUDA {facts.cuda}: update the driver, or install an older build "
            "of torch."
        )
        return [Finding("driver", True, f"torch cannot use {_names(facts)}: {facts.error}", advice)]
    found = []
    if facts.capability and not has_kernels(facts.capability, facts.built_for):
        wanted = "sm_{}{}".format(*facts.capability)
        detail = (
            f"torch {facts.torch} has no kernels for {_names(facts)} ({wanted}), only for {', '.join(facts.built_for)}"
        )
        found.append(Finding("kernels", True, detail, "Install a build of torch for this card, or pass --gpus none."))
    return found + [finding for card in facts.cards for finding in _of_card(card)]


def has_kernels(capability: tuple[int, int], built_for: tuple[str, ...]) -> bool:
    """Return True if a card has machine code of its own major version, or code that its driver can compile."""
    major, minor = capability
    for name in built_for:
        kind, _, digits = name.partition("_")
        digits = digits.rstrip("af")  # code for one card alone has a letter
        if not digits.isdigit():
            continue
        own = (int(digits[:-1]), int(digits[-1]))
        if kind == "compute" and own <= (major, minor):
            return True
        if kind == "sm" and own[0] == major and own[1] <= minor:
            return True
    return False


def _of_card(card: Card) -> list[Finding]:
    found = []
    used, busy = card.used_mib or 0, card.busy_percent or 0
    if used > IN_USE_MIB or busy > IN_USE_PERCENT:
        detail = f"{card.name}: {used} MiB of memory are taken, and it is busy for {busy} % of the time"
        found.append(
            Finding("in_use", False, detail, "Others use it: `nvidia-smi` lists them. Times will not be dependable.")
        )
    if card.mig:
        detail = f"{card.name} is divided into instances (MIG)"
        advice = "Name instances by UUID (`nvidia-smi -L`): --gpus MIG-…; torch uses one instance in a process."
        found.append(Finding("mig", False, detail, advice))
    return found


def _names(facts: GpuFacts) -> str:
    return ", ".join(dict.fromkeys(card.name for card in facts.cards)) or "the card"
