"""A failing evaluator cannot end the run, affect other evaluators, or prevent the report."""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.core.cache import cache_root
from harness.core.progress import SilentProgress
from harness.errors import UsageError
from harness.evaluation import EvaluatorInfo, Evidence, Metric, Result
from harness.plugins.discovery import FoundPlugin, LoadedEvaluator
from harness.report.document import EvaluatorRecord
from harness.runs import evaluators as evaluating
from tests.unit.evaluators.every import usual
from tests.unit.evaluators.misbehaving import MISTAKES, runs_for_ever


def evaluated(*functions: Callable[[Evidence], Any], evidence: Evidence | None = None) -> tuple[EvaluatorRecord, ...]:
    loaded = [
        LoadedEvaluator(
            FoundPlugin("harness.evaluators", one.__name__, "somewhere", "some-package", "1"),
            EvaluatorInfo(one.__name__, "1", "", one),
        )
        for one in functions
    ]
    return evaluating.evaluate(loaded, evidence or usual(), SilentProgress())


def share(evidence: Evidence) -> Result:
    """Return the share of zeros among all labels and logits."""
    parts = [*evidence.labels.values(), *evidence.logits["unlearned"].values()]
    return Result((Metric("share", float(np.mean([np.mean(part == 0) for part in parts])), "none", "Zeros."),))


@pytest.fixture(scope="module")
def records() -> dict[str, EvaluatorRecord]:
    """Return the records of all failing evaluators and, last, of a correct one, on one evidence."""
    return {record.name: record for record in evaluated(*MISTAKES, share)}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: one.__name__)
def test_a_mistake_is_a_record_that_says_what_it_is(
    records: dict[str, EvaluatorRecord], mistake: Callable[[Evidence], Any]
) -> None:
    record = records[mistake.__name__]

    assert MISTAKES[mistake] in str(record.error)
    assert len(str(record.error)) < 3_000
    assert record.metrics == ()


def test_who_comes_after_them_sees_what_was_there_before(records: dict[str, EvaluatorRecord]) -> None:
    (alone,) = evaluated(share)

    assert records["share"].error is None
    assert records["share"].metrics == alone.metrics


def test_one_that_runs_for_ever_is_ended_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(evaluating.LIMIT_VARIABLE, "1")

    slow, quick = evaluated(runs_for_ever, share)

    assert "timed out after 1 s" in str(slow.error)
    assert quick.error is None


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "1e308", "an hour"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setenv(evaluating.LIMIT_VARIABLE, limit)

    with pytest.raises(UsageError, match="number of seconds"):
        evaluated(share)


def test_one_ctrl_c_ends_them_all() -> None:
    begun, write = os.pipe()

    def stubborn(_: Evidence) -> Result:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.write(write, f"{os.getpid()}\n".encode())
        while True:
            signal.pause()

    def interrupt() -> None:
        pids.append(int(os.read(begun, 100)))
        os.kill(os.getpid(), signal.SIGINT)

    pids: list[int] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            evaluated(stubborn)
    finally:
        signal.signal(signal.SIGINT, before)
        thread.join()

    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_evidence_is_read_only_to_the_last_array() -> None:
    evidence = usual()

    arrays = [
        *evidence.ids.values(),
        *evidence.labels.values(),
        *(array for by in evidence.logits.values() for array in by.values()),
        evidence.unlearned_from,
        evidence.timings.unlearn_s,
        evidence.timings.retrain_s,
    ]
    assert not any(array.flags.writeable for array in arrays)
    with pytest.raises(TypeError):
        evidence.ids["forget"] = np.array(["other"])  # type: ignore[index]


def test_evidence_comes_through_a_pickle_unchanged() -> None:
    evidence = usual()

    other = pickle.loads(pickle.dumps(evidence))  # noqa: S301 -- our own

    assert evaluating.digest(other) == evaluating.digest(evidence)
    assert not other.labels["forget"].flags.writeable


def test_the_digest_depends_on_every_part() -> None:
    evidence = usual()
    parts = {**vars(evidence)}
    labels = {**evidence.labels, "test": evidence.labels["test"] + 1}

    digests = {
        evaluating.digest(Evidence(**{**parts, **change}))
        for change in ({}, {"seed": 1}, {"labels": labels}, {"class_names": ("x",)}, {"design": "one-original"})
    }

    assert len(digests) == 5


def test_temporary_files_are_where_there_is_room_for_populations() -> None:
    def tells(_: Evidence) -> Result:
        return Result((), warnings=(tempfile.gettempdir(),))

    before = tempfile.gettempdir()
    (record,) = evaluated(tells)

    assert record.warnings == (str(cache_root()),)
    assert tempfile.gettempdir() == before
