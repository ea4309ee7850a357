"""The summary of a stream: what is written is read again, plugins' text stays text, and the schema shipped is the model's."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from harness.cli.root import cli
from harness.errors import ReportInvalidError, RunNotFoundError
from harness.evaluation import Interval, Metric
from harness.report.records import PluginRecord
from harness.report.schema import STREAM_SCHEMA_PATH, stream_schema_text
from harness.report.stream_document import SUMMARY, AttackRecord, RequestSummary, StreamReport
from harness.report.stream_page import PAGE, read_summary, render_stream, summary_page, write_summary
from harness.report.stream_words import rows, sentence


def _metric(name: str, value: float | None, half: float = 0.02, unit: str = "share") -> Metric:
    interval = None if value is None else Interval(value - half, value + half)
    return Metric(name, value, "lower", f"About {name}.", unit, interval=interval, control=0.01, noop=0.4)


def _request(number: int, loss: float, back: float | None = None, returned: int = 8) -> RequestSummary:
    values: dict[str, Any] = {"retain_accuracy": 0.8, "retain_loss": loss, "test_accuracy": 0.5, "test_loss": loss / 2}
    if back is not None:
        values["reversal"] = back
    return RequestSummary(
        number=number,
        folder=f"request-{number}",
        run_id=f"run{number}",
        status="complete" if returned else "failed",
        verdict="partial",
        forget=20,
        retain=200 - 20 * number,
        models=8,
        returned=returned,
        limit_s=2.0,
        retrain_s=10.0,
        clock="wall",
        charged=_metric("charged", 1.5, unit="s"),
        state_bytes=5,
        forgetting=None,
        metrics=tuple(_metric(name, value if returned else None) for name, value in values.items()),
    )


def _report(*requests: RequestSummary, plugin: str = "method") -> StreamReport:
    erosion = (_metric("retain_erosion", 0.1),) if len(requests) > 1 else ()
    pairs = [(s, t) for t in range(1, len(requests) + 1) for s in range(1, t + 1)]
    return StreamReport(
        harness_version="1",
        created="2026-01-01T00:00:00Z",
        finished="2026-01-01T00:01:00Z",
        status="complete",
        sentence=sentence(requests, erosion, 2),
        task="small",
        description="",
        definition={},
        planned=2,
        plugin=PluginRecord(plugin, "m", "d", "1", "script", ""),
        runner="process",
        requests=requests,
        attacks=tuple(
            AttackRecord(request=s, after=t, metric=_metric("auc", 0.6, unit=""), memory=_metric("memory_left", 0.3))
            for s, t in pairs
        ),
        erosion=erosion,
        warnings=(),
    )


TWO = _report(_request(1, 0.0), _request(2, 0.1, back=0.2))


def test_a_summary_is_written_with_its_page_and_read_again(tmp_path: Path) -> None:
    write_summary(TWO, tmp_path)

    assert read_summary(tmp_path) == TWO
    page = (tmp_path / PAGE).read_text()
    assert page.count("<svg") == 4
    assert 'href="request-2/report.html"' in page
    assert all(word in page for word in ("--unlearned:", ".line.unlearned {", ".spot.mark {"))


def test_the_schema_that_is_shipped_and_printed_is_the_models() -> None:
    assert STREAM_SCHEMA_PATH.read_text() == stream_schema_text()
    assert CliRunner().invoke(cli, ["schema", "--stream"]).output == stream_schema_text()


def test_a_summary_against_the_schema_is_not_written(tmp_path: Path) -> None:
    wrong = TWO.model_copy(update={"planned": 1})

    with pytest.raises(ReportInvalidError, match=r"at \$.planned"):
        write_summary(wrong, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damaged", ["", "{}", json.dumps({"schema_version": "9"})])
def test_a_damaged_summary_is_told(tmp_path: Path, damaged: str) -> None:
    with pytest.raises(RunNotFoundError, match="harness resume"):
        read_summary(tmp_path)
    (tmp_path / SUMMARY).write_text(damaged)
    with pytest.raises(ReportInvalidError, match="not the summary of a stream"):
        read_summary(tmp_path)


def test_text_of_a_plugin_stays_text() -> None:
    page = summary_page(_report(_request(1, 0.0), plugin="<script>x</script>[bold]"))

    assert "<script>" not in page
    assert "<svg" not in page  # one request is no course of requests


def test_the_terminal_has_a_column_for_each_request_and_fits(tmp_path: Path) -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(render_stream(TWO, tmp_path))
    text = console.file.getvalue()  # type: ignore[attr-defined]

    assert "method on small (complete)" in text
    assert "Retain accuracy lost" in text
    assert all(len(line) <= 80 for line in text.splitlines() if not line.startswith("Page: "))


@pytest.mark.parametrize(
    ("loss", "back", "words"),
    [
        (0.1, 0.2, ["below that of retrained", "come back"]),
        (-0.1, -0.2, ["above that of retrained", "went on falling"]),
        (0.01, 0.01, ["does not differ visibly", "No return of earlier requests is seen"]),
    ],
)
def test_the_sentence_claims_what_its_intervals_show(loss: float, back: float, words: list[str]) -> None:
    told = sentence([_request(1, 0.0), _request(2, loss, back)], (), 2)

    assert [word for word in words if word not in told] == []


def test_without_an_interval_no_return_is_claimed() -> None:
    second = _request(2, 0.1, back=0.2)
    bare = tuple(replace(one, interval=None) if one.name == "reversal" else one for one in second.metrics)

    assert "more models are needed" in sentence([_request(1, 0.0), second.model_copy(update={"metrics": bare})], (), 2)


def test_a_request_without_a_returned_model_has_no_numbers() -> None:
    failed = _request(1, 0.0, returned=0)

    told = sentence([failed], (), 2)
    assert told.startswith("No model was returned at the first request.")
    assert f"{failed.folder}/report.html" in told  # where the reason stands
    assert "ended at request 2" in sentence([_request(1, 0.0), _request(2, 0.0, returned=0)], (), 2)
    assert rows(_report(failed))[0][6] == "–"
