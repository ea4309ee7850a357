"""Imported checkpoints are what a method gets in its container, without training anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from harness.tasks.loading import load_task
from reference_models.networks.architectures import build_model
from tests.data_files import arrays_task
from tests.program import Program, make_wheel, report_of

pytestmark = pytest.mark.docker

UNLEARNER = """
import pluggy, torch

@pluggy.HookimplMarker("harness")
def unlearn(model):
    value = next(model.parameters()).flatten()[0].item()
    assert value in (1.0, 2.0), value  # as in the checkpoints
    for parameter in model.parameters():
        parameter.data.mul_(0.5)
"""


def test_imported_checkpoints_are_unlearned_in_a_container(program: Program, tmp_path: Path) -> None:
    task = arrays_task(tmp_path)
    spec = load_task(task).model_spec(load_task(task).load())
    for folder, count in (("originals", 2), ("retrained", 4)):
        (tmp_path / folder).mkdir()
        for index in range(count):
            state = build_model(spec, index).state_dict()
            next(iter(state.values())).view(-1)[0] = 1.0 + index
            save_file(state, tmp_path / folder / f"{index}.safetensors")

    imported = program(
        "references", "import", task, "--originals", tmp_path / "originals", "--retrained", tmp_path / "retrained"
    )
    ended = program(
        "run", "--plugin", make_wheel(tmp_path, UNLEARNER), "--task", task, "--runner", "docker", "--time-limit", "60",
        "--models", "2", "--cpus", "1", "--evaluator", "accuracy", "--output", tmp_path / "r",
    )  # fmt: skip

    assert imported.code == 0, imported.err
    assert ended.code == 0, ended.err
    assert "training reference models" not in ended.err
    report = report_of(tmp_path / "r")
    assert [(model["status"], model["evidence"]["error_message"]) for model in report["models"]] == [("ok", None)] * 2
    assert "imported" in str(report["populations"]["original"]["origins"])
