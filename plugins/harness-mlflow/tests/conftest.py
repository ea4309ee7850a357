"""A real run of a few seconds, and a real MLflow store in one file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mlflow import MlflowClient

import harness

TASK = """\
schema: 1
name: tiny
description: A task of a few seconds
dataset: {kind: faces, persons: 40, pictures: 6}
forget: {by: subject, fraction: 0.2}
splits: {validation: 0.1, test: 0.15, by: subject}
architecture: {name: small-cnn, options: {width: 8}}
recipe: {epochs: 4, batch_size: 40, lr: 0.05, schedule: one-cycle, chunk: 8}
models: 4
budget: {measurements: 1}
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> harness.RunReport:
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(TASK)
    return harness.run(
        "finetune",
        folder / "tiny.yaml",
        runner="process",
        time_limit_s=60,
        cpus=1,
        options={"lr": 0.002},
        output=folder / "out",
    )


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowClient]:
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.chdir(folder)  # where MLflow puts artifacts unless it is told otherwise
        yield MlflowClient()


@pytest.fixture
def experiment(request: pytest.FixtureRequest, client: MlflowClient, monkeypatch: pytest.MonkeyPatch) -> str:
    """Create an experiment for this test's exports."""
    name = request.node.name
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", name)
    return str(client.create_experiment(name))
