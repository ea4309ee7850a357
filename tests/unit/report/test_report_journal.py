"""What the record of training cost and bought, in words; and reports that were written before there were any."""

from __future__ import annotations

from typing import Any

import pytest

from harness.report.document import Report
from harness.report.journal_words import journal_sentences, size
from harness.report.page import render_page
from harness.report.records import JournalRecord
from tests.unit.report.examples import auc_metric, build_report, evaluator

JOURNAL = JournalRecord(
    kind="updates",
    originals=8,
    bytes_total=58_000_000,
    bytes_per_original=7_250_000,
    updates="touched",
    steps=702,
    touched_steps=159.9,
    stored_steps=159.9,
)


def report(**metric: Any) -> Report:
    return build_report(journal=JOURNAL, evaluators=(evaluator("lira", auc_metric(**metric)),))


def test_the_disk_is_set_against_the_privacy_gained() -> None:
    text = journal_sentences(report(value=0.58, noop=0.71, control=0.50))

    assert "58.0 MB on disk for 8 originals, 7.2 MB each (updates of 160 batches; 160 of 702 batches held an" in text
    assert "AUC went from 0.710 to 0.580 (perfect: 0.500), 558 kB an original for each 0.01." in text


def test_nothing_gained_is_said() -> None:
    assert journal_sentences(report(value=0.71, noop=0.71)).endswith(": no gain.")


def test_over_forgetting_is_no_gain() -> None:
    assert journal_sentences(report(value=0.25, noop=0.71)).endswith(": no gain.")


def test_the_page_says_it_and_a_report_without_a_record_says_nothing() -> None:
    assert "58.0 MB on disk" in render_page(report())
    assert journal_sentences(build_report()) == ""
    assert "Record of training" not in render_page(build_report())


def test_a_report_from_before_there_were_records_is_read() -> None:
    old = build_report().model_dump(mode="json")
    del old["journal"]

    assert Report.model_validate(old).journal is None


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(0, "0 bytes"), (999, "999 bytes"), (375_000, "375 kB"), (1.02e9, "1.0 GB")]
)
def test_bytes_are_written_for_people(n_bytes: float, text: str) -> None:
    assert size(n_bytes) == text
