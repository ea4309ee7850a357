"""Run folders in every state, as runs leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.outcomes import ModelOutcome
from harness.report.document import Report
from harness.report.writing import report_text, write_report
from harness.runs.config import RunConfig
from harness.runs.store import RunStore
from tests.unit.report.examples import build_report, outcome

CREATED = "2026-02-03T10:00:00Z"


def begin(folder: Path, ended: Sequence[ModelOutcome] = (), created: str = CREATED, **options: Any) -> RunStore:
    """Leave a run that was stopped after these models."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    store = RunStore.create(folder)
    config = RunConfig(**{"plugin": "finetune", "task": "faces", **options})
    store.write_run({"format": 1, "config": config.to_json(), "run_id": folder.name, "created": created})
    for one in ended:
        store.begin_model(one.index)
        store.finish_model(one, None)
    return store


def stop(folder: Path, ended: int = 3, models: int = 8, **options: Any) -> RunStore:
    """Leave a run that was stopped after ``ended`` of its models, with the report of a run that has begun."""
    store = begin(folder, [outcome(index) for index in range(ended)], models=models, **options)
    made = build_report(outcomes=[outcome(index) for index in range(models)])
    design = made.design.model_copy(update={"originals": models})
    store.write_begun(report_text(made.model_copy(update={"design": design})))
    return store


def finish(folder: Path, made: Report | None = None, **options: Any) -> Report:
    """Leave a finished run with this report."""
    marks = {name: options[name] for name in ("tags", "note") if name in options}
    made = (made or build_report()).model_copy(update=marks)
    store = begin(folder, made.models, created=made.created, **options)
    write_report(made, store.folder)
    return made
