"""Reproducible build of the wheel of hostile unlearners; the host never imports them."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

from harness.runners.bundles import packing

DISTRIBUTION, VERSION, POINT = "harness-attacks", "1", "attacks"
PACKAGE = "harness_attacks"
FOLDER = "attacks"


def sources() -> dict[str, bytes]:
    """Return the sources of the attacks' modules by file name."""
    folder = importlib.resources.files("harness.sandbox").joinpath(FOLDER)
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".py")}


def write_wheel(folder: Path, targets: Sequence[str]) -> Path:
    """Write the wheel into ``folder`` and return its path.

    Args:
        folder: existing folder.
        targets: "module:function" each; a model with seed k runs the k-th target.
    """
    lines = "".join(f"    {target!r},\n" for target in targets)
    members = {
        **{f"{PACKAGE}/{name}": source for name, source in sources().items()},
        f"{PACKAGE}/_targets.py": f"TARGETS = (\n{lines})\n".encode(),
        **packing.unlearner_metadata(DISTRIBUTION, VERSION, {POINT: PACKAGE}),
    }
    return packing.write_wheel(folder / packing.wheel_name(DISTRIBUTION, VERSION), members)
