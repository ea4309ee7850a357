"""The bundled tasks, and the networks that a task file can name."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

from harness.tasks import architectures, forget_sections, schema
from harness.tasks.bundled import harness_tasks
from harness.tasks.loading import BUNDLED
from reference_models.networks.architectures import ARCHITECTURES
from reference_models.networks.recipe import Recipe


def test_bundled_tasks_are_known_by_name() -> None:
    assert tuple(task.name for task in harness_tasks()) == BUNDLED


def test_listing_tasks_imports_no_torch() -> None:
    code = "import sys, harness.tasks.bundled as b; list(b.harness_tasks()); print('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


def test_known_architectures_and_options_are_those_of_reference_models() -> None:
    found = {
        name: tuple(one.name for one in inspect.signature(factory).parameters.values() if one.kind is one.KEYWORD_ONLY)
        for name, factory in ARCHITECTURES.items()
    }

    assert found == architectures.ARCHITECTURES


def test_cifar10_is_the_starting_kits_task() -> None:
    task = next(task for task in harness_tasks() if task.name == "cifar10")
    definition = schema.TaskFile.model_validate_json(json.dumps(task.definition))

    assert definition.forget == forget_sections.ForgetRandom(by="random", count=5000)
    assert definition.splits == schema.Splits(validation=0.5, test=0.5, seed=42)
    assert task.architecture.name == "resnet18"
    assert task.recipe == Recipe(
        epochs=30,
        batch_size=128,
        optimizer="sgd",
        lr=0.1,
        momentum=0.9,
        weight_decay=5e-4,
        schedule="cosine",
        augment=("crop-pad-4", "horizontal-flip"),
    )
