"""A report of a finished run with one failed model, as the program would make it, to be varied by tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.core.hardware import Hardware
from harness.core.outcomes import Evidence, LogCapture, ModelOutcome, Status
from harness.evaluation import EvaluatorInfo, Interval, Metric, Result
from harness.report.document import (
    ArchitectureRecord,
    BudgetRecord,
    DesignRecord,
    EvaluatorRecord,
    PluginRecord,
    PopulationRecord,
    PopulationsRecord,
    Report,
    RunnerRecord,
    SeedsRecord,
    TaskRecord,
    run_status,
)
from harness.report.verdict import decide_verdict
from harness.runners.base import Limits, PluginFacts, RunnerFacts


def outcome(index: int, status: Status = Status.OK, **more: Any) -> ModelOutcome:
    fields = {"original": index, "charged_s": 0.4 + 0.01 * index, **more}
    return ModelOutcome(index=index, seed=100 + index, status=status, **fields)


def timeout(index: int) -> ModelOutcome:
    evidence = Evidence(elapsed_s=1.0, limit_s=1.0, signal=9, last_frame="START")
    return outcome(index, Status.TIMEOUT, advice="Do less work, or ask context.remaining_s.", evidence=evidence)


def plugin_error(index: int, message: str = "bad learning rate", log: str = "") -> ModelOutcome:
    evidence = Evidence(exit_code=1, error_type="ValueError", error_message=message, traceback=f"ValueError: {message}")
    advice = "Read the traceback in the report."
    return outcome(index, Status.PLUGIN_ERROR, advice=advice, evidence=evidence, log=LogCapture(head=log))


def auc_metric(**changes: Any) -> Metric:
    fields: dict[str, Any] = {
        "name": "auc",
        "value": 0.58,
        "direction": "closer_to_reference",
        "description": "How well an attack tells unlearned models from retrained ones; 0.5 is chance.",
        "interval": Interval(0.55, 0.61),
        "control": 0.50,
        "control_interval": Interval(0.48, 0.52),
        "noop": 0.71,
        "smallest_visible": 0.03,
        "headline": True,
    }
    return Metric(**{**fields, **changes})


def accuracy_metric(value: float = 0.88) -> Metric:
    return Metric(
        name="test",
        value=value,
        direction="higher",
        description="Share of test examples that are classified rightly.",
        unit="share",
        interval=Interval(value - 0.01, value + 0.01),
        control=0.883,
        noop=0.884,
        smallest_visible=0.005,
        headline=True,
    )


def forgetting(**changes: Any) -> EvaluatorRecord:
    """Return a ``forgetting`` record for models that forgot a part; None omits a metric."""
    numbers: dict[str, Any] = {
        "difference_p": 0.001,
        "noop_p": 0.001,
        "placebo_p": 0.5,
        "excess_p": 0.001,
        "excess_wrong_p": 0.5,
        "memory_left": (0.40, 0.30, 0.50),
        "memory_left_calibrated": (0.42, 0.32, 0.52),
        "memory_left_queries": (0.38, 0.28, 0.48),
        "memory_left_worst": (0.42, 0.32, 0.52),
        "memory_bound": 0.52,
        "shift_bound": 0.7,
        "shift": (0.6, 0.5, 0.7),
        "shift_calibrated": (0.55, 0.45, 0.65),
        "named_remembered": 0.3,
        "named_over_forgotten": 0.0,
        "memory_size": (1.6, 1.5, 1.7),
        "effective_models": 3.0,
        **changes,
    }
    noop = numbers.pop("noop_p")
    metrics = [_number(name, value, noop) for name, value in numbers.items() if value is not None]
    return evaluator("forgetting", *metrics)


def _number(name: str, value: float | tuple[float, float, float], noop: float | None) -> Metric:
    middle, interval = (value[0], Interval(*value[1:])) if isinstance(value, tuple) else (value, None)
    more: dict[str, Any] = {"noop": noop, "note": "What stands out most: confidence: location top."}
    return Metric(name, middle, "none", name, interval=interval, **(more if name == "difference_p" else {}))


def judged(name: str, *metrics: Metric, **arrays: np.ndarray) -> EvaluatorRecord:
    """Return the record that the harness makes of what an evaluator returns."""
    info = EvaluatorInfo(name=name, version="1", summary="", evaluate=lambda _: Result(metrics, arrays))
    return EvaluatorRecord.from_result(info, "unlearning-harness", "0.1.0", 0.2, Result(metrics, arrays))


def evaluator(name: str, *metrics: Metric, **arrays: np.ndarray) -> EvaluatorRecord:
    """Return a record as a file may hold it, of any names: a report may come from a stranger's program."""
    return EvaluatorRecord(
        name=name,
        version="1",
        distribution="unlearning-harness",
        distribution_version="0.1.0",
        seconds=0.2,
        metrics=metrics,
        arrays={title: np.asarray(array, dtype=float).tolist() for title, array in arrays.items()},
    )


