"""Checkpoints become the outputs that ``harness score`` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import checkpoint_outputs
from benchmarks.checkpoint_outputs import CheckpointError
from harness.evaluation import SPLITS
from harness.runs.outputs import evidence_of
from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from tests.unit.supplied.worlds import DATA, references, states


def _saved(folder: Path, first: int, count: int = 2) -> Path:
    folder.mkdir()
    for i, state in enumerate(states(count, first)):
        torch.save({"state_dict": state}, folder / f"model_{i}.pth")
    return folder


def test_outputs_are_the_logits_of_every_checkpoint_on_every_split(tmp_path: Path) -> None:
    folders = {"unlearned": _saved(tmp_path / "u", 0), "retrained": _saved(tmp_path / "r", 10, 3)}

    found = checkpoint_outputs.outputs(references().task, folders)
    evidence = evidence_of(found)

    assert {split: len(labels) for split, labels in evidence.labels.items()} == {"retain": 12, "forget": 8} | {
        "validation": 4,
        "test": 10,
    }
    spec = references().spec
    model = build_model(spec, 0).eval()
    for i, state in enumerate(states(3, 10)):
        model.load_state_dict(state)
        for split in SPLITS:
            inputs = normalise(torch.from_numpy(DATA.split(split).inputs), spec.mean, spec.std, len(spec.input_shape))
            with torch.no_grad():
                expected = model(inputs).numpy()
            np.testing.assert_allclose(evidence.logits["retrained"][split][i], expected, atol=1e-6)


def test_a_checkpoint_of_another_network_is_named(tmp_path: Path) -> None:
    folders = {"unlearned": _saved(tmp_path / "u", 0), "retrained": tmp_path / "r"}
    (tmp_path / "r").mkdir()
    torch.save({"weight": torch.zeros(3)}, tmp_path / "r" / "other.pth")

    with pytest.raises(CheckpointError, match=r"other\.pth: has no "):
        checkpoint_outputs.outputs(references().task, folders)
