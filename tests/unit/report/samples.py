"""Reports with all that the page can draw, and one whose every text is hostile, for tests of the page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.core.outcomes import Evidence, LogCapture, Status
from harness.report.document import Report, TaskRecord
from harness.report.examples import DistanceRecord, ExampleRecord, ExamplesRecord, PhiRecord
from harness.report.times import times_record
from harness.runs.pictures import png_base64
from tests.unit.report.examples import (
    PLUGIN,
    accuracy_metric,
    auc_metric,
    build_report,
    evaluator,
    outcome,
    plugin_error,
    timeout,
)

ROC = {
    "roc_fpr": np.array([0.001, 0.01, 0.1, 1.0]),
    "roc_tpr_unlearned": np.array([0.0, 0.03, 0.2, 1.0]),
    "roc_tpr_control": np.array([0.001, 0.01, 0.1, 1.0]),
    "roc_tpr_noop": np.array([0.1, 0.2, 0.6, 1.0]),
}
HOSTILE = (
    "</script></style></svg><script>window.owned=1</script><img src=x onerror=window.owned=1>"
    "<svg onload=window.owned=1><style>*{display:none}@import 'https://evil.invalid/a.css'</style>"
    "\"'` autofocus onfocus=window.owned=1 style=background:url(https://evil.invalid/b)<a href=javascript:window.owned=1>x</a>"
    "<iframe src=https://evil.invalid></iframe><base href=https://evil.invalid/><!-- ]]>{{ 7*7 }}${7*7}\x1b[31m\u202e"
)


def example(rank: int, **changes: Any) -> ExampleRecord:
    """One example of a task with pictures of 8 x 8."""
    draws = np.random.default_rng(rank).normal(size=(3, 6))
    fields: dict[str, Any] = {
        "id": f"p{rank}",
        "label": rank % 10,
        "rank": rank,
        "distance": DistanceRecord(unlearned=1 / rank, control=0.2, original=0.9),
        "phi": PhiRecord(
            **{name: tuple(row) for name, row in zip(PhiRecord.model_fields, draws.tolist(), strict=True)}
        ),
        "picture": png_base64(np.full((3, 8, 8), rank, np.uint8)),
    }
    return ExampleRecord(**{**fields, **changes})


def full_evaluators() -> tuple[Any, ...]:
    """Return records with all arrays that the page draws."""
    values = np.random.default_rng(0).uniform(0.2, 1, (3, 40))
    rows = dict(zip(("unlearned", "control", "noop"), values, strict=True))
    per_model = {
        f"{split}_per_model_{name}": values[0, :6]
        for split in ("retain", "forget", "validation", "test")
        for name in ("unlearned", "retrained", "control", "original")
    }
    return (
        evaluator("accuracy", accuracy_metric(), **per_model),
        evaluator("forgetting_quality", **{f"epsilon_official_{name}": row for name, row in rows.items()}),
        evaluator("ks", **{f"d_{name}": row for name, row in rows.items()}, d_null_quantiles=np.array([0.1, 0.2, 0.4])),
        evaluator("lira", auc_metric(), **ROC),
    )


def full_report(**changes: Any) -> Report:
    """Return a partial run's report with the data of every plot."""
    fields: dict[str, Any] = {
        "outcomes": [*(outcome(index) for index in range(6)), timeout(6), plugin_error(7, log="epoch 1")],
        "evaluators": full_evaluators(),
        "examples": ExamplesRecord(of=40, shown=(example(1), example(2), example(20), example(40)), pictures="shown"),
    }
    report = build_report(**{**fields, **changes})
    return report.model_copy(update={"times": times_record(report.models, 1, 2)})


def hostile_report() -> Report:
    """Return a report with an injection attempt in every text of plugin, task and evaluators."""
    died = Evidence(
        exit_code=1,
        error_type=HOSTILE,
        error_message=HOSTILE,
        traceback=HOSTILE,
        notes=(HOSTILE,),
        last_frame=HOSTILE,
    )
    outcomes = [
        outcome(0, log=LogCapture(head=HOSTILE, tail=HOSTILE, dropped_bytes=3)),
        plugin_error(1, HOSTILE, log=HOSTILE),
        outcome(2, Status.OUTPUT_INVALID, advice=HOSTILE, evidence=died, log=LogCapture(head=HOSTILE)),
    ]
    hostile_arrays = {f"{HOSTILE}_unlearned": np.arange(9.0), f"{HOSTILE}_control": np.arange(9.0)}
    mine = evaluator(
        HOSTILE, auc_metric(name=HOSTILE, description=HOSTILE, note=HOSTILE, unit=HOSTILE), **hostile_arrays
    )
    lira = evaluator("lira", auc_metric(unit=HOSTILE, description=HOSTILE), **ROC)
    task = TaskRecord(
        name=HOSTILE,
        description=HOSTILE,
        definition={HOSTILE: HOSTILE},
        data_digest=HOSTILE,
        split_sizes={"forget": 2},
        class_names=(HOSTILE, "ordinary"),
        source=HOSTILE,
    )
    shown = (example(1, id=HOSTILE, label=0), example(2, id=HOSTILE, true_label=0, picture=f'AAAA" onload="{HOSTILE}'))
    facts = replace(PLUGIN, name=HOSTILE, version=HOSTILE, location=HOSTILE, dependencies={HOSTILE: HOSTILE})
    report = full_report(
        plugin_facts=facts,
        outcomes=outcomes,
        evaluators=(mine, lira, *full_evaluators()[:3]),
        task=task,
        run_id=HOSTILE,
        warnings=(HOSTILE, f"{HOSTILE}: {HOSTILE}"),
        phases={HOSTILE: 2.0},
        cache_keys={HOSTILE: HOSTILE},
        examples=ExamplesRecord(of=2, shown=shown, pictures="shown"),
    )
    plugin = replace(report.plugin, options={HOSTILE: [HOSTILE]})
    return report.model_copy(update={"plugin": plugin})
