"""A task in bfloat16: references are trained and methods called in it, and the run keeps it with its recipe."""

from __future__ import annotations

from pathlib import Path

from tests.program import TASK, Program, report_of

PRINTS = """
from pluggy import HookimplMarker

hookimpl = HookimplMarker("harness")


@hookimpl
def unlearn(model, retain, context):
    images, _ = next(iter(retain.loader(batch_size=8)))
    print("computes in", model(images).dtype, "as the recipe's", context.recipe.precision)
    return model
"""


def test_methods_compute_in_the_precision_of_the_recipe(program: Program, tmp_path: Path) -> None:
    (tmp_path / "half.yaml").write_text(TASK.replace("recipe: {", "recipe: {precision: bfloat16, "))
    (tmp_path / "prints.py").write_text(PRINTS)
    given = (
        "--plugin",
        tmp_path / "prints.py",
        "--task",
        tmp_path / "half.yaml",
        "--models",
        "2",
        "--time-limit",
        "60",
    )

    ended = program("run", "--runner", "process", "--cpus", "1", *given, "--output", tmp_path / "r")

    assert ended.code == 0, ended.err
    assert report_of(tmp_path / "r")["recipe"]["precision"] == "bfloat16"
    assert "computes in torch.bfloat16 as the recipe's bfloat16" in program("logs", tmp_path / "r").out
