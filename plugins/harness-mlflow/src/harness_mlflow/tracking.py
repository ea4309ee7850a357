"""Logging to MLflow's tracking store: one MLflow run per run of the harness, identified by a tag."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient, get_tracking_uri
from mlflow.entities import Metric, Param, RunTag

from harness_mlflow.records import RUN_ID_TAG, key, metrics, milliseconds, parameters, tags

if TYPE_CHECKING:
    from harness import RunReport

FILES = ("report.json", "report.html")
BATCH = 100  # parameters or metrics per request; MLflow accepts 100 and 1000


def put(report: RunReport, run_dir: Path) -> str:
    """Log the run, or update the MLflow run with the same ``unlearning.run_id``; return where it is.

    Raises:
        MlflowException: the store is unreachable or rejects the request.
    """
    client = MlflowClient()
    experiment = _experiment(client, report)
    run = _existing(client, experiment, report) or _created(client, experiment, report)
    _log(client, run, report)
    for name in FILES:
        client.log_artifact(run.info.run_id, str(run_dir / name))
    client.log_text(run.info.run_id, f"{report}\n", "summary.txt")
    status = "FAILED" if report.status == "failed" else "FINISHED"
    client.set_terminated(run.info.run_id, status=status, end_time=milliseconds(report.finished or report.created))
    return f"MLflow: run {run.info.run_id} of experiment {experiment} at {without_credentials(get_tracking_uri())}"


def without_credentials(uri: str) -> str:
    """Return a tracking URI without user name and password."""
    return re.sub(r"(?<=://)[^/]*@", "", uri)


def _experiment(client: MlflowClient, report: RunReport) -> str:
    """Return the id of the experiment set by MLflow's variables, or of the task's; create it if it does not exist."""
    if chosen := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return chosen
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or f"unlearning-{report.task.name}"
    found = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if found is None else found.experiment_id)


def _existing(client: MlflowClient, experiment: str, report: RunReport) -> Any:
    found = client.search_runs([experiment], filter_string=f"tags.`{RUN_ID_TAG}` = '{report.run_id}'", max_results=1)
    return found[0] if found else None


def _created(client: MlflowClient, experiment: str, report: RunReport) -> Any:
    name = f"{report.plugin.name} on {report.task.name}"
    begun = milliseconds(report.created)
    return client.create_run(experiment, start_time=begun, run_name=name, tags={RUN_ID_TAG: report.run_id})


def _log(client: MlflowClient, run: Any, report: RunReport) -> None:
    """Log new values only; MLflow's parameters are immutable."""
    when = milliseconds(report.rejudged or report.finished or report.created)
    new = [Param(name, value) for name, value in parameters(report).items() if name not in run.data.params]
    numbers = {**_vanished(run, report), **metrics(report)}
    points = [Metric(name, value, when, 0) for name, value in numbers.items()]
    for batch in _batches(new):
        client.log_batch(run.info.run_id, params=batch)
    for batch in _batches(points):
        client.log_batch(run.info.run_id, metrics=batch)
    client.log_batch(run.info.run_id, tags=[RunTag(name, value) for name, value in tags(report).items()])


def _vanished(run: Any, report: RunReport) -> dict[str, float]:
    """Return NaN for metrics of this report's evaluators that an earlier export logged and the report no longer has."""
    ours = tuple(key(f"{evaluator.name}.") for evaluator in report.evaluators)
    return {name: math.nan for name in run.data.metrics if name.startswith(ours)}


def _batches(items: list[Any]) -> list[list[Any]]:
    return [items[first : first + BATCH] for first in range(0, len(items), BATCH)]
