"""What a finished run becomes in a real MLflow store."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import harness
from harness_mlflow.records import RUN_ID_TAG, key, milliseconds
from harness_mlflow.tracking import without_credentials


def only_run(client: MlflowClient, experiment: str) -> Any:
    runs = client.search_runs([experiment])
    assert len(runs) == 1
    return runs[0]


def changed(finished: harness.RunReport, folder: Path, evaluator: str, metric: str, value: float | None) -> Path:
    """Copy the run as if it had been rescored a day later, with another value."""
    assert finished.folder is not None
    shutil.copytree(finished.folder, folder)
    document = json.loads((folder / "report.json").read_text())
    document["rejudged"] = "2999-01-01T00:00:00Z"
    records = next(one for one in document["evaluators"] if one["name"] == evaluator)
    next(one for one in records["metrics"] if one["name"] == metric)["value"] = value
    (folder / "report.json").write_text(json.dumps(document))
    return folder


def test_every_metric_stands_beside_its_control_and_no_op(
    finished: harness.RunReport, client: MlflowClient, experiment: str
) -> None:
    harness.export(finished, "mlflow")

    logged = only_run(client, experiment).data.metrics
    forget = finished.metric("accuracy", "forget")
    assert forget is not None
    assert forget.interval is not None
    beside = ("", ".low", ".high", ".control", ".noop")
    expected = (forget.value, forget.interval.low, forget.interval.high, forget.control, forget.noop)
    assert tuple(logged[f"accuracy.forget{ending}"] for ending in beside) == expected
    values = {f"{e.name}.{m.name}" for e in finished.evaluators for m in e.metrics if m.value is not None}
    assert {key(name) for name in values} <= set(logged)


def test_options_versions_and_seeds_are_parameters(
    finished: harness.RunReport, client: MlflowClient, experiment: str
) -> None:
    harness.export(finished, "mlflow")

    logged = only_run(client, experiment).data.params
    expected = {
        "task": "tiny",
        "plugin": "finetune",
        "plugin.version": finished.plugin.version,
        "option.lr": "0.002",
        "seed": "0",
        "models": "4",
        "runner": "process",
        "device": finished.hardware.cpu_model,
        "torch": finished.runner.torch,
    }
    assert {name: logged.get(name) for name in expected} == expected
    assert logged["isolation"].startswith("none")


def test_verdict_and_times_are_those_of_the_run(
    finished: harness.RunReport, client: MlflowClient, experiment: str
) -> None:
    harness.export(finished, "mlflow")

    run = only_run(client, experiment)
    assert run.info.run_name == "finetune on tiny"
    assert run.info.status == "FINISHED"
    assert (run.info.start_time, run.info.end_time) == (
        milliseconds(finished.created),
        milliseconds(finished.finished or ""),
    )
    assert run.data.tags["unlearning.verdict"] == finished.verdict.level
    assert run.data.tags["mlflow.note.content"] == finished.verdict.sentence


def test_the_report_and_its_page_are_artifacts(
    finished: harness.RunReport, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    harness.export(finished, "mlflow")

    run_id = only_run(client, experiment).info.run_id
    assert sorted(one.path for one in client.list_artifacts(run_id)) == ["report.html", "report.json", "summary.txt"]
    fetched = client.download_artifacts(run_id, "report.json", str(tmp_path))
    assert harness.load_report(fetched).to_dict() == finished.to_dict()


def test_the_sentence_names_run_experiment_and_store(
    finished: harness.RunReport, client: MlflowClient, experiment: str
) -> None:
    (said,) = harness.export(finished, "mlflow")

    assert only_run(client, experiment).info.run_id in said
    assert "mlflow.db" in said


def test_the_same_export_twice_changes_nothing(
    finished: harness.RunReport, client: MlflowClient, experiment: str
) -> None:
    harness.export(finished, "mlflow")
    before = only_run(client, experiment)
    harness.export(finished, "mlflow")

    after = only_run(client, experiment)
    assert (after.data.metrics, after.data.params) == (before.data.metrics, before.data.params)
    assert len(client.get_metric_history(after.info.run_id, "accuracy.forget")) == 1


def test_an_export_after_a_new_judgement_updates_the_run(
    finished: harness.RunReport, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    harness.export(finished, "mlflow")
    harness.export(changed(finished, tmp_path / "again", "accuracy", "forget", 0.125), "mlflow")

    assert only_run(client, experiment).data.metrics["accuracy.forget"] == 0.125


def test_a_metric_without_a_value_any_more_becomes_nan(
    finished: harness.RunReport, client: MlflowClient, experiment: str, tmp_path: Path
) -> None:
    harness.export(finished, "mlflow")
    harness.export(changed(finished, tmp_path / "again", "accuracy", "forget", None), "mlflow")

    assert math.isnan(only_run(client, experiment).data.metrics["accuracy.forget"])


def test_without_a_named_experiment_the_tasks_own_is_used(
    finished: harness.RunReport, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    harness.export(finished, "mlflow")

    found = client.get_experiment_by_name("unlearning-tiny")
    assert found is not None
    assert only_run(client, found.experiment_id).data.tags[RUN_ID_TAG] == finished.run_id


def test_a_store_that_cannot_be_reached_leaves_the_run_and_a_traceback(
    finished: harness.RunReport, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/mlflow.db")
    assert finished.folder is not None
    before = (finished.folder / "report.json").read_bytes()

    with pytest.raises(harness.errors.ExportError, match="exporter 'mlflow' of harness-mlflow"):
        harness.export(finished, "mlflow")
    assert (finished.folder / "report.json").read_bytes() == before
    assert "Traceback" in (finished.folder / "export-mlflow.log").read_text()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://me:secret@tracking.example/path", "https://tracking.example/path"),
        ("sqlite:////home/me/mlflow.db", "sqlite:////home/me/mlflow.db"),
    ],
)
def test_a_shown_address_has_no_credentials(given: str, shown: str) -> None:
    assert without_credentials(given) == shown


def test_names_hold_only_what_mlflow_allows() -> None:
    assert key("tpr@1%:a/b") == "tpr_1__a/b"
