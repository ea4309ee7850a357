"""The state that a plugin keeps from one request of a stream to the next, inside the guest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from harness_guest.context import Context
from harness_guest.protocol import MAX_STATE_BYTES
from harness_guest.state import read_kept, read_state, serialise
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec, Recipe

SPEC = ModelSpec(ArchitectureSpec("mlp", {}), (3,), 2)


def _context(state: bytes = b"") -> Context:
    return Context(torch.device("cpu"), 0, 2, Recipe(), SPEC, state=state)


def test_the_last_state_that_is_kept_counts() -> None:
    context = _context(b"before")
    assert (context.state, context.kept.state) == (b"before", None)

    context.keep(b"one")
    context.keep(bytearray(b"two"))
    assert context.kept.state == b"two"


def test_what_is_no_state_is_refused_and_keeps_nothing() -> None:
    context = _context()

    with pytest.raises(TypeError, match="takes bytes, not dict"):
        context.keep({"lr": 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"at most {MAX_STATE_BYTES}"):
        context.keep(bytes(MAX_STATE_BYTES + 1))
    assert context.kept.state is None


@pytest.mark.parametrize("kept", [None, b"", b"\x00\xff" * 40])
def test_a_state_travels_beside_the_weights(tmp_path: Path, kept: bytes | None) -> None:
    model, file = nn.Linear(2, 2), tmp_path / "weights.safetensors"
    file.write_bytes(serialise(model, 10_000, kept=kept))

    assert read_kept(str(file)) == (kept or b"")
    assert set(read_state(str(file))) == {"weight", "bias"}