def build_report(**changes: Any) -> Report:
    outcomes = changes.pop("outcomes", [*(outcome(index) for index in range(7)), timeout(7)])
    facts = changes.pop("plugin_facts", PLUGIN)
    evaluators = changes.pop(
        "evaluators", (forgetting(), evaluator("lira", auc_metric()), evaluator("accuracy", accuracy_metric()))
    )
    models = tuple(outcomes)
    finished = sum(one.status is Status.OK for one in outcomes)
    fields: dict[str, Any] = {
        "harness_version": "0.1.0",
        "run_id": "20260131-120000-finetune-faces",
        "created": "2026-01-31T12:00:00Z",
        "finished": "2026-01-31T12:01:00Z",
        "status": run_status(models),
        "verdict": decide_verdict(evaluators, models),
        "task": TaskRecord(
            name="faces",
            description="Forget all pictures of certain persons.",
            data_digest="ab" * 32,
            split_sizes={"retain": 1800, "forget": 200, "validation": 400, "test": 400},
            class_names=tuple(f"age {decade}0" for decade in range(10)),
        ),
        "architecture": ArchitectureRecord(name="small-cnn", options={"width": 32}),
        "recipe": {"epochs": 10, "lr": 0.1},
        "plugin": PluginRecord.from_facts(facts, {"epochs": 1}),
        "runner": RunnerRecord.from_facts(RUNNER, "run"),
        "hardware": Hardware(cpu_model="AMD EPYC", cores=2, memory_mib=16_000, platform="Linux-6.1-x86_64"),
        "libraries": {"torch": "2.13.0", "numpy": "2.4.6"},
        "seeds": SeedsRecord(run=7, models=tuple(one.seed for one in outcomes)),
        "design": DesignRecord(name="per-original", originals=4, repeats=1),
        "budget": BudgetRecord(
            limit_s=1.0, how="fraction", fraction=0.2, retrain_s=(4.9, 5.0, 5.2), retrain_median_s=5.0, measured_on="k"
        ),
        "populations": PopulationsRecord(
            original=PopulationRecord(size=len(outcomes), cache_key="o"),
            retrained=PopulationRecord(size=8, cache_key="r"),
            control=PopulationRecord(size=8, cache_key="c"),
            unlearned=PopulationRecord(size=finished),
            failed_models=len(outcomes) - finished,
        ),
        "models": models,
        "evaluators": evaluators,
        "phases": {"prepare": 1.0, "unlearn": 4.0},
        "warnings": ("The limit was measured on a busy machine.",),
    }
    return Report(**{**fields, **changes})


PLUGIN = PluginFacts(
    name="finetune",
    value="harness_unlearners.finetune",
    distribution="unlearning-harness",
    version="0.1.0",
    origin="bundled",
    location="site-packages",
    files={"harness_unlearners/finetune.py": "cd" * 32},
    digest="ef" * 32,
    dependencies={"pluggy": "1.7.0"},
)
RUNNER = RunnerFacts(
    name="docker",
    isolation="No network, read-only root, no capabilities.",
    image="sha256:" + "0" * 64,
    engine={"version": "20.10.24", "cgroup": "1"},
    requested=Limits(),
    effective={"memory_mib": 8192},
    torch="2.13.0",
    python="3.11.2",
)
