"""What is recorded of a training is what happened in it, and recording changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

from reference_models.networks.architectures import build_model
from reference_models.networks.inputs import normalise
from reference_models.networks.recipe import Recipe
from reference_models.records.journal import (
    JournalPlan,
    Recorder,
    TensorFile,
    Updates,
    drawn_batches,
    journal_layout,
    journal_name,
    layout_bytes,
)
from reference_models.training.ensembles import Mechanism
from reference_models.training.loop import train_chunk
from reference_models.training.states import StackedState, manifest
from tests.unit.reference_models.reference_specs import SPECS

SEEDS = [3, 4]
N_EXAMPLES, N_RETAIN = 22, 19
RECIPE = Recipe(epochs=2, batch_size=8, lr=0.05)
WAYS = [(name, None) for name in ("small-cnn-batch", "mlp", "resnet18")] + [("small-cnn-batch", "loop")]


def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (N_EXAMPLES, 3, 16, 16), dtype=np.uint8), rng.integers(0, 4, N_EXAMPLES)


def trained(
    name: str,
    folder: Path | None,
    updates: Updates = "all",
    mechanism: Mechanism | None = None,
    recipe: Recipe = RECIPE,
) -> StackedState:
    recorder = None
    if folder is not None:
        recorder = Recorder.of(folder, JournalPlan(N_RETAIN, updates), recipe, N_EXAMPLES, SEEDS)
    images, labels = examples()
    return train_chunk(SPECS[name], recipe, images, labels, SEEDS, mechanism=mechanism, recorder=recorder)


def read(folder: Path, member: int) -> dict[str, torch.Tensor]:
    with safe_open(folder / journal_name(member), framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


@pytest.mark.parametrize(("name", "mechanism"), WAYS)
def test_the_weights_are_bit_by_bit_those_of_a_training_without_a_journal(
    name: str, mechanism: Mechanism | None, tmp_path: Path
) -> None:
    recorded, plain = trained(name, tmp_path, mechanism=mechanism), trained(name, None, mechanism=mechanism)

    assert all(torch.equal(recorded[key], tensor) for key, tensor in plain.items())


@pytest.mark.parametrize(("name", "mechanism"), WAYS)
def test_the_initial_weights_and_all_updates_add_up_to_the_final_ones(
    name: str, mechanism: Mechanism | None, tmp_path: Path
) -> None:
    final = trained(name, tmp_path, mechanism=mechanism)

    for member in range(len(SEEDS)):
        journal = read(tmp_path, member)
        for key, stack in final.items():
            reached = journal[f"initial/{key}"] + journal[f"updates/{key}"].sum(0)
            torch.testing.assert_close(reached, stack[member], atol=1e-5, rtol=1e-4)


def test_the_first_update_is_the_step_that_plain_torch_takes_from_the_initial_weights(tmp_path: Path) -> None:
    trained("small-cnn-batch", tmp_path, recipe=Recipe(epochs=2, batch_size=8, lr=0.05, schedule="constant"))
    journal, (images, labels) = read(tmp_path, 1), examples()
    spec = SPECS["small-cnn-batch"]
    model = build_model(spec, SEEDS[1])
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    chosen = journal["batches"][0].numpy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    inputs = normalise(torch.from_numpy(images[chosen]), spec.mean, spec.std)
    F.cross_entropy(model(inputs), torch.from_numpy(labels[chosen])).backward()
    optimizer.step()

    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(journal[f"updates/{key}"][0], tensor - before[key], atol=1e-6, rtol=1e-3)


def test_touched_batches_are_those_with_a_forget_example_and_have_the_same_updates_as_in_a_full_journal(
    tmp_path: Path,
) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "touched").mkdir()
    trained("mlp", tmp_path / "all")
    trained("mlp", tmp_path / "touched", "touched")

    for member in range(len(SEEDS)):
        full, part = read(tmp_path / "all", member), read(tmp_path / "touched", member)
        touched = [step for step, batch in enumerate(full["batches"].tolist()) if max(batch) >= N_RETAIN]
        assert 0 < len(touched) < len(full["batches"])
        assert part["stored"].tolist() == touched
        assert full["stored"].tolist() == list(range(len(full["batches"])))
        for key in part:
            if key.startswith("updates/"):
                assert torch.equal(part[key], full[key][touched])


def test_every_example_is_in_one_batch_an_epoch(tmp_path: Path) -> None:
    trained("mlp", tmp_path)

    for epoch in read(tmp_path, 0)["batches"].split(3):
        assert sorted(number for number in epoch.flatten().tolist() if number >= 0) == list(range(N_EXAMPLES))


def test_a_files_length_is_known_beforehand(tmp_path: Path) -> None:
    trained("mlp", tmp_path, "touched")
    batches = drawn_batches(RECIPE, N_EXAMPLES, SEEDS[0])
    raw = (tmp_path / journal_name(0)).read_bytes()
    header = 8 + int.from_bytes(raw[:8], "little")

    layout = journal_layout(
        manifest(build_model(SPECS["mlp"], None).state_dict()), batches, len(read(tmp_path, 0)["stored"])
    )
    assert len(raw) == header + layout_bytes(layout)


def test_a_file_that_lacks_a_row_never_gets_its_name(tmp_path: Path) -> None:
    file = TensorFile(tmp_path / "x.safetensors", {"rows": (torch.float32, (2, 3))}, {})
    file.write("rows", torch.ones(3), 1)

    with pytest.raises(RuntimeError, match="lacks 12 bytes"):
        file.close()
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_of_another_form_is_refused(tmp_path: Path) -> None:
    file = TensorFile(tmp_path / "x.safetensors", {"rows": (torch.float32, (2, 3))}, {})

    with pytest.raises(ValueError, match="rows must be"):
        file.write("rows", torch.ones(4), 1)
