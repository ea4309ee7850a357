"""Conversion of a report into MLflow's flat parameters, metrics and tags, independent of MLflow's client."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness import RunReport

RUN_ID_TAG = "unlearning.run_id"
NOT_ALLOWED = re.compile(r"[^\w\-. /]", flags=re.ASCII)  # characters that MLflow forbids in keys
MAX_KEY, MAX_VALUE = 250, 500  # characters; accepted by every MLflow store


def parameters(report: RunReport) -> dict[str, str]:
    """Return the run's settings and environment; options of the plugin as ``option.NAME``."""
    plugin, runner = report.plugin, report.runner
    values: dict[str, Any] = {
        "task": report.task.name,
        "task.data_digest": report.task.data_digest,
        "plugin": plugin.name,
        "plugin.distribution": plugin.distribution,
        "plugin.version": plugin.version,
        "plugin.digest": plugin.digest,
        "seed": report.seeds.run,
        "seed.references": report.seeds.references,
        "models": report.populations.retrained.size,
        "design": report.design.name,
        "originals": report.design.originals,
        "repeats": report.design.repeats,
        "limit_s": report.budget.limit_s,
        "budget_fraction": report.budget.fraction,
        "runner": runner.name,
        "isolation": runner.isolation,
        "isolation_level": runner.isolation_level,
        "device": ", ".join(report.hardware.gpus) if runner.gpu else report.hardware.cpu_model,
        "torch": runner.torch or report.libraries.get("torch"),
        "harness": report.harness_version,
        **{f"option.{name}": _plain(value) for name, value in plugin.options.items()},
    }
    return {key(name): str(value)[:MAX_VALUE] for name, value in values.items() if value is not None}


def metrics(report: RunReport) -> dict[str, float]:
    """Return every metric as ``EVALUATOR.METRIC``, with its interval, control and no-op."""
    values: dict[str, float | None] = {
        "models.finished": report.finished_models,
        "models.failed": report.populations.failed_models,
        **{f"seconds.{phase}": seconds for phase, seconds in report.phases.items()},
    }
    for evaluator in report.evaluators:
        for metric in evaluator.metrics:
            name, interval = f"{evaluator.name}.{metric.name}", metric.interval
            values[name] = metric.value
            values[f"{name}.low"] = interval.low if interval else None
            values[f"{name}.high"] = interval.high if interval else None
            values[f"{name}.control"] = metric.control
            values[f"{name}.noop"] = metric.noop
    return {key(name): float(value) for name, value in values.items() if value is not None}


def tags(report: RunReport) -> dict[str, str]:
    """Return the verdict and the identifiers by which a run is found again."""
    return {
        RUN_ID_TAG: report.run_id,
        "unlearning.verdict": report.verdict.level,
        "unlearning.status": report.status,
        "mlflow.note.content": report.verdict.sentence,
    }


def key(name: str) -> str:
    """Return a name with all characters that MLflow does not allow replaced."""
    return NOT_ALLOWED.sub("_", name)[:MAX_KEY]


def milliseconds(utc: str) -> int:
    """Convert a report's time, e.g. ``2026-01-31T12:00:00Z``, to milliseconds since 1970."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ" if "." in utc else "%Y-%m-%dT%H:%M:%SZ"
    return int(datetime.strptime(utc, form).replace(tzinfo=timezone.utc).timestamp() * 1000)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
