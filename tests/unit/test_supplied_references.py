"""Populations that were trained elsewhere: exported, pulled, imported from checkpoints; and what is refused."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file
from safetensors.torch import save_file

from harness.cli.root import cli
from harness.core.cache import Cache, cache_root, file_sha256
from harness.core.files import write_tensors
from harness.core.progress import SilentProgress
from harness.errors import (
    CacheError,
    HarnessError,
    LibraryMissingError,
    NoSpaceError,
    OutputUnwritableError,
    PopulationInvalidError,
    UsageError,
)
from harness.references import importing
from harness.references.exchange import INDEX, export, pull
from harness.references.importing import import_populations
from harness.references.populations import ROLES, References, prune
from harness.references.supplied import NOTE, Supplied
from harness.references.worker_pool import LOGITS
from harness.tasks.task import JournalRequest, Split, Task, TaskData
from reference_models.networks.architectures import build_model
from reference_models.networks.recipe import ArchitectureSpec, Recipe

MODELS = 3
PROGRESS = SilentProgress()


def _split(name: str, count: int) -> Split:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 1, 4, 4), dtype=np.uint8)
    return Split(np.array([f"{name}-{i}" for i in range(count)]), images, np.arange(count) % 2)


DATA = TaskData(_split("r", 12), _split("f", 8), _split("v", 4), _split("t", 10), ("a", "b"), (0.5,), (0.5,))
RECIPE = Recipe(epochs=1, batch_size=4, chunk=2)


def references(**more: Any) -> References:
    task = Task("made-up", "", lambda: DATA, ArchitectureSpec("mlp", {"hidden": [2]}), RECIPE, models=MODELS, **more)
    return References(task, DATA)


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


def cached(kind: str) -> int:
    return len(list(Cache(kind).entries()))


def test_a_pulled_population_is_used_on_another_machine_and_nothing_is_trained(
    published: Path, elsewhere: Callable[..., None]
) -> None:
    here = references().populations(MODELS, PROGRESS)
    elsewhere()
    pull(str(published), PROGRESS)
    there = references().populations(MODELS, PROGRESS)

    assert cached("references") == 0
    for role in ROLES:
        assert there[role].from_cache
        for name, logits in here[role].logits.items():
            np.testing.assert_array_equal(there[role].logits[name], logits)
        for name, weights in here[role].weights.items():
            np.testing.assert_array_equal(there[role].weights[name], weights)
        assert (
            there[role]
            .origins[0]
            .startswith(f"Reference models were pulled from {published}, trained there with torch")
        )
        assert here[role].origins == ()


def test_of_a_pulled_population_the_first_models_serve_a_smaller_one(
    published: Path, elsewhere: Callable[..., None]
) -> None:
    here = references().populations(1, PROGRESS)
    elsewhere()
    pull(str(published), PROGRESS)
    there = references().populations(1, PROGRESS)

    assert len(there["original"].logits["test"]) == 1
    np.testing.assert_array_equal(there["original"].logits["test"], here["original"].logits["test"])


def test_models_that_were_trained_here_are_preferred_to_pulled_ones(published: Path) -> None:
    pull(str(published), PROGRESS)

    assert {one.origins for one in references().populations(MODELS, PROGRESS).values()} == {()}


def test_a_larger_population_is_trained_beyond_what_was_pulled(published: Path, elsewhere: Callable[..., None]) -> None:
    elsewhere()
    pull(str(published), PROGRESS)
    larger = references().populations(MODELS + 1, PROGRESS)

    assert len(larger["control"].logits["test"]) == MODELS + 1
    assert cached("references") == len(ROLES)


def test_what_was_pulled_can_be_published_again(
    published: Path, elsewhere: Callable[..., None], tmp_path: Path
) -> None:
    elsewhere()
    pull(str(published), PROGRESS)
    export(references(), MODELS, tmp_path / "again", PROGRESS)
    first, again = (json.loads((folder / INDEX).read_text()) for folder in (published, tmp_path / "again"))

    assert [one["files"] for one in again["chunks"]] == [one["files"] for one in first["chunks"]]


def test_an_existing_folder_is_not_written_to(published: Path) -> None:
    before = sorted(published.rglob("*"))

    with pytest.raises(OutputUnwritableError, match="exists already"):
        export(references(), MODELS, published, PROGRESS)
    assert sorted(published.rglob("*")) == before
    assert [path.name for path in published.parent.iterdir() if path.name.endswith(".tmp")] == []


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def _first(index: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = index["chunks"][0]
    return found


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda folder: shutil.rmtree(folder), "has no readable populations.json"),
        (lambda folder: (folder / INDEX).write_text("{"), "is damaged"),
        (lambda folder: _change(folder / INDEX, lambda index: _first(index)["files"].update({"../x": "0"})), "damaged"),
        (lambda folder: _change(folder / INDEX, lambda index: _first(index)["inputs"].pop("role")), "damaged"),
        (lambda folder: _change(folder / INDEX, lambda index: _first(index)["sizes"].clear()), "damaged"),
        (lambda folder: next(folder.glob("*/logits.safetensors")).write_bytes(b"x"), "its digest differs"),
        (lambda folder: next(folder.glob("*/logits.safetensors")).unlink(), "could not be read"),
    ],
)  # fmt: skip
def test_what_is_not_a_published_population_is_refused_and_nothing_of_it_kept(
    published: Path, elsewhere: Callable[..., None], damage: Callable[[Path], None], fault: str
) -> None:
    damage(published)
    elsewhere()
    with pytest.raises(PopulationInvalidError, match=fault):
        pull(str(published), PROGRESS)

    # Whole chunks that were read before are kept, and nothing of the others.
    assert all(Supplied().folder(entry.inputs) for entry in Supplied().cache.entries())
    assert [path for path in cache_root().glob("supplied/*/.*") if path.is_dir()] == []


def test_a_pull_that_was_stopped_reads_only_what_is_missing(published: Path, elsewhere: Callable[..., None]) -> None:
    elsewhere()
    moved = sorted(published.glob("*/logits.safetensors"))
    chunks = json.loads((published / INDEX).read_text())["chunks"]
    last = next(path for path in moved if path.parent.name == _key(chunks[-1]))
    content = last.read_bytes()
    last.unlink()
    with pytest.raises(PopulationInvalidError, match="try again"):
        pull(str(published), PROGRESS)
    last.write_bytes(content)
    for path in moved:
        if path != last:
            path.unlink()

    pull(str(published), PROGRESS)
    assert cached("supplied") == len(chunks)


def _key(chunk: dict[str, Any]) -> str:
    from harness.core.cache import key_of

    return key_of(chunk["inputs"])


@pytest.mark.parametrize(("source", "error"), [("nonsense://x/y", UsageError), ("s3://bucket/x", LibraryMissingError)])
def test_a_protocol_that_cannot_be_read_is_named(
    source: str, error: type[HarnessError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)

    with pytest.raises(error, match=source):
        pull(source, PROGRESS)


def test_a_damaged_supplied_chunk_is_removed_and_named(published: Path, elsewhere: Callable[..., None]) -> None:
    elsewhere()
    pull(str(published), PROGRESS)
    next(cache_root().glob("supplied/*/*/logits.safetensors")).write_bytes(b"x")

    with pytest.raises(CacheError, match="Import or pull it again"):
        references().populations(MODELS, PROGRESS)


def states(count: int, first: int = 0) -> list[dict[str, torch.Tensor]]:
    return [build_model(references().spec, first + i).state_dict() for i in range(count)]


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


def imported(folder: Path, control: Path | None = None) -> list[Any]:
    return import_populations(references(), folder / "originals", folder / "retrained", control, PROGRESS)


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
    assert made["original"].origins == (
        f"Reference models were imported from {checkpoints / 'originals'}, not trained here.",
    )


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


def test_code_in_a_checkpoint_is_not_executed(checkpoints: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": 10**9},
        {"seeds": "abc"},
        {"seeds": []},
        {"recipe": {"lr": float("nan")}},
        {"role": "unlearned"},
        {"task": "\x1b[2J"},
        {"device": "cpu\nfine"},
    ],
)
def test_odd_inputs_in_an_index_are_refused(published: Path, elsewhere: Callable[..., None], change: Any) -> None:
    elsewhere()
    _change(published / INDEX, lambda index: _first(index)["inputs"].update(change))
    with pytest.raises(PopulationInvalidError, match="is damaged"):
        pull(str(published), PROGRESS)

    assert cached("supplied") == 0


@pytest.mark.parametrize("change", [{"format": 2}, {"models": -5}, {"chunks": []}, {"task": "\x1b[2J"}])
def test_an_index_without_sense_is_refused(published: Path, change: dict[str, Any]) -> None:
    _change(published / INDEX, lambda index: index.update(change))
    with pytest.raises(PopulationInvalidError, match="is damaged"):
        pull(str(published), PROGRESS)


def test_a_full_disk_is_not_taken_for_an_unreadable_source(
    published: Path, elsewhere: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    elsewhere()
    monkeypatch.setattr("harness.core.cache.file_sha256", full)
    with pytest.raises(NoSpaceError):
        pull(str(published), PROGRESS)

    assert cached("supplied") == 0


def test_damaged_entries_are_listed(published: Path) -> None:
    pull(str(published), PROGRESS)
    first, second, *_ = Supplied().cache.entries()
    (first.path / NOTE).write_text("{}")
    (second.path / "entry.json").write_text("[" * 100_000)
    listed = CliRunner().invoke(cli, ["references", "list"])

    assert listed.exit_code == 0, listed.output
    assert listed.output.count("damaged") == 1
    assert first.key[:12] in listed.output
    assert second.key[:12] in listed.output


def test_models_of_other_data_are_refused_when_they_are_used(published: Path, elsewhere: Callable[..., None]) -> None:
    def cut(index: dict[str, Any]) -> None:
        for chunk in index["chunks"]:
            path = published / _key(chunk) / LOGITS
            write_tensors(path, {name: logits[:, :2] for name, logits in load_file(path).items()})
            chunk["files"][LOGITS], chunk["sizes"][LOGITS] = file_sha256(path), path.stat().st_size

    _change(published / INDEX, cut)
    elsewhere()
    pull(str(published), PROGRESS)
    with pytest.raises(PopulationInvalidError, match="not of the data and network of made-up"):
        references().populations(MODELS, PROGRESS)


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
