"""Packs the hostile unlearners into a wheel, the same bytes for the same sources. None of them is ever imported here."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

from harness.bundles import packing

DISTRIBUTION, VERSION, POINT = "harness-attacks", "1", "attacks"
PACKAGE = "harness_attacks"
FOLDER = "attacks"


def sources() -> dict[str, bytes]:
    """The attacks' modules: file name -> source."""
    folder = importlib.resources.files("harness.sandbox").joinpath(FOLDER)
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".py")}


def write_wheel(folder: Path, targets: Sequence[str]) -> Path:
    """Write the wheel into ``folder``; returns its path.

    Args:
        folder: for the file.
        targets: "module:function" each; a model of seed k gets the k-th.
    """
    lines = "".join(f"    {target!r},\n" for target in targets)
    members = {
        **{f"{PACKAGE}/{name}": source for name, source in sources().items()},
        f"{PACKAGE}/_targets.py": f"TARGETS = (\n{lines})\n".encode(),
        **packing.unlearner_metadata(DISTRIBUTION, VERSION, {POINT: PACKAGE}),
    }
    return packing.write_wheel(folder / packing.wheel_name(DISTRIBUTION, VERSION), members)
