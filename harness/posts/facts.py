"""What a node says about itself before any work, and which nodes can work for a run."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness._version import __version__
from harness.core import hardware, pressure
from harness.core.cache import key_of
from harness.references.identity import training_code_digest


@dataclass(frozen=True)
class NodeFacts:
    """A node, as it describes itself.

    Attributes:
        cpu_model: name of its processor.
        cores, memory_mib: cores that its post may use, and its physical memory.
        gpus: names of its GPUs that torch can use.
        python, torch, harness: versions there.
        code: digest of the code that trains reference models.
        niceness: of its post, 0 for ordinary priority.
        measures_pressure: its kernel reports CPU pressure.
    """

    cpu_model: str
    cores: int
    memory_mib: int
    gpus: tuple[str, ...]
    python: str
    torch: str
    harness: str
    code: str
    niceness: int
    measures_pressure: bool

    @property
    def kind(self) -> str:
        """Return a short key of everything that times depend on."""
        told = [self.cpu_model, self.cores, self.memory_mib // 1024, list(self.gpus), self.niceness]
        return key_of({"kind": told})[:8]


def describe(cores: int | None = None) -> NodeFacts:
    """Return the facts of this process's machine, of which a post may use so many cores; None for all that are usable."""
    import torch

    return NodeFacts(
        cpu_model=hardware.cpu_model(),
        cores=cores or hardware.available_cores(),
        memory_mib=hardware.memory_mib(),
        gpus=hardware.gpu_names(),
        python=platform.python_version(),
        torch=torch.__version__,
        harness=__version__,
        code=training_code_digest(),
        niceness=os.nice(0),
        measures_pressure=pressure.waited_s() is not None,
    )


def differences(node: NodeFacts, here: NodeFacts) -> list[str]:
    """Return how a node differs from this program in what numbers depend on, a clause each; empty if it can work for it."""
    asked = (("harness", "harness"), ("Python", "python"), ("torch", "torch"))
    found = [
        f"{name} {getattr(node, field)}, here {getattr(here, field)}"
        for name, field in asked
        if getattr(node, field) != getattr(here, field)
    ]
    if node.code != here.code:
        found.append("other code that trains reference models")
    return found


def chosen_kind(facts: Sequence[NodeFacts]) -> str:
    """Return the kind with the most cores in all; of several, the one that comes first."""
    cores: Counter[str] = Counter()
    for one in facts:
        cores[one.kind] += one.cores
    return cores.most_common(1)[0][0]
