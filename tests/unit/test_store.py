"""The run folder keeps every ended model, whole, and reads it back as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.core.outcomes import Evidence, LogCapture, ModelOutcome, Status
from harness.errors import OutputUnwritableError, RunNotFoundError, UsageError
from harness.runs.store import INTERRUPTED, MATRIX, RUN, RunStore, default_run_folder

OUTCOME = ModelOutcome(
    index=3,
    seed=2**62 + 1,
    status=Status.TIMEOUT,
    advice="be faster",
    charged_s=1.5,
    evidence=Evidence(elapsed_s=1.5, limit_s=1.0, notes=("a note",)),
    log=LogCapture(head="hello", dropped_bytes=3),
    attempts=2,
    earlier_attempts=("interrupted",),
)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path / "run")


def test_an_outcome_is_read_back_as_it_was(store: RunStore) -> None:
    store.finish_model(OUTCOME, None)

    assert store.finished() == {3: OUTCOME}


def test_logits_are_read_back_bit_for_bit(store: RunStore) -> None:
    logits = {"forget": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)}
    store.finish_model(OUTCOME, logits)

    np.testing.assert_array_equal(store.logits(3)["forget"], logits["forget"])


def test_a_model_that_was_begun_but_not_ended_is_not_finished(store: RunStore) -> None:
    store.begin_model(0)

    assert store.finished() == {}


def test_attempts_at_a_model_are_counted_across_openings(store: RunStore) -> None:
    store.write_run({})
    store.begin_model(0)

    assert RunStore.open(store.folder).begin_model(0) == (INTERRUPTED,)
    assert RunStore.open(store.folder).begin_model(0) == (INTERRUPTED, INTERRUPTED)


def test_an_attempt_that_ended_badly_is_kept_when_the_model_is_done_again(store: RunStore) -> None:
    store.begin_model(3)
    store.finish_model(OUTCOME, None)

    assert store.begin_model(3) == ("interrupted", "timeout after 1.50 s")


def test_an_interrupted_attempt_at_doing_a_model_again_is_counted(store: RunStore) -> None:
    store.begin_model(3)
    store.finish_model(OUTCOME, None)
    store.begin_model(3)

    assert store.begin_model(3) == ("interrupted", "timeout after 1.50 s", INTERRUPTED)


def test_what_a_killed_writer_has_left_is_removed_and_nothing_else(store: RunStore) -> None:
    left = store.folder / "models" / ".outcome.json.0123456789ab.tmp"
    other = store.folder / "models" / ".mine.tmp"
    left.touch()
    other.touch()

    with store.held():
        assert (left.exists(), other.exists()) == (False, True)


def test_a_damaged_outcome_is_told_with_what_to_do(store: RunStore) -> None:
    store.finish_model(OUTCOME, None)
    (store.folder / "models" / "0003" / "outcome.json").write_text("[1]")

    with pytest.raises(RunNotFoundError, match=r"0003.*harness resume"):
        store.finished()


def test_a_folder_that_holds_a_run_is_not_overwritten(store: RunStore) -> None:
    kept = {"config": {}, "run_id": "1", "created": "now"}
    store.write_run(kept)

    with pytest.raises(OutputUnwritableError, match="harness resume"):
        RunStore.create(store.folder)
    assert store.read_run() == kept


def test_a_folder_that_a_kill_left_before_the_run_was_recorded_is_not_said_to_hold_a_run(store: RunStore) -> None:
    with pytest.raises(OutputUnwritableError, match="Choose another folder") as caught:
        RunStore.create(store.folder)
    assert "harness resume" not in str(caught.value)


def test_a_run_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputUnwritableError, match="--output"):
        RunStore.create(tmp_path / "file" / "run")


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="is not a run folder"):
        RunStore.open(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_run_record_is_told_so(store: RunStore, text: str) -> None:
    (store.folder / "run.json").write_text(text)

    with pytest.raises(RunNotFoundError, match="damaged"):
        store.read_run()


@pytest.mark.parametrize("plugin", ["finetune", "./dir/some_plugin-1.0.whl", "pkg==1.0", "../../x"])
def test_the_default_folder_is_always_directly_below_runs(plugin: str) -> None:
    folder = default_run_folder(plugin, "./my task.yaml")

    assert folder.parent == Path("runs")
    assert ".." not in folder.name


@pytest.mark.parametrize("below", ["", "torch-2.4.1"])
def test_a_run_that_is_in_use_is_not_replaced(tmp_path: Path, below: str) -> None:
    (tmp_path / MATRIX).write_text("{}")
    used = RunStore.create(tmp_path / "torch-2.4.1") if below else RunStore(tmp_path)
    used.write_run({})

    with used.held(), pytest.raises(UsageError, match="Another process is using"):
        RunStore.create(tmp_path, replace=True)

    assert (used.folder / RUN).exists()
    RunStore.create(tmp_path, replace=True)
    assert [place.name for place in tmp_path.iterdir()] == ["models"]
