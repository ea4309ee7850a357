"""A cache of its own for every test, another machine, a published population, and checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from harness.references.exchange import export
from tests.unit.supplied.worlds import MODELS, PROGRESS, references, states


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that moves to another machine: another cache, processor and version of torch."""

    def move(device: str = "cpu of another make") -> None:
        monkeypatch.setenv("HARNESS_CACHE_DIR", str(tmp_path / "other"))
        monkeypatch.setattr("harness.references.populations.device_kind", lambda _: device)

    return move


@pytest.fixture
def published(tmp_path: Path) -> Path:
    export(references(), MODELS, tmp_path / "published", PROGRESS)
    return tmp_path / "published"


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Three originals as safetensors, seven retrained models as .pt in two usual forms."""
    for name in ("originals", "retrained"):
        (tmp_path / name).mkdir()
    for i, state in enumerate(states(3)):
        save_file(state, tmp_path / "originals" / f"model_{i}.safetensors")
    for i, state in enumerate(states(7, first=100)):
        content = (
            {"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3} if i % 2 else state
        )
        torch.save(content, tmp_path / "retrained" / f"model_{i + 8}.pt")  # 8, 9, 10: numbers sort as numbers
    return tmp_path
