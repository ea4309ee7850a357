"""Journals in the cache of reference models, and what is asked before they are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.core.cache import take_rebuilt
from harness.errors import DatasetInvalidError, TaskInvalidError
from harness.references.identity import ROLES, member_seeds, training_code_digest
from harness.references.journals import expected_bytes, journal_record
from harness.references.populations import Population, References
from harness.references.queries import NO_QUERIES
from harness.tasks.task import JournalRequest, SisaRequest, Split, Task, TaskData
from reference_models.networks.recipe import ArchitectureSpec, Recipe

PLAIN_INPUTS = {"format", "task", "role", "data", "model", "recipe", "seeds", "torch", "device", "code"}
"""What the key of a chunk without any record of training, of models that are asked no queries, is made of."""


def _split(name: str, n_examples: int) -> Split:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n_examples, 1, 4, 4), dtype=np.uint8)
    return Split(np.array([f"{name}-{i}" for i in range(n_examples)]), images, np.arange(n_examples) % 2)


DATA = TaskData(_split("r", 16), _split("f", 3), _split("v", 4), _split("t", 4), ("a", "b"), (0.5,), (0.5,))
RECIPE = Recipe(epochs=2, batch_size=4, chunk=2)
PLAIN = Task("made-up", "", lambda: DATA, ArchitectureSpec("mlp", {"hidden": [2]}), RECIPE)
JOURNAL = replace(PLAIN, journal=JournalRequest())
SISA = replace(PLAIN, sisa=SisaRequest(2, 2))


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache for all tests here: each population is trained once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def population(task: Task, role: str = "original", models: int = 3) -> Population:
    return References(task, DATA).population(role, models)  # type: ignore[arg-type]


def test_a_task_without_a_record_has_the_keys_that_it_always_had() -> None:
    for role in ROLES:
        for inputs in (chunk.inputs for chunk in References(PLAIN, DATA, queries=NO_QUERIES).chunks(role, 3)):
            assert inputs.keys() == PLAIN_INPUTS
            assert inputs["code"] == training_code_digest(records=False)


@pytest.mark.parametrize("task", [JOURNAL, SISA])
def test_a_task_with_a_record_is_trained_again_when_the_code_of_records_changes(task: Task) -> None:
    inputs = next(References(task, DATA, queries=NO_QUERIES).chunks("original", 3)).inputs
    assert inputs["code"] == training_code_digest() != training_code_digest(records=False)


def test_a_journal_changes_the_keys_of_the_originals_alone() -> None:
    plain, recorded = References(PLAIN, DATA), References(JOURNAL, DATA)

    assert plain.keys("original", 3) != recorded.keys("original", 3)
    assert plain.keys("retrained", 3) == recorded.keys("retrained", 3)
    assert recorded.keys("original", 3) != References(replace(PLAIN, journal=JournalRequest("all")), DATA).keys(
        "original", 3
    )


def test_originals_with_a_journal_have_the_weights_of_those_without() -> None:
    plain, recorded = population(PLAIN), population(JOURNAL)

    for index in range(len(plain.seeds)):
        np.testing.assert_equal(recorded.state(index), plain.state(index))
    assert plain.journal(2) is None


def test_originals_alone_have_journals_one_each_in_their_order() -> None:
    originals = population(JOURNAL)

    assert [file.name for file in originals.journals] == [f"journal-{n:04d}.safetensors" for n in (0, 1, 0)]
    assert len(set(originals.journals)) == 3
    assert population(JOURNAL, "retrained").journals == ()


def test_the_report_counts_the_bytes_that_lie_on_the_disk() -> None:
    files = population(JOURNAL).journals
    record = journal_record(JOURNAL, files)

    assert record is not None
    assert record.bytes_total == sum(len(file.read_bytes()) for file in files)
    assert (record.originals, record.steps, record.updates) == (3, 10, "touched")
    assert 0 < (record.touched_steps or 0) == (record.stored_steps or 0) < 10
    assert journal_record(PLAIN, ()) is None


@pytest.mark.parametrize("task", [JOURNAL, replace(PLAIN, journal=JournalRequest("all")), SISA])
def test_the_size_is_known_before_any_training(task: Task) -> None:
    expected = expected_bytes(task, DATA, task.model_spec(DATA), member_seeds(task, "original", 1)[0])
    raw = population(task, models=2).journals[0].read_bytes()

    assert len(raw) == 8 + int.from_bytes(raw[:8], "little") + expected


def test_a_damaged_journal_is_made_anew_as_it_was() -> None:
    file = population(JOURNAL, models=2).journals[1]
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    take_rebuilt()

    assert population(JOURNAL, models=2).journals[1].read_bytes() == whole
    assert len(take_rebuilt()) == 1


def test_a_missing_journal_is_made_anew() -> None:
    file = population(JOURNAL, models=2).journals[0]
    file.unlink()

    assert population(JOURNAL, models=2).journals[0].is_file()


def test_a_journal_that_a_guest_cannot_hold_is_refused_before_any_training(tmp_path: Path) -> None:
    large = replace(JOURNAL, architecture=ArchitectureSpec("mlp", {"hidden": [30_000]}))

    with pytest.raises(TaskInvalidError, match=r"needs \d+ MiB; a sandbox of 8 MiB.*--memory"):
        References(large, DATA).check_journals(2, 8)
    References(large, DATA).check_journals(2, 8192)
    References(PLAIN, DATA).check_journals(2, 0)


def test_a_shard_without_examples_is_refused() -> None:
    with pytest.raises(TaskInvalidError, match="Reduce the number of shards or slices"):
        References(replace(PLAIN, sisa=SisaRequest(16, 1)), DATA).check_journals(2, None)


def test_sharding_by_subject_needs_subjects() -> None:
    with pytest.raises(DatasetInvalidError, match=r"sisa\.by"):
        References(replace(PLAIN, sisa=SisaRequest(2, 1, "subject")), DATA).check_journals(2, None)


def test_all_populations_of_a_sharded_task_are_sharded_alike() -> None:
    spec = SISA.model_spec(DATA)

    assert spec.architecture.options["shards"] == 2
    assert population(SISA, "retrained", 2).logits["test"].shape == (2, 4, 2)
    record = journal_record(SISA, population(SISA, models=2).journals)
    assert record is not None
    assert (record.kind, record.shards, record.slices, record.steps) == ("checkpoints", 2, 2, None)
