"""Numbers that others published: p-values that need no data, and readers of their files, on files of the same layout."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import published
from benchmarks.published import Published
from harness.tasks.datasets.cifar10 import CLASS_NAMES
from harness_evaluators.klom import histograms, released
from harness_evaluators.ks import null_distribution
from reference_models.networks.architectures import build_model

TOFU = [row for row in published.rows() if row.source == "open-unlearning"]


def _printed(p: float, like: str) -> str:
    return f"{p:.2e}" if "e" in like else f"{p:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(("n", "printed"), [(400, "1.06e-239"), (200, "1.94e-119")])
def test_the_p_value_of_disjoint_samples_is_that_of_open_unlearning(n: int, printed: str) -> None:
    """Collapsed models, on forget10 and forget05: D = 1, and p = 2 / C(2n, n)."""
    p = float(null_distribution.p_values(np.array([1.0]), n, n)[0])

    assert p == pytest.approx(float(2 / math.comb(2 * n, n)), rel=1e-9)
    assert f"{p:.2e}" == printed


@pytest.mark.parametrize("split", published.TOFU)
def test_every_p_value_that_open_unlearning_prints_is_one_that_our_exact_test_can_give(split: str) -> None:
    values = published.p_values(published.TOFU[split])
    of_split = [row for row in TOFU if f"_{split}_" in row.item]

    assert len(of_split) == 14
    for row in of_split:
        found = values[published.nearest(float(row.published), len(values))]
        assert _printed(float(found), row.published) == row.published, row.item


def _compared(folder: Path, row: Published) -> published.Ours:
    ((_, found),) = published.compared(folder, [row])
    return found


def test_a_row_without_files_is_skipped_with_the_reason(tmp_path: Path) -> None:
    for row in (one for one in published.rows() if one.source != "open-unlearning"):
        found = _compared(tmp_path, row)
        assert found.value is None
        assert found.note.startswith("skipped: ")
        assert str(tmp_path) in found.note


def test_truth_ratios_are_read_from_logs_of_open_unlearning(tmp_path: Path) -> None:
    def write(run: str, scores: list[float]) -> None:
        place = tmp_path / "open-unlearning" / run / "evals"
        place.mkdir(parents=True)
        content = {"forget_truth_ratio": {"value_by_index": {str(i): {"score": s} for i, s in enumerate(scores)}}}
        (place / "TOFU_EVAL.json").write_text(json.dumps(content))

    row = Published("open-unlearning", "tofu_Llama-3.2-1B-Instruct_forget05_NPO", "ks_p", "0.14")
    write(row.item, [0.1 * i for i in range(5)])
    assert "no TOFU_EVAL.json of tofu_Llama-3.2-1B-Instruct_retain95" in _compared(tmp_path, row).note

    write("tofu_Llama-3.2-1B-Instruct_retain95", [10 + 0.1 * i for i in range(5)])
    found = _compared(tmp_path, row)
    assert found.note == "from logs"
    assert found.value == pytest.approx(2 / math.comb(10, 5))


def test_a_damaged_log_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "TOFU_EVAL.json").write_text('{"forget_truth_ratio": {"agg_value": 0.5}}')

    with pytest.raises(published.MissingError, match="no forget_truth_ratio of single questions"):
        published.truth_ratios(tmp_path / "TOFU_EVAL.json")


def test_margins_are_read_in_easydub_s_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The originals' margins on retain are those of the whole training set: the forgotten rows are left out by their index."""
    monkeypatch.setattr(published, "MODELS", 6)
    rng = np.random.default_rng(0)
    folder, forgotten = tmp_path / "easydub", np.array([1, 3])
    whole, oracles = rng.standard_normal((2, 6, 8)).astype(np.float32)
    oracles = np.delete(oracles, forgotten, axis=1)
    for name, margins in (("pretrain/retain", whole), ("oracle/forget_2/retain", oracles)):
        place = folder / "margins/cifar10" / name / "resnet9"
        place.mkdir(parents=True)
        for i, one in enumerate(margins):
            np.save(place / f"id_{i}_epoch_23.npy", one)
    (folder / "forget_sets/cifar10").mkdir(parents=True)
    np.save(folder / "forget_sets/cifar10/forget_set_2.npy", forgotten)
    originals = np.delete(whole, forgotten, axis=1)

    found = _compared(tmp_path, Published("easydub", "retain", "klom_p95", "0.3191"))

    assert found.value == pytest.approx(np.quantile(released.divergences(originals, oracles), 0.95))
    assert f"{np.quantile(histograms.divergences(originals, oracles), 0.95):.4f}" in found.note


def _write_images(folder: Path, labels: np.ndarray) -> None:
    """Write CIFAR-10's binary version with grey pictures, as bright as their label says."""
    folder.mkdir(parents=True)
    pictures = np.repeat((20 * labels).astype(np.uint8)[:, None], 3072, axis=1)
    data = np.concatenate([labels.astype(np.uint8)[:, None], pictures], axis=1).tobytes()
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        (folder / f"{name}.bin").write_bytes(data)


def test_a_public_resnet18_is_read_whatever_its_layers_are_called(tmp_path: Path) -> None:
    """The last layer's bias answers class 0, whatever the picture; names are torchvision's, then kuangliu's."""
    _write_images(tmp_path / "cifar10/cifar-10-batches-bin", np.array([0, 0, 1, 2]))
    model = build_model(published.RESNET, 0)
    with torch.no_grad():
        model.fc.weight.zero_()
        model.fc.bias.copy_(torch.eye(10)[0])
    state = model.state_dict()
    (tmp_path / "resnet18").mkdir()
    others = {k.replace("downsample", "shortcut").replace("fc.", "linear."): v for k, v in state.items()}
    torch.save(state, tmp_path / "resnet18/cifar10_resnet18_CF-k_0.pth")
    torch.save({"net": others, "epoch": 3}, tmp_path / "resnet18/resnet18_cifar10_no_bird.pth")

    def found(item: str, quantity: str) -> float | None:
        return _compared(tmp_path, Published("resnet18", item, quantity, "0.0")).value

    loss = math.log(math.e + 9)
    assert found("cifar10_resnet18_CF-k_0.pth", "forget_accuracy") == 100
    assert found("cifar10_resnet18_CF-k_0.pth", "retain_accuracy") == 0
    assert found("cifar10_resnet18_CF-k_0.pth", "forget_loss") == pytest.approx(loss - 1, abs=1e-6)
    assert found("cifar10_resnet18_CF-k_0.pth", "retain_loss") == pytest.approx(loss, abs=1e-6)
    assert found("resnet18_cifar10_no_bird.pth", "retain_accuracy") == pytest.approx(200 / 3)


def test_the_forgotten_class_is_in_the_file_s_name() -> None:
    names = {"resnet18_cifar10_full.pth": None, "resnet18_cifar10_no_cat.pth": 3, "cifar10_resnet18_SSD_7.pth": 7}

    assert {name: published.forgotten_class(name) for name in names} == names
    expected = {None, *range(len(CLASS_NAMES))}
    assert {published.forgotten_class(row.item) for row in published.rows() if row.source == "resnet18"} == expected


def test_the_table_has_no_row_twice_and_a_number_in_each() -> None:
    rows = published.rows()

    assert len({(row.source, row.item, row.quantity) for row in rows}) == len(rows)
    assert all(float(row.published) >= 0 and row.source in published.SOURCES for row in rows)
