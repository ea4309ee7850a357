"""Reports that can be compared: one task, one set of reference models, one run per method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.comparing import LoadedReport
from harness.evaluation import Interval, Metric
from harness.report.document import EvaluatorRecord, Report
from tests.unit.report.examples import PLUGIN, RUNNER, accuracy_metric, build_report, evaluator, outcome

HOSTILE = "<script>alert(1)</script>[bold red]a_b%&#\\{\x1b[31m$x$"


def metric(value: float | None, half: float | None = 0.02, **changes: Any) -> Metric:
    """Return a membership attack's AUC with an interval of half-width ``half``."""
    ends = None if half is None or value is None else Interval(value - half, value + half)
    fields: dict[str, Any] = {
        "name": "auc",
        "value": value,
        "direction": "lower",
        "description": "How well an attack tells.",
        "interval": ends,
        "control": 0.5,
        "control_interval": Interval(0.48, 0.52),
        "noop": 0.9,
        "position": None if value is None else (0.9 - value) / 0.4,
        "headline": True,
    }
    return Metric(**{**fields, **changes})


def records(auc: float | None = 0.8, half: float | None = 0.02, **changes: Any) -> tuple[EvaluatorRecord, ...]:
    ends = {} if auc is None else {"position_interval_auc": np.array([(0.9 - auc - 0.02) / 0.4, (0.92 - auc) / 0.4])}
    seconds = Metric("unlearn_median", 0.4, "lower", "Seconds.", "s", interval=Interval(0.35, 0.45))
    return (
        evaluator("lira", metric(auc, half, **changes), **ends),
        evaluator("accuracy", accuracy_metric()),
        evaluator("efficiency", seconds),
    )


def report(name: str = "finetune", auc: float | None = 0.8, half: float | None = 0.02, **changes: Any) -> Report:
    fields = {
        "plugin_facts": replace(PLUGIN, name=name),
        "outcomes": [outcome(index) for index in range(8)],
        "evaluators": records(auc, half),
        "run_id": f"run-{name}",
    }
    return build_report(**{**fields, **changes})


def loaded(name: str = "finetune", auc: float | None = 0.8, half: float | None = 0.02, **changes: Any) -> LoadedReport:
    return LoadedReport(report(name, auc, half, **changes), Path("/runs") / f"run-{len(name)}")


def under_torch(version: str, auc: float = 0.8, **changes: Any) -> LoadedReport:
    from harness.report.document import RunnerRecord

    runner = RunnerRecord.from_facts(replace(RUNNER, torch=version), "run")
    return loaded("finetune", auc, runner=runner, **changes)


def hostile() -> list[LoadedReport]:
    """Two runs whose every text tries to be more than text."""
    texts = {"name": HOSTILE, "version": HOSTILE, "location": HOSTILE, "distribution": HOSTILE}
    found = (
        evaluator("lira", metric(0.6, description=HOSTILE, note=HOSTILE)),
        evaluator(HOSTILE, metric(0.6, name=HOSTILE, description=HOSTILE)),
        evaluator("accuracy", accuracy_metric()),
    )
    options = {HOSTILE: HOSTILE}
    bad = report(plugin_facts=replace(PLUGIN, **texts), evaluators=found, run_id=HOSTILE)
    bad = bad.model_copy(update={"plugin": replace(bad.plugin, options=options)})
    good = report("=cmd|' /C calc'!A0", 0.8)
    return [LoadedReport(bad), LoadedReport(good)]
