"""Plugins that cannot be loaded are told before anything is trained, in words that name the slip."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.program import Program
from tests.unit.bundles.wheels import INFO, write_wheel

MARKED = 'import pluggy, functools\nhookimpl = pluggy.HookimplMarker("harness")\n'
HOOK = "@hookimpl\ndef unlearn(model): return model\n"
SLIPS = {
    "function": (MARKED + HOOK, "toy:unlearn", "names a function; a plugin must be its module: name toy"),
    "a missing package": (MARKED + "import no_such_package\n" + HOOK, "toy", "No module named 'no_such_package'"),
    "torchvision of another torch": (
        MARKED + "raise RuntimeError('operator torchvision::nms does not exist')",
        "toy",
        "Use matching builds",
    ),
    "an exit": (MARKED + "import os; os._exit(0)", "toy", "cannot be loaded inside the sandbox"),
}


def named(value: str) -> dict[str, str]:
    """Return the change of a wheel's metadata that names the plugin."""
    return {f"{INFO}/entry_points.txt": f"[harness.unlearners]\ntoy = {value}\n"}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_plugin_that_cannot_be_loaded_is_told_before_training(
    program: Program, task: Path, tmp_path: Path, slip: str
) -> None:
    source, value, said = SLIPS[slip]
    task.write_text(task.read_text() + "seed: 9\n")  # a population that no other test has trained
    wheel = write_wheel(tmp_path, {"toy.py": source, "toy/__init__.py": None, **named(value)})
    ended = program("run", "--plugin", wheel, "--task", task, "--runner", "process", "--time-limit", "9")

    assert (ended.code, said in ended.err.replace("\n", " ")) == (12, True), ended.err
    assert "training reference models" not in ended.err
