"""Reports as tidy pandas tables; needs pandas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.core.outcomes import ModelOutcome
from harness.errors import LibraryMissingError
from harness.evaluation import Interval, Metric
from harness.report.document import EvaluatorRecord, Report

from .result import RunReport

if TYPE_CHECKING:
    import pandas

METRIC_COLUMNS: Mapping[str, str] = {
    "name": "object",
    "evaluator": "object",
    "metric": "object",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "control": "float64",
    "control_low": "float64",
    "control_high": "float64",
    "noop": "float64",
    "position": "float64",
    "smallest_visible": "float64",
    "direction": "object",
    "unit": "object",
    "headline": "bool",
    "description": "object",
    "note": "object",
}
MODEL_COLUMNS: Mapping[str, str] = {
    "index": "int64",
    "original": "int64",
    "seed": "int64",
    "status": "object",
    "charged_s": "float64",
    "prepare_s": "float64",
    "cpu_pressure": "float64",
    "peak_rss_mib": "float64",
    "peak_gpu_mib": "float64",
    "attempts": "int64",
    "error_type": "object",
    "error_message": "object",
}
RUN_COLUMNS: Mapping[str, str] = {
    "run_id": "object",
    "created": "object",
    "task": "object",
    "plugin": "object",
    "distribution": "object",
    "version": "object",
    "status": "object",
    "verdict": "object",
    "models": "int64",
    "finished_models": "int64",
    "seed": "int64",
    "runner": "object",
    "torch": "object",
    "limit_s": "float64",
    "tags": "object",
    "note": "object",
    "folder": "object",
}
OPTION = "options."
"""Prefix of a column of the plugin's options."""


def metrics_frame(report: Report) -> pandas.DataFrame:
    """Return one row per metric, in the report's order.

    Columns: ``name``, e.g. "lira.auc", which is unique in a report, and its parts ``evaluator`` and ``metric``; ``value`` with
    the ends ``low`` and ``high`` of its interval; ``control`` (the score of perfect unlearning) with ``control_low`` and
    ``control_high``; ``noop`` (the score of doing nothing); ``position`` (0: no-op, 1: control); ``smallest_visible``;
    ``direction``, ``unit``, ``headline``, ``description``, ``note``. Missing numbers are NaN.

    Raises:
        LibraryMissingError: pandas is not installed.
    """
    return _frame(_metric_rows(report), METRIC_COLUMNS)


def models_frame(report: Report) -> pandas.DataFrame:
    """Return one row per model, by index: original, seed, status, seconds (``_s``), memory (``_mib``), attempts and error.

    Raises:
        LibraryMissingError: pandas is not installed.
    """
    return _frame((_model_row(model) for model in report.models), MODEL_COLUMNS)


def to_pandas(reports: Report | Iterable[Report]) -> pandas.DataFrame:
    """Return one row per metric of every report (or of one); columns of the run precede those of :func:`metrics_frame`.

    These are ``run_id``, ``created``, ``task``, ``plugin``, ``distribution``, ``version``, ``status``, ``verdict``, ``models``,
    ``finished_models``, ``seed``, ``runner``, ``torch`` (inside the sandbox), ``limit_s``, ``tags`` (joined by commas), ``note``
    and ``folder``, then a column ``options.NAME`` for each option of the plugin that any of the runs was given; where a run was
    not, it is missing. A run without metrics has no row.

    Raises:
        LibraryMissingError: pandas is not installed.
    """
    chosen = [reports] if isinstance(reports, Report) else list(reports)
    rows = ({**_run_row(report), **row} for report in chosen for row in _metric_rows(report))
    options = sorted({f"{OPTION}{name}" for report in chosen for name in report.plugin.options})
    return _frame(rows, {**RUN_COLUMNS, **dict.fromkeys(options), **METRIC_COLUMNS})


def pandas_module() -> Any:
    """Return pandas; raise LibraryMissingError if it is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise LibraryMissingError("Tables need pandas, which is not installed: pip install pandas") from error
    return pandas


def _frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str | None]) -> pandas.DataFrame:
    """Return a table with these columns; pandas chooses the type of a column without one."""
    types = {name: kind for name, kind in columns.items() if kind}
    records = [{name: row.get(name) for name in columns} for row in rows]
    return pandas_module().DataFrame.from_records(records, columns=[*columns]).astype(types)


def _metric_rows(report: Report) -> Iterator[dict[str, Any]]:
    for evaluator in report.evaluators:
        for metric in evaluator.metrics:
            yield _metric_row(evaluator, metric)


def _metric_row(evaluator: EvaluatorRecord, metric: Metric) -> dict[str, Any]:
    low, high = _ends(metric.interval)
    control_low, control_high = _ends(metric.control_interval)
    ends = {"low": low, "high": high, "control_low": control_low, "control_high": control_high}
    names = {"name": f"{evaluator.name}.{metric.name}", "evaluator": evaluator.name, "metric": metric.name}
    return {**vars(metric), **names, **ends}


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _model_row(model: ModelOutcome) -> dict[str, Any]:
    return {**vars(model.evidence), **vars(model), "status": model.status.value}


def _run_row(report: Report) -> dict[str, Any]:
    folder = report.folder if isinstance(report, RunReport) else None
    return {
        "run_id": report.run_id,
        "created": report.created,
        "task": report.task.name,
        "plugin": report.plugin.name,
        "distribution": report.plugin.distribution,
        "version": report.plugin.version,
        "status": report.status,
        "verdict": report.verdict.level,
        "models": len(report.models),
        "finished_models": report.finished_models,
        "seed": report.seeds.run,
        "runner": report.runner.name,
        "torch": report.runner.torch,
        "limit_s": report.budget.limit_s,
        "tags": ",".join(report.tags),
        "note": report.note,
        "folder": None if folder is None else str(folder),
        **{f"{OPTION}{name}": _scalar(value) for name, value in report.plugin.options.items()},
    }


def _scalar(value: Any) -> Any:
    """Return an option's value, a list or mapping as JSON text, so that rows can be grouped by it."""
    return json.dumps(value, sort_keys=True) if isinstance(value, (list, tuple, Mapping)) else value
