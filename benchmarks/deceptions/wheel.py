"""Packs the deceptive unlearners into a wheel, the same bytes for the same sources."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from benchmarks.deceptions.plugins import unlearners
from harness.runners.bundles import packing

DISTRIBUTION, PACKAGE = "deceptive-unlearners", "deceptive_unlearners"
VERSION = "1"
SOURCES = Path(__file__).parent / "plugins"


def names() -> tuple[str, ...]:
    """Return the unlearners' names."""
    return tuple(sorted(name for name, one in vars(unlearners).items() if isinstance(one, SimpleNamespace)))


def write_wheel(folder: Path, name: str) -> Path:
    """Write a wheel that provides one of the unlearners into ``folder``; return its path."""
    members: dict[str, Path | bytes] = {f"{PACKAGE}/{path.name}": path for path in SOURCES.glob("*.py")}
    members |= packing.unlearner_metadata(DISTRIBUTION, VERSION, {name: f"{PACKAGE}.unlearners:{name}"})
    return packing.write_wheel(folder / packing.wheel_name(DISTRIBUTION, VERSION), members)
