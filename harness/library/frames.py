"""Reports as tidy pandas tables; needs pandas."""

from __future__ import annotations

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
    "folder": "object",
}


def metrics_frame(report: Report) -> pandas.DataFrame:
    """Return one row per metric, in the report's order.

    Columns: ``evaluator``, ``metric``; ``value`` with the ends ``low`` and ``high`` of its interval; ``control`` (the score of
    perfect unlearning) with ``control_low`` and ``control_high``; ``noop`` (the score of doing nothing); ``position`` (0: no-op,
    1: control); ``smallest_visible``; ``direction``, ``unit``, ``headline``, ``description``, ``note``. Missing numbers are NaN.

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
    ``finished_models``, ``seed``, ``runner``, ``torch`` (inside the sandbox), ``limit_s`` and ``folder``. A run without metrics
    has no row.

    Raises:
        LibraryMissingError: pandas is not installed.
    """
    chosen = [reports] if isinstance(reports, Report) else reports
    rows = ({**_run_row(report), **row} for report in chosen for row in _metric_rows(report))
    return _frame(rows, {**RUN_COLUMNS, **METRIC_COLUMNS})


def _frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pandas.DataFrame:
    try:
        import pandas
    except ImportError as error:
        raise LibraryMissingError("Tables need pandas, which is not installed: pip install pandas") from error
    return pandas.DataFrame.from_records([*rows], columns=[*columns]).astype(dict(columns))


def _metric_rows(report: Report) -> Iterator[dict[str, Any]]:
    for evaluator in report.evaluators:
        for metric in evaluator.metrics:
            yield _metric_row(evaluator, metric)


def _metric_row(evaluator: EvaluatorRecord, metric: Metric) -> dict[str, Any]:
    low, high = _ends(metric.interval)
    control_low, control_high = _ends(metric.control_interval)
    ends = {"low": low, "high": high, "control_low": control_low, "control_high": control_high}
    return {"evaluator": evaluator.name, "metric": metric.name, **vars(metric), **ends}


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
        "folder": None if folder is None else str(folder),
    }
