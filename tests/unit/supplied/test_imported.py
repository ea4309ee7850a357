"""Populations that are imported from checkpoints, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.core.cache import cache_root
from harness.core.locks import locked
from harness.errors import (
    PopulationInvalidError,
    UsageError,
)
from harness.references import importing
from harness.references.checkpoints import CheckpointReader
from harness.references.exchange import export, pull
from harness.references.importing import import_populations
from harness.references.populations import References
from harness.references.supplied import Supplied, prune
from harness.tasks.task import JournalRequest
from reference_models.networks.architectures import build_model
from tests.unit.supplied.worlds import DATA, MODELS, PROGRESS, cached, imported, references, states


def test_checkpoints_become_the_populations_of_their_task(checkpoints: Path) -> None:
    found = imported(checkpoints)
    made = references().populations(MODELS, PROGRESS)

    assert [(one.role, one.models) for one in found] == [("original", 3), ("retrained", 3), ("control", 3)]
    assert cached("references") == 0
    for role, first in (("original", 0), ("retrained", 100), ("control", 103)):
        for i, state in enumerate(states(3, first)):
            network = build_model(references().spec, None).eval()
            network.load_state_dict(state)
            pictures = (torch.from_numpy(DATA.test.images).float() / 255 - 0.5) / 0.5
            with torch.inference_mode():
                np.testing.assert_allclose(made[role].logits["test"][i], network(pictures).numpy(), atol=1e-5)
    assert made["original"].state(1).keys() == states(1)[0].keys()
    accuracy = (made["original"].logits["test"].argmax(axis=2) == DATA.test.labels).mean()
    assert found[0].accuracy["test"] == pytest.approx(accuracy)
    assert made["original"].origins == ("Reference models were imported from originals, not trained here.",)


def test_given_controls_are_used(checkpoints: Path) -> None:
    shutil.copytree(checkpoints / "originals", checkpoints / "control")
    imported(checkpoints, checkpoints / "control")
    made = references().populations(MODELS, PROGRESS)

    np.testing.assert_array_equal(made["control"].logits["test"], made["original"].logits["test"])


def test_a_second_import_replaces_the_first(checkpoints: Path) -> None:
    imported(checkpoints)
    shutil.rmtree(checkpoints / "originals")
    (checkpoints / "originals").mkdir()
    for i, state in enumerate(states(3, first=50)):
        save_file(state, checkpoints / "originals" / f"{i}.safetensors")
    imported(checkpoints)

    weights = references().populations(MODELS, PROGRESS)["original"].state(0)
    for name, value in states(1, first=50)[0].items():
        np.testing.assert_array_equal(weights[name], value.numpy())


def test_populations_are_known_by_their_content(
    published: Path, checkpoints: Path, elsewhere: Callable[..., None]
) -> None:
    imported(checkpoints)
    first = references().keys("retrained", MODELS)
    imported(checkpoints)
    same = references().keys("retrained", MODELS)
    (checkpoints / "retrained" / "model_8.pt").unlink()
    imported(checkpoints)
    other = references().keys("retrained", MODELS)
    elsewhere()
    pull(str(published), PROGRESS)

    assert first == same
    assert len({first, other, references().keys("retrained", MODELS)}) == 3


def test_a_checkpoint_that_ends_the_process_that_reads_it_is_named_and_the_next_one_is_read(checkpoints: Path) -> None:
    good, expected = checkpoints / "retrained" / "model_8.pt", states(1)[0]
    with CheckpointReader({name: tensor.numpy() for name, tensor in expected.items()}) as reader:
        reader.read(good)
        assert reader._process is not None
        reader._process.kill()
        with pytest.raises(ValueError, match="the process that read it ended"):
            reader.read(good)

        assert reader.read(good).keys() == expected.keys()


def test_imported_models_are_never_mixed_with_trained_ones(checkpoints: Path) -> None:
    references().populations(MODELS + 2, PROGRESS)
    imported(checkpoints)

    with pytest.raises(UsageError, match="Pass --models 3 or fewer"):
        references().populations(MODELS + 1, PROGRESS)


def test_an_import_that_was_killed_while_it_wrote_is_not_completed_by_training(checkpoints: Path) -> None:
    imported(checkpoints)
    cache = Supplied().cache
    for entry in cache.entries():
        if entry.inputs["role"] == "control":
            cache.remove(entry)

    with pytest.raises(UsageError, match="An import for made-up was interrupted"):
        references().populations(MODELS, PROGRESS)
    assert cached("references") == 0


def test_what_a_killed_import_has_staged_is_removed_by_the_next_one_and_by_reaping(checkpoints: Path) -> None:
    left = cache_root() / importing.STAGING / "original-0"
    left.mkdir(parents=True)
    with locked(left.parent.with_suffix(".lock")):
        assert importing.remove_staged(cache_root()) == []
    assert importing.remove_staged(cache_root(), dry_run=True) == [left.parent]
    assert left.exists()
    assert importing.remove_staged(cache_root()) == [left.parent]
    assert not left.exists()

    left.mkdir(parents=True)
    imported(checkpoints)

    assert not left.parent.exists()


def test_all_checkpoints_that_do_not_fit_are_named_and_nothing_is_put_into_the_cache(checkpoints: Path) -> None:
    names = list(states(1)[0])
    renamed, small, whole, odd = states(4)
    renamed[f"{names[0]}s"] = renamed.pop(names[0])
    small[names[0]] = small[names[0]][:1]
    odd[names[0]] = torch.full_like(odd[names[0]], torch.nan)
    for number, content in enumerate((renamed, small, {"epoch": 3}, whole | {"more": torch.zeros(1)}, odd)):
        torch.save(content, checkpoints / "originals" / f"bad_{number}.pt")
    (checkpoints / "originals" / "bad_5.pt").write_bytes(b"not a checkpoint")
    (checkpoints / "originals" / "bad_6.safetensors").write_bytes(b"nor this")
    for path in (checkpoints / "retrained").iterdir():
        for number in range(3):
            shutil.copy(path, checkpoints / "retrained" / f"{path.stem}_{number}.pt")
    with pytest.raises(PopulationInvalidError) as refused:
        imported(checkpoints)

    told = str(refused.value)
    assert "has 7 faults" in told
    for words in (
        "did you mean",
        "has shape",
        "'epoch' is not a tensor",
        "which the task's network has not",
        "is not finite",
    ):
        assert words in told
    assert told.count("cannot be read") == 3
    assert cached("supplied") == 0


def test_code_in_a_checkpoint_is_not_executed(checkpoints: Path, tmp_path: Path, real_processes: None) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    torch.save(Evil(), checkpoints / "originals" / "model_0.pt")
    with pytest.raises(PopulationInvalidError, match=r"model_0\.pt: cannot be read"):
        imported(checkpoints)

    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("empty", "fault"),
    [("originals", "has no checkpoints"), ("gone", "is not a folder"), ("one", "two or more are needed")],
)
def test_too_few_checkpoints_are_refused(checkpoints: Path, empty: str, fault: str) -> None:
    (checkpoints / "one").mkdir()
    shutil.copy(checkpoints / "originals" / "model_0.safetensors", checkpoints / "one")
    if empty == "originals":
        for path in (checkpoints / "originals").iterdir():
            path.unlink()
    originals = checkpoints / ("gone" if empty == "gone" else "originals")
    retrained = checkpoints / ("one" if empty == "one" else "retrained")

    with pytest.raises(PopulationInvalidError, match=fault):
        import_populations(references(), originals, retrained, None, PROGRESS)


def test_a_task_that_needs_journals_takes_no_checkpoints(checkpoints: Path) -> None:
    with pytest.raises(UsageError, match="journal"):
        import_populations(
            references(journal=JournalRequest()), checkpoints / "originals", checkpoints / "retrained", None, PROGRESS
        )


def test_supplied_populations_are_pruned_with_trained_ones(published: Path, checkpoints: Path) -> None:
    imported(checkpoints)
    trained, supplied = cached("references"), cached("supplied")

    assert trained
    assert supplied
    assert prune("another")[0] == 0
    assert prune("made-up")[0] == trained + supplied
    assert (cached("references"), cached("supplied")) == (0, 0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", ""])
def test_checkpoints_of_other_precision_or_wrapping_fit(checkpoints: Path, dtype: torch.dtype, prefix: str) -> None:
    shutil.rmtree(checkpoints / "originals")
    (checkpoints / "originals").mkdir()
    for i, state in enumerate(states(3)):
        changed = {prefix + name: tensor.to(dtype) for name, tensor in state.items()}
        if prefix:
            torch.save(changed, checkpoints / "originals" / f"{i}.pt")
        else:
            save_file(changed, checkpoints / "originals" / f"{i}.safetensors")

    assert imported(checkpoints)[0].models == 3


def test_a_part_of_an_imported_population_can_be_published_and_says_that_its_training_is_unknown(
    checkpoints: Path, tmp_path: Path, elsewhere: Callable[..., None]
) -> None:
    imported(checkpoints)
    export(references(), 1, tmp_path / "part", PROGRESS)
    elsewhere()
    pull(str(tmp_path / "part"), PROGRESS)
    found = references().populations(1, PROGRESS)["original"]

    assert len(found.logits["test"]) == 1
    assert "torch unknown on unknown" in found.origins[0]


def test_an_import_that_is_stopped_leaves_the_earlier_one(checkpoints: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(checkpoints)
    before = {entry.path: Supplied().provenance(entry.path) for entry in Supplied().cache.entries()}
    shutil.copytree(checkpoints, checkpoints.with_name("second"))
    computed = []

    def stop(references: References, stacked: Any) -> Any:
        computed.append(stacked)
        if len(computed) == len(before):
            raise KeyboardInterrupt
        return logits(references, stacked)

    logits = importing._logits
    monkeypatch.setattr(importing, "_logits", stop)
    with pytest.raises(KeyboardInterrupt):
        imported(checkpoints.with_name("second"))

    assert {entry.path: Supplied().provenance(entry.path) for entry in Supplied().cache.entries()} == before
