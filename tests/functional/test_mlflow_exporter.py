"""The exporter to MLflow as a stranger's package: built, installed, tested by its own tests, and used on the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ExportError
from tests.program import Program

SOURCE = Path(__file__).parents[2] / "plugins" / "harness-mlflow"
# What the exporter and its tests need; the store of one file needs the last two.
NEEDED = ("mlflow", "sqlalchemy", "alembic")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package with pip into a separate folder."""
    for name in NEEDED:
        pytest.importorskip(name, reason=f"{name} is not installed")
    folder = tmp_path_factory.mktemp("mlflow")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    command = ["-m", "pip", "install", "-q", "--no-deps", "--target", folder / "site", folder / "source"]
    subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True, text=True)
    return folder / "site"


@pytest.mark.slow
def test_its_own_tests_pass_on_the_installed_package(program: Program, site: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", site.parent / "source", "tests"],
        cwd=site.parent / "source",
        env={**program.environment, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert ended.returncode == 0, ended.stdout
    assert " passed" in ended.stdout
    assert "skipped" not in ended.stdout


@pytest.mark.slow  # importing MLflow takes seconds; what any exporter is told is in test_library.py
def test_the_command_line_lists_it_and_says_where_the_run_went_or_why_not(
    program: Program, finished: Path, site: Path
) -> None:
    settings = {"PYTHONPATH": str(site), "MLFLOW_DISABLE_TELEMETRY": "true"}
    assert "harness-mlflow" in program("exporters", **settings).out

    ended = program("export", finished, "--to", "mlflow", MLFLOW_TRACKING_URI="sqlite:///mlflow.db", **settings)
    assert ended.code == 0, ended.err
    assert ended.out.startswith("MLflow: run ")
    assert (program.folder / "mlflow.db").exists()

    failed = program(
        "export", finished, "--to", "mlflow", MLFLOW_TRACKING_URI="sqlite:////dev/null/mlflow.db", **settings
    )
    assert failed.code == ExportError.exit_code
    assert "r/export-mlflow.log" in failed.err
